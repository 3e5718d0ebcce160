INSERT INTO kaizen.events (
    journal_id, seq, run, run_id, run_seq, happened_at, actor, kind, phase, event, event_hash, journal_hash
)
SELECT
    s.journal_id, s.seq, s.run, s.run_id, s.run_seq, s.happened_at, s.actor, s.kind, s.phase, s.event,
    s.event_hash, s.journal_hash
FROM #events AS s
WHERE NOT EXISTS (
    SELECT 1 FROM kaizen.events AS e WHERE e.journal_id = s.journal_id AND e.seq = s.seq
)
