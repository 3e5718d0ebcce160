-- Sets what was set before; what was captured stays. Without a record of it nothing is done.
DECLARE @before nvarchar(3000) = (
    SELECT CAST(p.value AS nvarchar(3000)) FROM sys.extended_properties AS p
    WHERE p.class = 0 AND p.name = N'kaizen.query_store_before'
);
DECLARE @mode nvarchar(60) = JSON_VALUE(@before, '$.operation_mode');
DECLARE @capture nvarchar(60) = JSON_VALUE(@before, '$.capture');
DECLARE @cleanup nvarchar(60) = JSON_VALUE(@before, '$.cleanup');
-- Anybody who may alter the database can write to the record: words are compared, numbers converted.
DECLARE @set nvarchar(max) =
    N'ALTER DATABASE CURRENT SET QUERY_STORE = ON (OPERATION_MODE = '
    + CASE WHEN @mode = N'READ_ONLY' THEN N'READ_ONLY' ELSE N'READ_WRITE' END
    + N', CLEANUP_POLICY = (STALE_QUERY_THRESHOLD_DAYS = '
    + CAST(TRY_CAST(JSON_VALUE(@before, '$.stale_days') AS bigint) AS nvarchar(20))
    + N'), DATA_FLUSH_INTERVAL_SECONDS = '
    + CAST(TRY_CAST(JSON_VALUE(@before, '$.flush_s') AS bigint) AS nvarchar(20))
    + N', INTERVAL_LENGTH_MINUTES = '
    + CAST(TRY_CAST(JSON_VALUE(@before, '$.interval_minutes') AS bigint) AS nvarchar(20))
    + N', MAX_STORAGE_SIZE_MB = '
    + CAST(TRY_CAST(JSON_VALUE(@before, '$.size_mb') AS bigint) AS nvarchar(20))
    + N', MAX_PLANS_PER_QUERY = '
    + CAST(TRY_CAST(JSON_VALUE(@before, '$.plans') AS bigint) AS nvarchar(20))
    + CASE WHEN @capture IN (N'ALL', N'AUTO', N'NONE') THEN N', QUERY_CAPTURE_MODE = ' + @capture ELSE N'' END
    + CASE WHEN @cleanup IN (N'AUTO', N'OFF') THEN N', SIZE_BASED_CLEANUP_MODE = ' + @cleanup ELSE N'' END
    + N')';
IF @set IS NOT NULL EXEC sys.sp_executesql @set;
IF @set IS NOT NULL AND @mode = N'OFF' EXEC sys.sp_executesql N'ALTER DATABASE CURRENT SET QUERY_STORE = OFF';
IF @before IS NOT NULL EXEC sys.sp_dropextendedproperty @name = N'kaizen.query_store_before';
