SELECT id FROM runs INDEXED BY runs_unfinished WHERE status <> 'finished' ORDER BY id
