SELECT seq, run, run_seq, prev, event, event_hash, journal_hash FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2
