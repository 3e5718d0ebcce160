SELECT /* kaizen */ (
    SELECT
        N'query_store' AS section,
        o.actual_state_desc AS actual_state,
        o.desired_state_desc AS desired_state,
        o.readonly_reason,
        o.current_storage_size_mb,
        o.max_storage_size_mb,
        o.interval_length_minutes,
        o.query_capture_mode_desc AS capture_mode,
        (
            SELECT t.actual_state_desc FROM sys.database_automatic_tuning_options AS t
            WHERE t.name = N'FORCE_LAST_GOOD_PLAN'
        ) AS force_last_good_plan
    FOR JSON PATH, WITHOUT_ARRAY_WRAPPER, INCLUDE_NULL_VALUES
) AS line
FROM sys.database_query_store_options AS o
