-- A table's rows and what it takes, all indexes apart: @P1 schema, @P2 table.
SELECT /* kaizen */
    CAST(SUM(p.row_count) AS float) AS row_count, CAST(SUM(p.used_page_count) / 128.0 AS float) AS used_mb
FROM sys.dm_db_partition_stats AS p
INNER JOIN sys.tables AS o ON o.object_id = p.object_id
INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE s.name = @P1 AND o.name = @P2 AND p.index_id < 2
