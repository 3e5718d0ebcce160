-- Level 1 is FILESTREAM for T-SQL alone, which is all that is needed.
-- The platform is a view since 2017; an older server has none.
DECLARE @platform nvarchar(256) = N'platform unknown';
IF OBJECT_ID(N'sys.dm_os_host_info') IS NOT NULL SELECT @platform = h.host_platform FROM sys.dm_os_host_info AS h;
SELECT /* kaizen */
    CASE WHEN d.missing IS NULL THEN 1 ELSE 0 END AS supported,
    COALESCE(d.missing, N'') + d.server AS why
FROM (
    SELECT
        N'SQL Server ' + CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) + N', '
        + CAST(SERVERPROPERTY('Edition') AS nvarchar(128)) + N', ' + @platform AS server,
        CASE
            WHEN CAST(SERVERPROPERTY('EngineEdition') AS int) IN (6, 11)
                THEN N'Synapse has no such tables; here: '
            WHEN CAST(SERVERPROPERTY('EngineEdition') AS int) NOT IN (5, 8, 12)
                AND COALESCE(CAST(SERVERPROPERTY('ProductMajorVersion') AS int), 0) < 14
                THEN N'it needs SQL Server 2017 or newer; here: '
            WHEN CAST(DATABASEPROPERTYEX(DB_NAME(), 'Updateability') AS nvarchar(128)) <> N'READ_WRITE'
                THEN N'the database is read-only; here: '
            WHEN CAST(SERVERPROPERTY('EngineEdition') AS int) IN (5, 8, 12)
                THEN N'a managed service has no FILESTREAM; here: '
            WHEN @platform = N'Linux'
                THEN N'SQL Server has no FILESTREAM on Linux; here: '
            WHEN COALESCE(CAST(SERVERPROPERTY('FilestreamEffectiveLevel') AS int), 0) = 0
                THEN N'FILESTREAM is off at this server (Configuration Manager, then filestream access level); here: '
            WHEN DB_ID() <= 4
                THEN N'a system database takes no FILESTREAM; here: '
            WHEN HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), N'DATABASE', N'ALTER') = 0
                THEN N'the login may not ALTER this database; here: '
        END AS missing
) AS d
