SELECT /* kaizen */ (
    SELECT
        N'wait' AS section,
        w.query_hash,
        w.category,
        w.total_ms
    FOR JSON PATH, WITHOUT_ARRAY_WRAPPER, INCLUDE_NULL_VALUES
) AS line
FROM (
    SELECT
        CONVERT(nvarchar(20), q.query_hash, 1) AS query_hash,
        s.wait_category_desc AS category,
        SUM(s.total_query_wait_time_ms) AS total_ms
    FROM sys.query_store_wait_stats AS s
    INNER JOIN sys.query_store_runtime_stats_interval AS i
        ON i.runtime_stats_interval_id = s.runtime_stats_interval_id
    INNER JOIN sys.query_store_plan AS p ON p.plan_id = s.plan_id
    INNER JOIN sys.query_store_query AS q ON q.query_id = p.query_id
    WHERE i.start_time >= DATEADD(DAY, -1, SYSDATETIMEOFFSET())
    GROUP BY q.query_hash, s.wait_category_desc
) AS w
