SELECT seq, run, run_seq, event, event_hash, journal_hash, epoch FROM events WHERE seq = ?1
