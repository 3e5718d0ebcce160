-- The first staged event that the trail holds with other contents.
SELECT TOP (1) s.seq
FROM #events AS s
INNER JOIN kaizen.events AS e ON e.journal_id = s.journal_id AND e.seq = s.seq
WHERE e.event_hash <> CAST(s.event_hash AS char(64))
    OR e.journal_hash <> CAST(s.journal_hash AS char(64))
    OR e.run <> s.run
    OR e.run_id <> s.run_id
    OR e.run_seq <> s.run_seq
    -- Comparing text passes over blanks at its end.
    OR (s.event <> N'' AND (e.event <> s.event OR DATALENGTH(e.event) <> DATALENGTH(s.event)))
ORDER BY s.seq
