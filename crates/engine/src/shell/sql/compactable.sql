SELECT id, seq FROM runs
WHERE status = 'finished' AND compacted_at IS NULL AND finished_at < ?1
    AND id NOT IN (SELECT max(id) FROM runs WHERE outcome = 'kept' GROUP BY target)
ORDER BY id
