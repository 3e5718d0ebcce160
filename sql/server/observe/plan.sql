SELECT /* kaizen */ (
    SELECT
        N'plan' AS section,
        CONVERT(nvarchar(20), q.query_hash, 1) AS query_hash,
        CONVERT(nvarchar(20), p.query_plan_hash, 1) AS plan_hash,
        CAST(p.is_forced_plan AS int) AS forced,
        p.force_failure_count AS force_failures,
        p.last_force_failure_reason_desc AS failure_reason
    FOR JSON PATH, WITHOUT_ARRAY_WRAPPER, INCLUDE_NULL_VALUES
) AS line
FROM sys.query_store_plan AS p
INNER JOIN sys.query_store_query AS q ON q.query_id = p.query_id
WHERE p.is_forced_plan = 1 OR p.force_failure_count > 0
