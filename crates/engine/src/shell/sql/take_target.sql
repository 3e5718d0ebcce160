INSERT INTO target_leases (target, run, epoch) VALUES (?1, ?2, ?3)
ON CONFLICT (target) DO UPDATE SET run = excluded.run, epoch = excluded.epoch
