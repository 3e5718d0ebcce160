-- What an index takes: @P1 schema, @P2 table, @P3 index.
SELECT /* kaizen */ CAST(SUM(p.used_page_count) * 8192 AS bigint) AS used_bytes
FROM sys.dm_db_partition_stats AS p
INNER JOIN sys.indexes AS x ON x.object_id = p.object_id AND x.index_id = p.index_id
INNER JOIN sys.objects AS o ON o.object_id = p.object_id
INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE s.name = @P1 AND o.name = @P2 AND x.name = @P3
