-- Bytes a row, text without a limit left out. Columnstore is compared with the rows of its table, of
-- which it may hold a part of the columns; PAGE with what the index took before, where Kaizen
-- compressed it. A ratio of 5: a fifth of the space.
SELECT /* kaizen */
    z.schema_name,
    z.table_name,
    z.index_name,
    z.compression,
    z.row_count,
    z.kb,
    CAST(1024.0 * z.kb / NULLIF(z.row_count, 0) AS decimal(38, 1)) AS bytes_per_row,
    z.compared_with,
    CAST(1024.0 * z.other_kb / NULLIF(z.other_rows, 0) AS decimal(38, 1)) AS bytes_per_row_there,
    CAST((1.0 * z.other_kb / NULLIF(z.other_rows, 0)) / NULLIF(1.0 * z.kb / NULLIF(z.row_count, 0), 0) AS decimal(38, 2)) AS ratio
FROM (
    SELECT
        s.name AS schema_name,
        t.name AS table_name,
        i.name AS index_name,
        (
            SELECT MAX(c.data_compression_desc) FROM sys.partitions AS c
            WHERE c.object_id = i.object_id AND c.index_id = i.index_id
        ) AS compression,
        u.row_count,
        CASE WHEN i.type IN (5, 6) THEN u.all_kb ELSE u.row_kb END AS kb,
        CASE WHEN i.type = 6 THEN N'the rows of its table' WHEN x.before IS NOT NULL THEN N'before' END AS compared_with,
        CASE WHEN i.type = 6 THEN b.row_kb ELSE TRY_CAST(JSON_VALUE(x.before, '$.kb') AS bigint) END AS other_kb,
        CASE WHEN i.type = 6 THEN b.row_count ELSE TRY_CAST(JSON_VALUE(x.before, '$.rows') AS bigint) END AS other_rows
    FROM sys.indexes AS i
    INNER JOIN sys.tables AS t ON t.object_id = i.object_id
    INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    CROSS APPLY (
        SELECT
            SUM(p.row_count) AS row_count,
            8 * SUM(p.used_page_count) AS all_kb,
            8 * SUM(p.in_row_used_page_count + p.row_overflow_used_page_count) AS row_kb
        FROM sys.dm_db_partition_stats AS p
        WHERE p.object_id = i.object_id AND p.index_id = i.index_id
    ) AS u
    OUTER APPLY (
        SELECT
            SUM(p.row_count) AS row_count,
            8 * SUM(p.in_row_used_page_count + p.row_overflow_used_page_count) AS row_kb
        FROM sys.dm_db_partition_stats AS p
        WHERE p.object_id = i.object_id AND p.index_id IN (0, 1)
    ) AS b
    OUTER APPLY (
        SELECT CAST(e.value AS nvarchar(200)) AS before FROM sys.extended_properties AS e
        WHERE e.class = 7 AND e.major_id = i.object_id AND e.minor_id = i.index_id
            AND e.name = N'kaizen.before_compression'
    ) AS x
    WHERE i.type IN (5, 6) OR x.before IS NOT NULL OR EXISTS (
        SELECT 1 FROM sys.partitions AS c
        WHERE c.object_id = i.object_id AND c.index_id = i.index_id AND c.data_compression <> 0
    )
) AS z
ORDER BY z.kb DESC
