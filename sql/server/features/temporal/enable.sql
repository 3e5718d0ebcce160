-- reversible: disable.sql stops the versioning; the period columns and the history stay.
DECLARE @table int = OBJECT_ID(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'U');
DECLARE @why nvarchar(400) = CASE
    WHEN @table IS NULL
        THEN N'there is no such table, or it is not to be seen'
    WHEN NOT EXISTS (SELECT 1 FROM sys.key_constraints WHERE parent_object_id = @table AND type = N'PK')
        THEN N'it has no primary key'
    WHEN EXISTS (SELECT 1 FROM sys.tables WHERE object_id = @table AND temporal_type = 1)
        THEN N'it is itself the history of another table'
    WHEN EXISTS (SELECT 1 FROM sys.tables WHERE object_id = @table AND is_memory_optimized = 1)
        THEN N'it is memory-optimised'
    WHEN EXISTS (SELECT 1 FROM sys.columns WHERE object_id = @table AND is_filestream = 1)
        THEN N'it has a FILESTREAM column'
    WHEN NOT EXISTS (SELECT 1 FROM sys.periods WHERE object_id = @table)
        AND EXISTS (SELECT 1 FROM sys.columns WHERE object_id = @table AND name IN (N'ValidFrom', N'ValidTo'))
        THEN N'it has a column ValidFrom or ValidTo of its own'
END;
IF @why IS NOT NULL
BEGIN
    SET @why = N'the table cannot be versioned: ' + @why;
    THROW 50002, @why, 1;
END;
GO
-- A row that is there already is valid from a second ago: a period may not begin in the future.
IF NOT EXISTS (
    SELECT 1 FROM sys.periods
    WHERE object_id = OBJECT_ID(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'U')
)
    ALTER TABLE {{schema}}.{{table}} ADD
        ValidFrom datetime2(7) GENERATED ALWAYS AS ROW START HIDDEN NOT NULL
            DEFAULT DATEADD(SECOND, -1, SYSUTCDATETIME()),
        ValidTo datetime2(7) GENERATED ALWAYS AS ROW END HIDDEN NOT NULL
            DEFAULT CONVERT(datetime2(7), '9999-12-31 23:59:59.9999999', 121),
        PERIOD FOR SYSTEM_TIME (ValidFrom, ValidTo);
GO
IF EXISTS (
    SELECT 1 FROM sys.tables
    WHERE object_id = OBJECT_ID(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'U')
        AND temporal_type <> 2
)
    ALTER TABLE {{schema}}.{{table}} SET (SYSTEM_VERSIONING = ON (
        HISTORY_TABLE = {{schema}}.{{history}},
        DATA_CONSISTENCY_CHECK = ON,
        HISTORY_RETENTION_PERIOD = {{retention_years}} YEARS
    ));
GO
-- A retention that is longer already is not shortened; the unit -1 is for ever.
IF EXISTS (
    SELECT 1 FROM sys.tables AS t
    WHERE t.object_id = OBJECT_ID(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'U')
        AND t.temporal_type = 2
        AND t.history_retention_period * CASE t.history_retention_period_unit
            WHEN 3 THEN 1 WHEN 4 THEN 7 WHEN 5 THEN 31 WHEN 6 THEN 372
        END < {{retention_years}} * 372
)
    ALTER TABLE {{schema}}.{{table}} SET (SYSTEM_VERSIONING = ON (HISTORY_RETENTION_PERIOD = {{retention_years}} YEARS));
