SELECT e.seq, e.event, e.event_hash, e.journal_hash,
    (SELECT event_hash FROM events WHERE seq = e.prev),
    (SELECT journal_hash FROM events WHERE seq = e.seq - 1)
FROM events AS e ORDER BY e.seq DESC LIMIT 1
