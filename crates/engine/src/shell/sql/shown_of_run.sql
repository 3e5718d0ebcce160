SELECT
    seq, last, head, uuid, workflow, target, CAST(dry_run AS TEXT), created_at, status, outcome,
    finished_at, due_at, compacted_at
FROM runs WHERE id = ?1
