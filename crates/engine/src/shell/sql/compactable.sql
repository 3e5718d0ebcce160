SELECT id, seq FROM runs
WHERE status = 'finished' AND compacted_at IS NULL AND finished_at < ?1
    AND id NOT IN (SELECT max(id) FROM runs WHERE outcome = 'kept' GROUP BY target)
    -- What a trail elsewhere has not got yet stays.
    AND last <= coalesce((SELECT min(seq) FROM deliveries), 9223372036854775807)
ORDER BY id
