SELECT /* kaizen */
    s.name AS schema_name, o.name AS object_name, x.name AS index_name, x.type_desc, x.is_unique,
    x.is_primary_key, x.is_unique_constraint, x.is_disabled, x.filter_definition, c.name AS column_name,
    i.key_ordinal, i.is_descending_key, i.is_included_column
FROM sys.indexes AS x
INNER JOIN sys.tables AS o ON o.object_id = x.object_id
INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id
INNER JOIN sys.index_columns AS i ON i.object_id = x.object_id AND i.index_id = x.index_id
INNER JOIN sys.columns AS c ON c.object_id = i.object_id AND c.column_id = i.column_id
WHERE s.name <> 'kaizen' AND x.is_hypothetical = 0
