-- Durations and CPU in microseconds, reads in pages of 8 KiB, as Query Store keeps them.
SELECT /* kaizen */ (
    SELECT
        N'runtime' AS section,
        CONVERT(nvarchar(20), q.query_hash, 1) AS query_hash,
        CONVERT(nvarchar(20), p.query_plan_hash, 1) AS plan_hash,
        {{replica}} AS replica,
        DATEDIFF_BIG(SECOND, '1970-01-01T00:00:00+00:00', i.start_time) AS from_s,
        DATEDIFF_BIG(SECOND, '1970-01-01T00:00:00+00:00', i.end_time) AS to_s,
        r.execution_type,
        r.count_executions AS executions,
        r.avg_duration AS duration_us,
        r.stdev_duration AS duration_sd_us,
        r.avg_cpu_time AS cpu_us,
        r.avg_logical_io_reads AS reads_pages
    FOR JSON PATH, WITHOUT_ARRAY_WRAPPER, INCLUDE_NULL_VALUES
) AS line
FROM sys.query_store_runtime_stats AS r
INNER JOIN sys.query_store_runtime_stats_interval AS i
    ON i.runtime_stats_interval_id = r.runtime_stats_interval_id
INNER JOIN sys.query_store_plan AS p ON p.plan_id = r.plan_id
INNER JOIN sys.query_store_query AS q ON q.query_id = p.query_id
WHERE i.start_time >= DATEADD(DAY, -8, SYSDATETIMEOFFSET()) AND q.is_internal_query = 0
