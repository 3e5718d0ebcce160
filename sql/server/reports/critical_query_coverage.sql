-- The 50 queries of this database that took most CPU, as the plan cache has them, and how many of
-- these Query Store has: what it lacks, Kaizen does not see.
SELECT /* kaizen */
    COUNT(*) AS critical_queries,
    SUM(c.captured) AS captured,
    CAST(100.0 * SUM(c.captured) / NULLIF(COUNT(*), 0) AS decimal(5, 1)) AS captured_pct,
    CAST(SUM(c.cpu_us) / 1000.0 / 1000.0 AS decimal(38, 3)) AS cpu_s,
    CAST(100.0 * SUM(CASE WHEN c.captured = 1 THEN c.cpu_us ELSE 0 END) / NULLIF(SUM(c.cpu_us), 0) AS decimal(5, 1))
        AS cpu_captured_pct
FROM (
    SELECT
        t.cpu_us,
        CASE WHEN EXISTS (SELECT 1 FROM sys.query_store_query AS q WHERE q.query_hash = t.query_hash) THEN 1 ELSE 0 END
            AS captured
    FROM (
        SELECT TOP (50) s.query_hash, SUM(s.total_worker_time) AS cpu_us
        FROM sys.dm_exec_query_stats AS s
        CROSS APPLY sys.dm_exec_plan_attributes(s.plan_handle) AS d
        WHERE d.attribute = N'dbid' AND TRY_CAST(d.value AS int) = DB_ID() AND s.query_hash <> 0x0000000000000000
        GROUP BY s.query_hash
        ORDER BY SUM(s.total_worker_time) DESC
    ) AS t
) AS c
