SELECT /* kaizen */
    s.name AS schema_name, o.name AS object_name, k.name AS constraint_name, k.definition, c.name AS column_name
FROM sys.default_constraints AS k
INNER JOIN sys.tables AS o ON o.object_id = k.parent_object_id
INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id
INNER JOIN sys.columns AS c ON c.object_id = k.parent_object_id AND c.column_id = k.parent_column_id
WHERE s.name <> 'kaizen'
