SELECT id FROM runs
WHERE status = 'finished' AND compacted_at IS NULL AND finished_at < ?1
ORDER BY id
