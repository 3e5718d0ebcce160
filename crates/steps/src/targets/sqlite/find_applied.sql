SELECT digest FROM main.kaizen_applied WHERE run_id = ?1 AND effect = ?2 AND direction = ?3
