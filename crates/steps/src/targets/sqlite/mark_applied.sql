INSERT INTO main.kaizen_applied (run_id, effect, direction, epoch, applied_at, digest)
VALUES (?1, ?2, ?3, ?4, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?5)
