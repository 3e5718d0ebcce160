SELECT /* kaizen */ s.item, s.state, s.detail
FROM (
    SELECT
        1 AS place,
        N'operation mode' AS item,
        CAST(o.actual_state_desc AS nvarchar(128)) AS state,
        CASE
            WHEN o.actual_state <> o.desired_state
                THEN N'asked for is ' + CAST(o.desired_state_desc AS nvarchar(60)) + N'; reason for reading only: '
                    + CAST(o.readonly_reason AS nvarchar(20))
            ELSE N''
        END AS detail
    FROM sys.database_query_store_options AS o
    UNION ALL
    SELECT
        2,
        N'size',
        CAST(o.current_storage_size_mb AS nvarchar(20)) + N' MB',
        N'of at most ' + CAST(o.max_storage_size_mb AS nvarchar(20)) + N' MB'
    FROM sys.database_query_store_options AS o
    UNION ALL
    SELECT
        3,
        N'capture',
        CAST(o.query_capture_mode_desc AS nvarchar(60)),
        N'clean-up by size ' + CAST(o.size_based_cleanup_mode_desc AS nvarchar(60)) + N', after '
        + CAST(o.stale_query_threshold_days AS nvarchar(20)) + N' days, '
        + CAST(o.max_plans_per_query AS nvarchar(20)) + N' plans a query'
    FROM sys.database_query_store_options AS o
    UNION ALL
    SELECT
        4,
        N'periods',
        CAST(o.interval_length_minutes AS nvarchar(20)) + N' min',
        N'written to disk every ' + CAST(o.flush_interval_seconds AS nvarchar(20)) + N' s'
    FROM sys.database_query_store_options AS o
    UNION ALL
    -- Kaizen never sets it: while it is on, Kaizen forces no plans.
    SELECT
        5,
        N'automatic tuning FORCE_LAST_GOOD_PLAN',
        CAST(t.actual_state_desc AS nvarchar(60)),
        N'asked for is ' + CAST(t.desired_state_desc AS nvarchar(60)) + COALESCE(N'; ' + CAST(t.reason_desc AS nvarchar(60)), N'')
    FROM sys.database_automatic_tuning_options AS t
    WHERE t.name = N'FORCE_LAST_GOOD_PLAN'
) AS s
ORDER BY s.place
