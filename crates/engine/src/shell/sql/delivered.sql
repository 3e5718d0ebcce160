INSERT INTO deliveries (trail, place, seq, journal_hash, at, stopped) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (trail) DO UPDATE SET
    place = excluded.place, seq = excluded.seq, journal_hash = excluded.journal_hash,
    at = excluded.at, stopped = excluded.stopped
