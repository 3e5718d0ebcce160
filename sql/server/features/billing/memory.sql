-- PERMANENT: a database keeps its memory-optimised filegroup until it is dropped, and can have no
-- database snapshots and no AUTO_CLOSE from then on.
-- ALTER DATABASE cannot run in a transaction; the managed services have the filegroup already.
IF CAST(SERVERPROPERTY('EngineEdition') AS int) NOT IN (5, 8, 12)
    AND NOT EXISTS (SELECT 1 FROM sys.filegroups AS g WHERE g.type = N'FX')
BEGIN
    DECLARE @add nvarchar(max) =
        N'ALTER DATABASE ' + QUOTENAME(DB_NAME()) + N' ADD FILEGROUP KaizenMemory CONTAINS MEMORY_OPTIMIZED_DATA';
    EXEC sys.sp_executesql @add;
END;
GO
-- Its container: a folder that does not exist yet, beside the server's data files.
IF CAST(SERVERPROPERTY('EngineEdition') AS int) NOT IN (5, 8, 12)
    AND NOT EXISTS (
        SELECT 1 FROM sys.database_files AS f
        INNER JOIN sys.filegroups AS g ON g.data_space_id = f.data_space_id
        WHERE g.type = N'FX'
    )
BEGIN
    DECLARE @path nvarchar(400) = CAST(SERVERPROPERTY('InstanceDefaultDataPath') AS nvarchar(260));
    IF @path IS NULL THROW 50002, N'the server does not say where its data files are', 1;
    DECLARE @name nvarchar(128) = N'KaizenMemory_' + REPLACE(CAST(NEWID() AS nvarchar(36)), N'-', N'');
    IF RIGHT(@path, 1) NOT IN (N'/', N'\')
        SET @path = @path + CASE WHEN LEFT(@path, 1) = N'/' THEN N'/' ELSE N'\' END;
    DECLARE @group nvarchar(128) = (SELECT MIN(g.name) FROM sys.filegroups AS g WHERE g.type = N'FX');
    DECLARE @add nvarchar(max) =
        N'ALTER DATABASE ' + QUOTENAME(DB_NAME()) + N' ADD FILE (NAME = ' + QUOTENAME(@name) + N', FILENAME = N'''
        + REPLACE(@path + @name, N'''', N'''''') + N''') TO FILEGROUP ' + QUOTENAME(@group);
    EXEC sys.sp_executesql @add;
END;
GO
-- The hash index serves one tenant's rows, the range index a span of time. A bucket costs 8 bytes.
IF OBJECT_ID(N'dbo.BillingUsageLedger_InMemory', N'U') IS NULL
    CREATE TABLE dbo.BillingUsageLedger_InMemory (
        LedgerId bigint IDENTITY(1, 1) NOT NULL,
        TenantId nvarchar(128) NOT NULL,
        PrincipalId nvarchar(256) NOT NULL,
        Operation nvarchar(128) NOT NULL,
        MessageType nvarchar(128) NULL,
        Handler nvarchar(256) NULL,
        Units decimal(18, 6) NOT NULL,
        BaseRate decimal(18, 6) NOT NULL,
        Multiplier decimal(18, 6) NOT NULL CONSTRAINT BillingUsageLedger_InMemory_Multiplier DEFAULT 1.0,
        TotalCost decimal(18, 6) NOT NULL,
        MetadataJson nvarchar(max) NULL,
        TimestampUtc datetime2(7) NOT NULL CONSTRAINT BillingUsageLedger_InMemory_TimestampUtc DEFAULT SYSUTCDATETIME(),
        CONSTRAINT BillingUsageLedger_InMemory_Key PRIMARY KEY NONCLUSTERED (LedgerId),
        INDEX BillingUsageLedger_InMemory_ByTenant HASH (TenantId) WITH (BUCKET_COUNT = 65536),
        INDEX BillingUsageLedger_InMemory_ByTime NONCLUSTERED (TimestampUtc)
    ) WITH (MEMORY_OPTIMIZED = ON, DURABILITY = SCHEMA_AND_DATA);
GO
CREATE OR ALTER PROCEDURE dbo.BillingUsageLedger_Insert
    @TenantId nvarchar(128),
    @PrincipalId nvarchar(256),
    @Operation nvarchar(128),
    @MessageType nvarchar(128),
    @Handler nvarchar(256),
    @Units decimal(18, 6),
    @BaseRate decimal(18, 6),
    @Multiplier decimal(18, 6),
    @TotalCost decimal(18, 6),
    @MetadataJson nvarchar(max)
WITH NATIVE_COMPILATION, SCHEMABINDING
AS
BEGIN ATOMIC WITH (TRANSACTION ISOLATION LEVEL = SNAPSHOT, LANGUAGE = N'us_english')
    INSERT INTO dbo.BillingUsageLedger_InMemory (
        TenantId, PrincipalId, Operation, MessageType, Handler, Units, BaseRate, Multiplier, TotalCost, MetadataJson,
        TimestampUtc
    )
    VALUES (
        @TenantId, @PrincipalId, @Operation, @MessageType, @Handler, @Units, @BaseRate, @Multiplier, @TotalCost,
        @MetadataJson, SYSUTCDATETIME()
    );
END;
