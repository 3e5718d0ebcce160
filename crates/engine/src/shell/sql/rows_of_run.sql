-- CROSS JOIN holds SQLite to this order: the walk leads, and each row is found by its key. Left to
-- itself it reads the whole journal in order and looks for each row in the walk.
WITH RECURSIVE walk (seq) AS (
    SELECT last FROM runs WHERE id = ?3
    UNION ALL
    -- Strictly backwards: a row that was made to point elsewhere cannot lead in circles.
    SELECT e.prev FROM walk CROSS JOIN events AS e ON e.seq = walk.seq WHERE e.prev < e.seq
)
SELECT
    e.seq, e.run, e.run_seq, e.prev, e.event, e.event_hash, e.journal_hash,
    -- Read with the rows: a run that is driven moves on between two statements.
    (SELECT seq FROM runs WHERE id = ?3) AS events
FROM walk CROSS JOIN events AS e ON e.seq = walk.seq
WHERE e.seq > ?1 ORDER BY e.seq LIMIT ?2
