SELECT TOP (1000)
    seq, run, run_id, run_seq, happened_at, actor, kind, phase, event, event_hash, journal_hash, received_at
FROM kaizen.events
WHERE journal_id = @P1 AND seq > @P2
ORDER BY seq
