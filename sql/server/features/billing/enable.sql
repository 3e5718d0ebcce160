-- reversible: disable.sql drops the procedure, and the table where it holds no rows.
IF OBJECT_ID(N'dbo.BillingUsageLedger', N'U') IS NULL
    CREATE TABLE dbo.BillingUsageLedger (
        LedgerId bigint IDENTITY(1, 1) NOT NULL,
        TenantId nvarchar(128) NOT NULL,
        PrincipalId nvarchar(256) NOT NULL,
        Operation nvarchar(128) NOT NULL,
        MessageType nvarchar(128) NULL,
        Handler nvarchar(256) NULL,
        Units decimal(18, 6) NOT NULL,
        BaseRate decimal(18, 6) NOT NULL,
        Multiplier decimal(18, 6) NOT NULL CONSTRAINT BillingUsageLedger_Multiplier DEFAULT 1.0,
        TotalCost decimal(18, 6) NOT NULL,
        MetadataJson nvarchar(max) NULL,
        TimestampUtc datetime2(7) NOT NULL CONSTRAINT BillingUsageLedger_TimestampUtc DEFAULT SYSUTCDATETIME(),
        CONSTRAINT BillingUsageLedger_Key PRIMARY KEY (LedgerId)
    );
GO
-- Serves what a tenant has used of late.
IF NOT EXISTS (
    SELECT 1 FROM sys.indexes
    WHERE object_id = OBJECT_ID(N'dbo.BillingUsageLedger') AND name = N'BillingUsageLedger_ByTenant'
)
    CREATE INDEX BillingUsageLedger_ByTenant ON dbo.BillingUsageLedger (TenantId, TimestampUtc DESC);
GO
-- Serves what costs most of late.
IF NOT EXISTS (
    SELECT 1 FROM sys.indexes
    WHERE object_id = OBJECT_ID(N'dbo.BillingUsageLedger') AND name = N'BillingUsageLedger_ByOperation'
)
    CREATE INDEX BillingUsageLedger_ByOperation ON dbo.BillingUsageLedger (Operation, TimestampUtc DESC);
GO
-- Adds one row: to memory where that is enabled, else to disk. Answers where: 1 memory, 0 disk.
-- A conflict (41301, 41302, 41305, 41325) is tried again, but not in a caller's transaction, which it
-- has doomed: that one must begin anew.
CREATE OR ALTER PROCEDURE dbo.BillingUsageLedger_Record
    @TenantId nvarchar(128),
    @PrincipalId nvarchar(256),
    @Operation nvarchar(128),
    @MessageType nvarchar(128) = NULL,
    @Handler nvarchar(256) = NULL,
    @Units decimal(18, 6),
    @BaseRate decimal(18, 6),
    @Multiplier decimal(18, 6) = 1.0,
    @TotalCost decimal(18, 6),
    @MetadataJson nvarchar(max) = NULL
AS
BEGIN
    SET NOCOUNT ON;
    DECLARE @within int = @@TRANCOUNT;
    DECLARE @tries int = CASE WHEN OBJECT_ID(N'dbo.BillingUsageLedger_Insert', N'P') IS NULL THEN 0 ELSE 5 END;
    WHILE @tries > 0
    BEGIN
        BEGIN TRY
            EXEC dbo.BillingUsageLedger_Insert
                @TenantId = @TenantId,
                @PrincipalId = @PrincipalId,
                @Operation = @Operation,
                @MessageType = @MessageType,
                @Handler = @Handler,
                @Units = @Units,
                @BaseRate = @BaseRate,
                @Multiplier = @Multiplier,
                @TotalCost = @TotalCost,
                @MetadataJson = @MetadataJson;
            RETURN 1;
        END TRY
        BEGIN CATCH
            IF @within > 0 THROW;
            IF XACT_STATE() <> 0 ROLLBACK TRANSACTION;
            SET @tries = CASE
                WHEN ERROR_NUMBER() IN (41301, 41302, 41305, 41325) THEN @tries - 1
                -- No memory left, or a session at SNAPSHOT: trying again does not help.
                WHEN ERROR_NUMBER() IN (701, 41332, 41805, 41823, 41840) THEN 0
                ELSE -1
            END;
            IF @tries < 0 THROW;
            IF @tries > 0 WAITFOR DELAY '00:00:00.005';
        END CATCH;
    END;
    INSERT INTO dbo.BillingUsageLedger (
        TenantId, PrincipalId, Operation, MessageType, Handler, Units, BaseRate, Multiplier, TotalCost, MetadataJson
    )
    VALUES (
        @TenantId, @PrincipalId, @Operation, @MessageType, @Handler, @Units, @BaseRate, @Multiplier, @TotalCost,
        @MetadataJson
    );
    RETURN 0;
END;
