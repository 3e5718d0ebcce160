-- Both ledgers: the one on disk and its memory-optimised twin.
IF OBJECT_ID(N'dbo.BillingUsageLedger', N'U') IS NULL AND OBJECT_ID(N'dbo.BillingUsageLedger_InMemory', N'U') IS NULL
    SELECT N'{"section":"absent","source":"cost_hot_spots","reason":"there is no billing ledger"}' AS line
IF OBJECT_ID(N'dbo.BillingUsageLedger', N'U') IS NOT NULL
    EXEC (N'
        SELECT TOP (10) /* kaizen */ (
            SELECT N''cost'' AS section, N''disk'' AS ledger, b.Operation AS operation, SUM(b.TotalCost) AS cost
            FOR JSON PATH, WITHOUT_ARRAY_WRAPPER, INCLUDE_NULL_VALUES
        ) AS line
        FROM dbo.BillingUsageLedger AS b
        WHERE b.TimestampUtc >= DATEADD(DAY, -7, SYSUTCDATETIME())
        GROUP BY b.Operation
        ORDER BY SUM(b.TotalCost) DESC')
IF OBJECT_ID(N'dbo.BillingUsageLedger_InMemory', N'U') IS NOT NULL
    EXEC (N'
        SELECT TOP (10) /* kaizen */ (
            SELECT N''cost'' AS section, N''memory'' AS ledger, b.Operation AS operation, SUM(b.TotalCost) AS cost
            FOR JSON PATH, WITHOUT_ARRAY_WRAPPER, INCLUDE_NULL_VALUES
        ) AS line
        FROM dbo.BillingUsageLedger_InMemory AS b
        WHERE b.TimestampUtc >= DATEADD(DAY, -7, SYSUTCDATETIME())
        GROUP BY b.Operation
        ORDER BY SUM(b.TotalCost) DESC')
