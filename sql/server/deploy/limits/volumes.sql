-- The fullest volume that the database or tempdb is on.
SELECT /* kaizen */ CAST(MIN(v.available_bytes) / 1048576.0 AS float) AS free_mb
FROM sys.master_files AS f
CROSS APPLY sys.dm_os_volume_stats(f.database_id, f.file_id) AS v
WHERE f.database_id IN (DB_ID(), 2)
