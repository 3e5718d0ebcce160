SELECT coalesce(max(epoch), -9223372036854775808) FROM main.kaizen_applied WHERE run_id = ?1
