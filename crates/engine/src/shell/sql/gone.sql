SELECT DISTINCT run FROM events WHERE event = '' AND seq <= ?1 ORDER BY run
