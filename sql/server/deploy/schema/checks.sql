SELECT /* kaizen */
    s.name AS schema_name, o.name AS object_name, k.name AS constraint_name, k.definition, k.is_disabled
FROM sys.check_constraints AS k
INNER JOIN sys.tables AS o ON o.object_id = k.parent_object_id
INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE s.name <> 'kaizen'
