UPDATE runs SET status = ?2, outcome = ?3, finished_at = ?4, due_at = ?5, owner = ?6 WHERE id = ?1
