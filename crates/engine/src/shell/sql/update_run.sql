UPDATE runs
SET status = ?2, outcome = ?3, updated_at = ?4, finished_at = ?5, due_at = ?6, seq = ?7, head = ?8, owner = ?9
WHERE id = ?1
