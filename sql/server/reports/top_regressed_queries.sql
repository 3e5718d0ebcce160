-- The last 24 hours against the seven days before, a query hash each, means weighted by executions.
SELECT TOP (10) /* kaizen */
    CONVERT(nvarchar(20), r.query_hash, 1) AS query_hash,
    CAST(r.lost_us / 1000.0 / 1000.0 AS decimal(38, 3)) AS lost_s,
    CAST(r.mean_us / 1000.0 AS decimal(38, 3)) AS mean_ms,
    CAST(r.mean_us_before / 1000.0 AS decimal(38, 3)) AS mean_ms_before,
    CAST(100.0 * (r.mean_us / r.mean_us_before - 1.0) AS decimal(38, 1)) AS slower_pct,
    r.executions,
    r.executions_before,
    r.plans,
    LEFT((
        SELECT MIN(t.query_sql_text)
        FROM sys.query_store_query AS q
        INNER JOIN sys.query_store_query_text AS t ON t.query_text_id = q.query_text_id
        WHERE q.query_hash = r.query_hash
    ), 400) AS query_text
FROM (
    SELECT
        w.query_hash,
        w.executions,
        w.executions_before,
        w.plans,
        w.total_us / w.executions AS mean_us,
        w.total_us_before / w.executions_before AS mean_us_before,
        w.total_us - w.executions * (w.total_us_before / w.executions_before) AS lost_us
    FROM (
        SELECT
            q.query_hash,
            SUM(CASE WHEN i.start_time >= DATEADD(DAY, -1, SYSDATETIMEOFFSET()) THEN s.count_executions ELSE 0 END) AS executions,
            SUM(CASE WHEN i.start_time < DATEADD(DAY, -1, SYSDATETIMEOFFSET()) THEN s.count_executions ELSE 0 END)
                AS executions_before,
            SUM(CASE
                WHEN i.start_time >= DATEADD(DAY, -1, SYSDATETIMEOFFSET()) THEN s.avg_duration * s.count_executions
                ELSE 0e0
            END) AS total_us,
            SUM(CASE
                WHEN i.start_time < DATEADD(DAY, -1, SYSDATETIMEOFFSET()) THEN s.avg_duration * s.count_executions
                ELSE 0e0
            END) AS total_us_before,
            COUNT(DISTINCT p.plan_id) AS plans
        FROM sys.query_store_runtime_stats AS s
        INNER JOIN sys.query_store_runtime_stats_interval AS i ON i.runtime_stats_interval_id = s.runtime_stats_interval_id
        INNER JOIN sys.query_store_plan AS p ON p.plan_id = s.plan_id
        INNER JOIN sys.query_store_query AS q ON q.query_id = p.query_id
        WHERE i.start_time >= DATEADD(DAY, -8, SYSDATETIMEOFFSET()) AND q.is_internal_query = 0 AND s.execution_type = 0
        GROUP BY q.query_hash
    ) AS w
    WHERE w.executions > 0 AND w.executions_before > 0 AND w.total_us_before > 0
) AS r
WHERE r.lost_us > 0
ORDER BY r.lost_us DESC
