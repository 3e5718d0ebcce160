SELECT outcome FROM history WHERE run = ?1 ORDER BY revision
