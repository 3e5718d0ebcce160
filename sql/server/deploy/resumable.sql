-- A build that was paused, or still runs (SQL Server 2017 and later): @P1 schema, @P2 table, @P3 index.
SELECT /* kaizen */ r.state_desc, CAST(r.percent_complete AS float) AS percent_complete
FROM sys.index_resumable_operations AS r
INNER JOIN sys.objects AS o ON o.object_id = r.object_id
INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE s.name = @P1 AND o.name = @P2 AND r.name = @P3
