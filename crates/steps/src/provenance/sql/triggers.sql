SELECT r.name AS trigger_name, CAST(r.is_disabled AS int) AS disabled
FROM sys.triggers AS r
INNER JOIN sys.tables AS t ON t.object_id = r.parent_id
INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE s.name = N'kaizen'
