SELECT count(*) FROM models
WHERE run = ?1 AND revision = ?2 AND name = ?3 AND digest = ?4 AND promoted = ?5 AND at = ?6
    AND (?7 IS NULL OR version = ?7)
