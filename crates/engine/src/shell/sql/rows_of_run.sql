SELECT seq, run, run_seq, event, event_hash, journal_hash FROM events
WHERE run = ?3 AND run_seq > 0 AND seq > ?1 ORDER BY run_seq LIMIT ?2
