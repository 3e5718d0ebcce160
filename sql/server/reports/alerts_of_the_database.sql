-- Shares of what there really is: Query Store of its own maximum, FILESTREAM of the disk that its
-- container is on.
SELECT /* kaizen */
    a.alert,
    CASE WHEN a.measured > 80.0 THEN 1 ELSE 0 END AS raised,
    CAST(a.measured AS decimal(18, 1)) AS measured,
    N'above' AS direction,
    80.0 AS threshold,
    N'percent' AS unit,
    a.of_mb
FROM (
    SELECT
        N'Query Store' AS alert,
        100.0 * o.current_storage_size_mb / NULLIF(o.max_storage_size_mb, 0) AS measured,
        o.max_storage_size_mb AS of_mb
    FROM sys.database_query_store_options AS o
    UNION ALL
    SELECT
        N'FILESTREAM container ' + f.name,
        100.0 * (v.total_bytes - v.available_bytes) / NULLIF(v.total_bytes, 0),
        v.total_bytes / 1048576
    FROM sys.database_files AS f
    INNER JOIN sys.filegroups AS g ON g.data_space_id = f.data_space_id AND g.type = N'FD'
    CROSS APPLY sys.dm_os_volume_stats(DB_ID(), f.file_id) AS v
) AS a
