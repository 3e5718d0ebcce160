-- One index, column by column: @P1 schema, @P2 table, @P3 index.
SELECT /* kaizen */
    x.type_desc, CAST(x.is_unique AS bit) AS is_unique, CAST(x.is_disabled AS bit) AS is_disabled,
    x.filter_definition, c.name AS column_name, CAST(i.is_descending_key AS bit) AS is_descending_key,
    CAST(i.is_included_column AS bit) AS is_included_column
FROM sys.indexes AS x
INNER JOIN sys.objects AS o ON o.object_id = x.object_id
INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id
INNER JOIN sys.index_columns AS i ON i.object_id = x.object_id AND i.index_id = x.index_id
INNER JOIN sys.columns AS c ON c.object_id = i.object_id AND c.column_id = i.column_id
WHERE s.name = @P1 AND o.name = @P2 AND x.name = @P3
    -- A partitioned index has its table's partitioning column besides.
    AND (i.key_ordinal > 0 OR i.is_included_column = 1)
ORDER BY i.is_included_column, i.key_ordinal, i.index_column_id
