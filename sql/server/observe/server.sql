SELECT /* kaizen */ (
    SELECT
        N'server' AS section,
        1 AS format,
        CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) AS version,
        CAST(SERVERPROPERTY('Edition') AS nvarchar(128)) AS edition,
        CAST(SERVERPROPERTY('EngineEdition') AS int) AS engine_edition,
        CAST(SERVERPROPERTY('ServerName') AS nvarchar(128)) AS server_name,
        DB_NAME() AS database_name,
        d.compatibility_level,
        d.collation_name,
        DATEDIFF_BIG(SECOND, '1970-01-01', SYSUTCDATETIME()) AS now_s,
        DATEDIFF_BIG(SECOND, i.sqlserver_start_time, SYSDATETIME()) AS uptime_s,
        (
            SELECT SUM(s.total_cpu_usage_ms) FROM sys.dm_os_schedulers AS s WHERE s.status = N'VISIBLE ONLINE'
        ) AS cpu_used_ms,
        (SELECT COUNT(*) FROM sys.dm_hadr_database_replica_states AS r WHERE r.database_id = d.database_id) AS replicas
    FOR JSON PATH, WITHOUT_ARRAY_WRAPPER, INCLUDE_NULL_VALUES
) AS line
FROM sys.databases AS d
CROSS JOIN sys.dm_os_sys_info AS i
WHERE d.database_id = DB_ID()
