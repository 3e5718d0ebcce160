SELECT /* kaizen */ s.item, s.state, s.detail
FROM (
    SELECT
        1 AS place,
        N'dbo.BillingUsageLedger' AS item,
        CASE WHEN OBJECT_ID(N'dbo.BillingUsageLedger', N'U') IS NULL THEN N'missing' ELSE N'there' END AS state,
        COALESCE((
            SELECT CAST(SUM(p.rows) AS nvarchar(20)) + N' rows, on disk' FROM sys.partitions AS p
            WHERE p.object_id = OBJECT_ID(N'dbo.BillingUsageLedger', N'U') AND p.index_id IN (0, 1)
        ), N'') AS detail
    UNION ALL
    SELECT
        2,
        N'dbo.BillingUsageLedger_InMemory',
        CASE WHEN OBJECT_ID(N'dbo.BillingUsageLedger_InMemory', N'U') IS NULL THEN N'missing' ELSE N'there' END,
        COALESCE((
            SELECT CAST(t.durability_desc AS nvarchar(60)) FROM sys.tables AS t
            WHERE t.object_id = OBJECT_ID(N'dbo.BillingUsageLedger_InMemory', N'U')
        ), N'what is billed goes to disk')
    UNION ALL
    SELECT
        3,
        N'dbo.BillingUsageLedger_Insert',
        CASE WHEN OBJECT_ID(N'dbo.BillingUsageLedger_Insert', N'P') IS NULL THEN N'missing' ELSE N'there' END,
        COALESCE((
            SELECT CASE WHEN m.uses_native_compilation = 1 THEN N'natively compiled' ELSE N'NOT natively compiled' END
            FROM sys.sql_modules AS m
            WHERE m.object_id = OBJECT_ID(N'dbo.BillingUsageLedger_Insert', N'P')
        ), N'')
    UNION ALL
    SELECT
        4,
        N'dbo.BillingUsageLedger_Record',
        CASE WHEN OBJECT_ID(N'dbo.BillingUsageLedger_Record', N'P') IS NULL THEN N'missing' ELSE N'there' END,
        N'what an application calls'
    UNION ALL
    SELECT
        5,
        N'memory-optimised filegroup',
        CASE WHEN EXISTS (SELECT 1 FROM sys.filegroups AS g WHERE g.type = N'FX') THEN N'there' ELSE N'missing' END,
        COALESCE((SELECT MIN(g.name) FROM sys.filegroups AS g WHERE g.type = N'FX'), N'')
) AS s
ORDER BY s.place
