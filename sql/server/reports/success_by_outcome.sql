-- Runs that ended within 30 days, each at its latest revision.
SELECT /* kaizen */
    h.outcome,
    COUNT(*) AS runs,
    CAST(100.0 * COUNT(*) / SUM(COUNT(*)) OVER () AS decimal(5, 1)) AS share_pct,
    SUM(CASE WHEN h.was_deployed = 1 THEN 1 ELSE 0 END) AS deployed,
    SUM(CASE WHEN h.was_rolled_back = 1 THEN 1 ELSE 0 END) AS rolled_back,
    CAST(AVG(h.success_score) AS decimal(5, 4)) AS mean_success_score,
    CAST(AVG(h.performance_delta) AS decimal(10, 4)) AS mean_performance_delta_pct,
    SUM(h.tests_passed) AS tests_passed,
    SUM(h.tests_failed) AS tests_failed,
    MAX(h.completed_at) AS latest_at
FROM kaizen.history AS h
WHERE h.completed_at >= DATEADD(DAY, -30, SYSUTCDATETIME())
    AND h.revision = (
        SELECT MAX(l.revision) FROM kaizen.history AS l WHERE l.journal_id = h.journal_id AND l.run = h.run
    )
GROUP BY h.outcome
ORDER BY runs DESC, h.outcome
