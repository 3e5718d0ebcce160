SELECT name, version, digest, promoted, run, at FROM models WHERE name = ?1 ORDER BY version
