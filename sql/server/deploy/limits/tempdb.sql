-- What is free in tempdb's files as they are; more where they may grow, which the volumes limit.
SELECT /* kaizen */ CAST(SUM(u.unallocated_extent_page_count) / 128.0 AS float) AS free_mb
FROM tempdb.sys.dm_db_file_space_usage AS u
