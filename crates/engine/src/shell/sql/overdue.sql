SELECT id FROM runs INDEXED BY runs_unfinished
WHERE status <> 'finished' AND (
    status IN ('queued', 'running', 'rolling_back', 'needs_operator')
    OR (status IN ('waiting_approval', 'sleeping') AND due_at < ?1)
)
ORDER BY id LIMIT ?2
