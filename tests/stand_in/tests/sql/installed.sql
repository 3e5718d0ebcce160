SELECT COUNT(*) AS found FROM sys.tables AS t
INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE s.name = N'kaizen' AND t.name IN (N'schema_history', N'trail', N'events')
