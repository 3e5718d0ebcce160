SELECT id FROM runs
WHERE (?1 IS NULL OR status = ?1 OR outcome = ?1) AND workflow = ?2
ORDER BY id DESC LIMIT ?3
