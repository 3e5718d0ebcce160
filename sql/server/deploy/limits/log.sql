SELECT /* kaizen */ CAST(l.used_log_space_in_percent AS float) AS used_pct
FROM sys.dm_db_log_space_usage AS l
