INSERT INTO runs (id, uuid, workflow, target, dry_run, status, created_at, seq, head, owner, epoch)
VALUES (?1, ?2, ?3, ?4, ?5, 'running', ?6, 0, zeroblob(32), ?7, 1)
