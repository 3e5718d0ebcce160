-- reversible: disable.sql sets what was set before, which the database's extended property
-- kaizen.query_store_before keeps from the first time on.
IF NOT EXISTS (SELECT 1 FROM sys.extended_properties WHERE class = 0 AND name = N'kaizen.query_store_before')
BEGIN
    DECLARE @before nvarchar(3000) = (
        SELECT
            o.desired_state_desc AS operation_mode,
            o.stale_query_threshold_days AS stale_days,
            o.flush_interval_seconds AS flush_s,
            o.interval_length_minutes AS interval_minutes,
            o.max_storage_size_mb AS size_mb,
            o.max_plans_per_query AS plans,
            o.query_capture_mode_desc AS capture,
            o.size_based_cleanup_mode_desc AS cleanup
        FROM sys.database_query_store_options AS o
        FOR JSON PATH, WITHOUT_ARRAY_WRAPPER
    );
    EXEC sys.sp_addextendedproperty @name = N'kaizen.query_store_before', @value = @before;
END;
GO
-- Never lowers what is higher: 0 days and 0 plans mean without limit, and ALL and CUSTOM were chosen
-- by somebody. Where Query Store is on already, so were its two periods.
DECLARE @set nvarchar(max) = (
    SELECT
        N'ALTER DATABASE CURRENT SET QUERY_STORE = ON (OPERATION_MODE = READ_WRITE, '
        + N'CLEANUP_POLICY = (STALE_QUERY_THRESHOLD_DAYS = '
        + CAST(CASE
            WHEN o.stale_query_threshold_days = 0 OR o.stale_query_threshold_days > 30 THEN o.stale_query_threshold_days
            ELSE 30
        END AS nvarchar(20)) + N'), '
        + N'DATA_FLUSH_INTERVAL_SECONDS = '
        + CAST(CASE
            WHEN o.desired_state_desc = N'READ_WRITE' OR o.flush_interval_seconds > 900 THEN o.flush_interval_seconds
            ELSE 900
        END AS nvarchar(20)) + N', '
        + N'INTERVAL_LENGTH_MINUTES = '
        + CAST(CASE
            WHEN o.desired_state_desc = N'READ_WRITE' OR o.interval_length_minutes > 60 THEN o.interval_length_minutes
            ELSE 60
        END AS nvarchar(20)) + N', '
        + N'MAX_STORAGE_SIZE_MB = '
        + CAST(CASE WHEN o.max_storage_size_mb > 1000 THEN o.max_storage_size_mb ELSE 1000 END AS nvarchar(20)) + N', '
        + CASE
            WHEN o.query_capture_mode_desc IN (N'ALL', N'CUSTOM') THEN N''
            ELSE N'QUERY_CAPTURE_MODE = AUTO, '
        END
        + N'SIZE_BASED_CLEANUP_MODE = AUTO, '
        + N'MAX_PLANS_PER_QUERY = '
        + CAST(CASE
            WHEN o.max_plans_per_query = 0 OR o.max_plans_per_query > 200 THEN o.max_plans_per_query
            ELSE 200
        END AS nvarchar(20)) + N')'
    FROM sys.database_query_store_options AS o
);
EXEC sys.sp_executesql @set;
