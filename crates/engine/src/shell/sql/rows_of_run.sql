WITH RECURSIVE walk (seq) AS (
    SELECT last FROM runs WHERE id = ?3
    UNION ALL
    -- Strictly backwards: a row that was made to point elsewhere cannot lead in circles.
    SELECT e.prev FROM walk INNER JOIN events AS e ON e.seq = walk.seq WHERE e.prev < e.seq
)
SELECT
    e.seq, e.run, e.run_seq, e.prev, e.event, e.event_hash, e.journal_hash,
    -- Read with the rows: a run that is driven moves on between two statements.
    (SELECT seq FROM runs WHERE id = ?3) AS events
FROM walk INNER JOIN events AS e ON e.seq = walk.seq
WHERE e.seq > ?1 ORDER BY e.seq LIMIT ?2
