SELECT type || ' ' || name, tbl_name || ': ' || coalesce(sql, '') FROM sqlite_schema
WHERE tbl_name <> 'refinery_schema_history' AND tbl_name NOT LIKE 'sqlite!_%' ESCAPE '!' ORDER BY name
