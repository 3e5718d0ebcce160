INSERT INTO models (name, version, digest, promoted, run, revision, at)
SELECT ?1, coalesce(max(version), 0) + 1, ?2, ?3, ?4, ?5, ?6 FROM models WHERE name = ?1
