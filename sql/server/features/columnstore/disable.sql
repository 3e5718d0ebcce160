-- Takes back what either method did; what somebody else compressed stays.
IF EXISTS (
    SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'kaizen.history', N'U') AND name = N'history_columns'
)
    DROP INDEX history_columns ON kaizen.history;
GO
IF EXISTS (
    SELECT 1 FROM sys.indexes
    WHERE object_id = OBJECT_ID(N'dbo.BillingUsageLedger', N'U') AND name = N'BillingUsageLedger_Columns'
)
    DROP INDEX BillingUsageLedger_Columns ON dbo.BillingUsageLedger;
GO
DECLARE @schema nvarchar(128), @table nvarchar(128), @index nvarchar(128), @rebuild nvarchar(max);
DECLARE chosen CURSOR LOCAL STATIC READ_ONLY FORWARD_ONLY FOR
SELECT s.name, t.name, i.name
FROM sys.extended_properties AS x
INNER JOIN sys.indexes AS i ON i.object_id = x.major_id AND i.index_id = x.minor_id
INNER JOIN sys.tables AS t ON t.object_id = i.object_id
INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE x.class = 7 AND x.name = N'kaizen.before_compression' AND i.type IN (1, 2);
OPEN chosen;
FETCH NEXT FROM chosen INTO @schema, @table, @index;
WHILE @@FETCH_STATUS = 0
BEGIN
    SET @rebuild =
        N'ALTER INDEX ' + QUOTENAME(@index) + N' ON ' + QUOTENAME(@schema) + N'.' + QUOTENAME(@table)
        + N' REBUILD WITH (DATA_COMPRESSION = NONE)';
    EXEC sys.sp_executesql @rebuild;
    EXEC sys.sp_dropextendedproperty
        @name = N'kaizen.before_compression',
        @level0type = 'SCHEMA', @level0name = @schema,
        @level1type = 'TABLE', @level1name = @table,
        @level2type = 'INDEX', @level2name = @index;
    FETCH NEXT FROM chosen INTO @schema, @table, @index;
END;
CLOSE chosen;
DEALLOCATE chosen;
