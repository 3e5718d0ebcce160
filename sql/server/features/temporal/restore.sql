-- reversible: what it replaces stays in the history; restore to the time before it.
-- Puts the rows of one table back as they were at a time, in UTC. Rows that came later are taken
-- away only where that is asked for. Changes made while versioning was off are in no history.
DECLARE @as_of datetime2(7) = CONVERT(datetime2(7), N'{{as_of}}', 126);
DECLARE @table int = OBJECT_ID(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'U');
IF NOT EXISTS (SELECT 1 FROM sys.tables WHERE object_id = @table AND temporal_type = 2)
    THROW 50002, N'the table keeps no history, so that nothing could be put back, nor what is there be kept', 1;
IF @as_of >= SYSUTCDATETIME()
    THROW 50002, N'that time has not come yet', 1;
-- Rows whose older versions are gone would look as if they had come later.
IF EXISTS (
    SELECT 1 FROM sys.tables AS t
    WHERE t.object_id = @table AND @as_of <= CASE t.history_retention_period_unit
        WHEN 3 THEN DATEADD(DAY, -t.history_retention_period, SYSUTCDATETIME())
        WHEN 4 THEN DATEADD(WEEK, -t.history_retention_period, SYSUTCDATETIME())
        WHEN 5 THEN DATEADD(MONTH, -t.history_retention_period, SYSUTCDATETIME())
        WHEN 6 THEN DATEADD(YEAR, -t.history_retention_period, SYSUTCDATETIME())
    END
)
    THROW 50002, N'the history does not go back to that time', 1;
DECLARE @match nvarchar(max), @columns nvarchar(max), @values nvarchar(max);
DECLARE @set nvarchar(max), @now nvarchar(max), @then nvarchar(max), @identity bit;
SELECT @match = STRING_AGG(CAST(N'n.' + QUOTENAME(c.name) + N' = t.' + QUOTENAME(c.name) AS nvarchar(max)), N' AND ')
FROM sys.indexes AS i
INNER JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id AND k.key_ordinal > 0
INNER JOIN sys.columns AS c ON c.object_id = k.object_id AND c.column_id = k.column_id
WHERE i.object_id = @table AND i.is_primary_key = 1;
-- What the server fills in itself is left to it. Types that cannot be compared are, as bytes or text.
SELECT
    @columns = STRING_AGG(v.name, N', ') WITHIN GROUP (ORDER BY v.column_id),
    @values = STRING_AGG(N't.' + v.name, N', ') WITHIN GROUP (ORDER BY v.column_id),
    @set = STRING_AGG(CASE WHEN v.is_key = 0 AND v.is_identity = 0 THEN N'n.' + v.name + N' = t.' + v.name END, N', '),
    @now = STRING_AGG(v.head + N'n.' + v.name + v.tail, N', ') WITHIN GROUP (ORDER BY v.column_id),
    @then = STRING_AGG(v.head + N't.' + v.name + v.tail, N', ') WITHIN GROUP (ORDER BY v.column_id),
    @identity = MAX(CAST(v.is_identity AS tinyint))
FROM (
    SELECT
        c.column_id,
        CAST(QUOTENAME(c.name) AS nvarchar(max)) AS name,
        c.is_identity,
        CASE WHEN EXISTS (
            SELECT 1 FROM sys.indexes AS i
            INNER JOIN sys.index_columns AS k ON k.object_id = i.object_id AND k.index_id = i.index_id
            WHERE i.object_id = @table AND i.is_primary_key = 1 AND k.column_id = c.column_id AND k.key_ordinal > 0
        ) THEN 1 ELSE 0 END AS is_key,
        CASE
            WHEN TYPE_NAME(c.system_type_id) IN (N'xml', N'vector', N'json', N'text', N'ntext') THEN N'CAST('
            WHEN TYPE_NAME(c.user_type_id) IN (N'geometry', N'geography') OR TYPE_NAME(c.system_type_id) = N'image' THEN N'CAST('
            ELSE N''
        END AS head,
        CASE
            WHEN TYPE_NAME(c.system_type_id) IN (N'xml', N'vector', N'json', N'text', N'ntext') THEN N' AS nvarchar(max))'
            WHEN TYPE_NAME(c.user_type_id) IN (N'geometry', N'geography') OR TYPE_NAME(c.system_type_id) = N'image'
                THEN N' AS varbinary(max))'
            ELSE N''
        END AS tail
    FROM sys.columns AS c
    WHERE c.object_id = @table AND c.is_computed = 0 AND c.generated_always_type = 0
        -- rowversion
        AND c.system_type_id <> 189
) AS v;
-- Rows go first: others may need what is unique in them.
DECLARE @restore nvarchar(max) = N'
SELECT ' + @columns + N' INTO #then FROM {{schema_code}}.{{table_code}} FOR SYSTEM_TIME AS OF @as_of;
IF NOT EXISTS (SELECT 1 FROM #then)
    THROW 50002, N''the table had no rows at that time, as far as its history goes back'', 1;
DECLARE @changed bigint = 0, @added bigint = 0, @removed bigint = 0;
BEGIN TRANSACTION;
IF {{remove_newer}} = 1
BEGIN
    DELETE n FROM {{schema_code}}.{{table_code}} AS n WHERE NOT EXISTS (SELECT 1 FROM #then AS t WHERE ' + @match + N');
    SET @removed = @@ROWCOUNT;
END;
' + COALESCE(N'UPDATE n SET ' + @set + N'
FROM {{schema_code}}.{{table_code}} AS n INNER JOIN #then AS t ON ' + @match + N'
WHERE EXISTS (SELECT ' + @now + N' EXCEPT SELECT ' + @then + N');
SET @changed = @@ROWCOUNT;
', N'') + CASE WHEN @identity = 1 THEN N'SET IDENTITY_INSERT {{schema_code}}.{{table_code}} ON;
' ELSE N'' END + N'INSERT INTO {{schema_code}}.{{table_code}} (' + @columns + N')
SELECT ' + @values + N' FROM #then AS t
WHERE NOT EXISTS (SELECT 1 FROM {{schema_code}}.{{table_code}} AS n WHERE ' + @match + N');
SET @added = @@ROWCOUNT;
' + CASE WHEN @identity = 1 THEN N'SET IDENTITY_INSERT {{schema_code}}.{{table_code}} OFF;
' ELSE N'' END + N'COMMIT TRANSACTION;
SELECT N''changed'' AS item, CAST(@changed AS nvarchar(20)) AS state, N''rows put back'' AS detail
UNION ALL SELECT N''added'', CAST(@added AS nvarchar(20)), N''rows that had been deleted since''
UNION ALL SELECT N''removed'', CAST(@removed AS nvarchar(20)), N''rows that had come since'';';
EXEC sys.sp_executesql @restore, N'@as_of datetime2(7)', @as_of = @as_of;
