-- reversible: disable.sql rebuilds without compression what this has compressed.
-- The extended property kaizen.before_compression of each index keeps what it took before. What is
-- compressed already, in whichever way, stays as it is.
DECLARE @schema nvarchar(128), @table nvarchar(128), @index nvarchar(128), @before nvarchar(200), @rebuild nvarchar(max);
DECLARE chosen CURSOR LOCAL STATIC READ_ONLY FORWARD_ONLY FOR
SELECT
    s.name,
    t.name,
    i.name,
    N'{"rows":' + CAST(SUM(p.row_count) AS nvarchar(20)) + N',"kb":'
    + CAST(SUM(p.in_row_used_page_count + p.row_overflow_used_page_count) * 8 AS nvarchar(20)) + N'}'
FROM sys.indexes AS i
INNER JOIN sys.tables AS t ON t.object_id = i.object_id
INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
INNER JOIN sys.dm_db_partition_stats AS p ON p.object_id = i.object_id AND p.index_id = i.index_id
WHERE i.object_id IN (OBJECT_ID(N'kaizen.history', N'U'), OBJECT_ID(N'dbo.BillingUsageLedger', N'U'))
    AND i.type IN (1, 2)
    AND i.is_disabled = 0
    AND NOT EXISTS (
        SELECT 1 FROM sys.partitions AS c
        WHERE c.object_id = i.object_id AND c.index_id = i.index_id AND c.data_compression <> 0
    )
GROUP BY s.name, t.name, i.name;
OPEN chosen;
FETCH NEXT FROM chosen INTO @schema, @table, @index, @before;
WHILE @@FETCH_STATUS = 0
BEGIN
    SET @rebuild =
        N'ALTER INDEX ' + QUOTENAME(@index) + N' ON ' + QUOTENAME(@schema) + N'.' + QUOTENAME(@table)
        + N' REBUILD WITH (DATA_COMPRESSION = PAGE)';
    IF EXISTS (
        SELECT 1 FROM sys.extended_properties AS x
        INNER JOIN sys.indexes AS i ON i.object_id = x.major_id AND i.index_id = x.minor_id
        WHERE x.class = 7 AND x.name = N'kaizen.before_compression' AND i.name = @index
            AND i.object_id = OBJECT_ID(QUOTENAME(@schema) + N'.' + QUOTENAME(@table))
    )
        EXEC sys.sp_dropextendedproperty
            @name = N'kaizen.before_compression',
            @level0type = 'SCHEMA', @level0name = @schema,
            @level1type = 'TABLE', @level1name = @table,
            @level2type = 'INDEX', @level2name = @index;
    -- Before it is done: a rebuild that did not come to its end is harmless to undo.
    EXEC sys.sp_addextendedproperty
        @name = N'kaizen.before_compression',
        @value = @before,
        @level0type = 'SCHEMA', @level0name = @schema,
        @level1type = 'TABLE', @level1name = @table,
        @level2type = 'INDEX', @level2name = @index;
    EXEC sys.sp_executesql @rebuild;
    FETCH NEXT FROM chosen INTO @schema, @table, @index, @before;
END;
CLOSE chosen;
DEALLOCATE chosen;
