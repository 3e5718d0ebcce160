-- Views, procedures, functions and triggers; a trigger stands under its table.
SELECT /* kaizen */
    s.name AS schema_name, COALESCE(p.name, o.name) AS object_name, o.name AS module_name, o.type, m.definition
FROM sys.sql_modules AS m
INNER JOIN sys.objects AS o ON o.object_id = m.object_id
INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id
LEFT OUTER JOIN sys.objects AS p ON p.object_id = o.parent_object_id
WHERE s.name <> 'kaizen'
