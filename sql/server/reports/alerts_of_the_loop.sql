-- Thresholds of the seed's monitoring. Success is what was kept of what was deployed; failure is of
-- all runs that ended. Where nothing was counted nothing is raised, except that nothing was done.
SELECT /* kaizen */
    a.alert,
    CASE
        WHEN a.direction = N'below' AND a.measured < a.threshold THEN 1
        WHEN a.direction = N'above' AND a.measured > a.threshold THEN 1
        ELSE 0
    END AS raised,
    CAST(a.measured AS decimal(18, 1)) AS measured,
    a.direction,
    CAST(a.threshold AS decimal(18, 1)) AS threshold,
    a.unit,
    a.counted
FROM (
    SELECT
        N'success over 30 days' AS alert,
        100.0 * SUM(CASE WHEN h.outcome = N'kept' THEN 1 ELSE 0 END) / NULLIF(COUNT(*), 0) AS measured,
        N'below' AS direction,
        80.0 AS threshold,
        N'percent' AS unit,
        COUNT(*) AS counted
    FROM kaizen.history AS h
    WHERE h.completed_at >= DATEADD(DAY, -30, SYSUTCDATETIME()) AND h.was_deployed = 1
        AND h.revision = (
            SELECT MAX(l.revision) FROM kaizen.history AS l WHERE l.journal_id = h.journal_id AND l.run = h.run
        )
    UNION ALL
    SELECT
        N'failures over 30 days',
        100.0 * SUM(CASE WHEN h.outcome = N'failed' THEN 1 ELSE 0 END) / NULLIF(COUNT(*), 0),
        N'above',
        20.0,
        N'percent',
        COUNT(*)
    FROM kaizen.history AS h
    WHERE h.completed_at >= DATEADD(DAY, -30, SYSUTCDATETIME())
        AND h.revision = (
            SELECT MAX(l.revision) FROM kaizen.history AS l WHERE l.journal_id = h.journal_id AND l.run = h.run
        )
    UNION ALL
    -- Before the first event: since the trail was made.
    SELECT
        N'nothing done',
        DATEDIFF(MINUTE, COALESCE(MAX(e.received_at), (SELECT MIN(t.made_at) FROM kaizen.trail AS t)), SYSUTCDATETIME()) / 60.0,
        N'above',
        48.0,
        N'hours',
        COUNT(*)
    FROM kaizen.events AS e
    UNION ALL
    SELECT N'runs under way or waiting', 1.0 * COUNT(*), N'above', 10.0, N'runs', COUNT(*)
    FROM kaizen.runs AS r
    WHERE r.outcome IS NULL
) AS a
