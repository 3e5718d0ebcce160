-- Bytes of each column at most; -1: no limit. @P1 schema, @P2 table.
SELECT /* kaizen */ c.name AS column_name, CAST(c.max_length AS int) AS max_length
FROM sys.columns AS c
INNER JOIN sys.tables AS o ON o.object_id = c.object_id
INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE s.name = @P1 AND o.name = @P2
