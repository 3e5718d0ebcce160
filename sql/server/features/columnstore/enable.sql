-- reversible: disable.sql drops the two indexes.
-- Text without a limit cannot be in such an index, and free text is left out.
IF OBJECT_ID(N'kaizen.history', N'U') IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'kaizen.history') AND type IN (5, 6)
)
    -- Serves the reports over all runs.
    CREATE NONCLUSTERED COLUMNSTORE INDEX history_columns ON kaizen.history (
        journal_id, run, revision, seq, run_id, outcome, change_type, risk, estimated_impact, git_commit,
        success_score, tests_passed, tests_failed, performance_delta, was_deployed, was_rolled_back,
        started_at, completed_at, rolled_back_at, received_at
    );
GO
IF OBJECT_ID(N'dbo.BillingUsageLedger', N'U') IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM sys.indexes WHERE object_id = OBJECT_ID(N'dbo.BillingUsageLedger') AND type IN (5, 6)
)
    -- Serves sums over long spans of time.
    CREATE NONCLUSTERED COLUMNSTORE INDEX BillingUsageLedger_Columns ON dbo.BillingUsageLedger (
        TenantId, PrincipalId, Operation, MessageType, Handler, Units, BaseRate, Multiplier, TotalCost, TimestampUtc
    );
