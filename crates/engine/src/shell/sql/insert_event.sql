INSERT INTO events (seq, run, run_seq, prev, epoch, event, event_hash, journal_hash)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
