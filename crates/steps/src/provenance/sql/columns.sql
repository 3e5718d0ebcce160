SELECT t.name AS table_name, c.name AS column_name, y.name AS type_name, CAST(c.is_nullable AS int) AS nullable
FROM sys.columns AS c
INNER JOIN sys.tables AS t ON t.object_id = c.object_id
INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
INNER JOIN sys.types AS y ON y.user_type_id = c.user_type_id
WHERE s.name = N'kaizen'
