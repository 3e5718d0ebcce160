SELECT e.seq, e.run, e.run_seq, e.prev, e.event, e.event_hash, e.journal_hash, r.uuid
FROM events AS e INNER JOIN runs AS r ON r.id = e.run
WHERE e.seq > ?1 ORDER BY e.seq LIMIT ?2
