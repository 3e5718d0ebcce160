SELECT /* kaizen */
    s.name AS schema_name, o.name AS object_name, k.name AS constraint_name, r.name AS referenced_name,
    k.delete_referential_action, k.update_referential_action, k.is_disabled
FROM sys.foreign_keys AS k
INNER JOIN sys.tables AS o ON o.object_id = k.parent_object_id
INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id
INNER JOIN sys.tables AS r ON r.object_id = k.referenced_object_id
WHERE s.name <> 'kaizen'
