-- How queries fared, interval by interval, from @P1 to @P2 (seconds since 1970, UTC), on the primary.
-- Durations and CPU in microseconds, reads in pages of 8 KiB.
SELECT /* kaizen */
    CONVERT(nvarchar(20), q.query_hash, 1) AS query_hash,
    CONVERT(nvarchar(20), p.query_plan_hash, 1) AS plan_hash,
    DATEDIFF_BIG(SECOND, '1970-01-01T00:00:00+00:00', i.start_time) AS from_s,
    DATEDIFF_BIG(SECOND, '1970-01-01T00:00:00+00:00', i.end_time) AS to_s,
    CAST(r.execution_type AS int) AS execution_type,
    CAST(r.count_executions AS float) AS executions,
    CAST(r.avg_duration AS float) AS duration_us,
    CAST(r.avg_cpu_time AS float) AS cpu_us,
    CAST(r.avg_logical_io_reads AS float) AS reads_pages
FROM sys.query_store_runtime_stats AS r
INNER JOIN sys.query_store_runtime_stats_interval AS i
    ON i.runtime_stats_interval_id = r.runtime_stats_interval_id
INNER JOIN sys.query_store_plan AS p ON p.plan_id = r.plan_id
INNER JOIN sys.query_store_query AS q ON q.query_id = p.query_id
INNER JOIN sys.query_store_query_text AS t ON t.query_text_id = q.query_text_id
WHERE q.is_internal_query = 0 AND CHARINDEX(N'/* kaizen', t.query_sql_text) = 0 AND {{primary}}
    AND DATEDIFF_BIG(SECOND, '1970-01-01T00:00:00+00:00', i.start_time) >= @P1
    AND DATEDIFF_BIG(SECOND, '1970-01-01T00:00:00+00:00', i.end_time) <= @P2
