-- reversible: it changes nothing.
DECLARE @table int = OBJECT_ID(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'U');
DECLARE @why nvarchar(400) = CASE
    WHEN @table IS NULL
        THEN N'there is no such table, or it is not to be seen'
    WHEN NOT EXISTS (
        SELECT 1 FROM sys.columns
        WHERE object_id = @table AND name = N'{{locator_text}}'
            AND TYPE_NAME(system_type_id) IN (N'nvarchar', N'varchar', N'nchar', N'char')
    )
        THEN N'it has no such column of text to find payloads by'
    WHEN NOT EXISTS (
        SELECT 1 FROM sys.indexes AS i
        INNER JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id AND k.key_ordinal > 0
        INNER JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id
        WHERE i.object_id = @table AND i.is_unique = 1 AND i.has_filter = 0 AND i.is_disabled = 0
        GROUP BY i.index_id
        HAVING COUNT(*) = 1 AND MAX(c.name) = N'{{key_text}}' AND MAX(CAST(c.is_nullable AS int)) = 0
    )
        THEN N'the column named as its key is not unique by itself'
    -- The list of what was moved has the key as text of up to 400 characters, exactly.
    WHEN NOT EXISTS (
        SELECT 1 FROM sys.columns
        WHERE object_id = @table AND name = N'{{key_text}}'
            AND (
                TYPE_NAME(system_type_id) IN (N'tinyint', N'smallint', N'int', N'bigint', N'decimal', N'numeric', N'uniqueidentifier')
                OR TYPE_NAME(system_type_id) IN (N'char', N'varchar') AND max_length BETWEEN 1 AND 400
                OR TYPE_NAME(system_type_id) IN (N'nchar', N'nvarchar') AND max_length BETWEEN 1 AND 800
            )
    )
        THEN N'its key is neither a whole or decimal number, nor a uniqueidentifier, nor text of up to 400 characters'
    WHEN EXISTS (
        SELECT 1 FROM sys.columns
        WHERE object_id = @table AND name = N'{{payload_text}}'
            AND (TYPE_NAME(system_type_id) <> N'varbinary' OR max_length <> -1 OR is_nullable = 0 OR is_computed = 1)
    )
        THEN N'the column for payloads is there, and is not varbinary(max) NULL'
END;
IF @why IS NOT NULL
BEGIN
    SET @why = N'payloads cannot be moved: ' + @why;
    THROW 50002, @why, 1;
END;
