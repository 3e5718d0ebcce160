-- Rows stay: a ledger that holds any is not dropped. The memory-optimised filegroup cannot go.
DROP PROCEDURE IF EXISTS dbo.BillingUsageLedger_Record;
GO
DROP PROCEDURE IF EXISTS dbo.BillingUsageLedger_Insert;
GO
IF OBJECT_ID(N'dbo.BillingUsageLedger_InMemory', N'U') IS NOT NULL
    IF NOT EXISTS (SELECT 1 FROM dbo.BillingUsageLedger_InMemory)
        DROP TABLE dbo.BillingUsageLedger_InMemory;
GO
IF OBJECT_ID(N'dbo.BillingUsageLedger', N'U') IS NOT NULL
    IF NOT EXISTS (SELECT 1 FROM dbo.BillingUsageLedger)
        DROP TABLE dbo.BillingUsageLedger;
