-- Of the whole server since it started, or since its counters were cleared.
SELECT /* kaizen */
    w.wait_type,
    CASE
        WHEN w.wait_type LIKE N'PAGEIOLATCH%' THEN N'reading pages from disk'
        WHEN w.wait_type LIKE N'PAGELATCH%' THEN N'pages in memory'
        ELSE N'inner structures'
    END AS kind,
    w.waiting_tasks_count AS waits,
    CAST(w.wait_time_ms / 1000.0 AS decimal(38, 3)) AS wait_s,
    CAST(1.0 * w.wait_time_ms / w.waiting_tasks_count AS decimal(38, 3)) AS mean_ms,
    w.max_wait_time_ms AS longest_ms,
    CAST(w.signal_wait_time_ms / 1000.0 AS decimal(38, 3)) AS waiting_for_cpu_s
FROM sys.dm_os_wait_stats AS w
WHERE w.wait_type LIKE N'%LATCH[_]%' AND w.waiting_tasks_count > 0
ORDER BY w.wait_time_ms DESC
