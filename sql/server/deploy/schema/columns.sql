SELECT /* kaizen */
    s.name AS schema_name, o.name AS object_name, c.name AS column_name, t.name AS type_name, c.max_length,
    c.precision, c.scale, c.is_nullable, c.is_identity, c.is_computed, c.collation_name
FROM sys.columns AS c
INNER JOIN sys.tables AS o ON o.object_id = c.object_id
INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id
INNER JOIN sys.types AS t ON t.user_type_id = c.user_type_id
WHERE s.name <> 'kaizen'
