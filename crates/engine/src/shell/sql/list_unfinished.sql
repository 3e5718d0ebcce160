SELECT id FROM runs
WHERE status <> 'finished' AND status = ?1 AND (?2 IS NULL OR workflow = ?2)
ORDER BY id DESC LIMIT ?3
