-- Moving payloads: the server itself reads the files. detect_filestream.sql is about where they go.
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
                THEN N'a managed service reads no files of its host; here: '
            WHEN HAS_PERMS_BY_NAME(NULL, NULL, 'ADMINISTER BULK OPERATIONS') = 0
                THEN N'the login may not read files on the server (ADMINISTER BULK OPERATIONS); here: '
            WHEN @platform = N'Linux' AND COALESCE(IS_SRVROLEMEMBER(N'sysadmin'), 0) = 0
                THEN N'on Linux only a sysadmin reads files on the server; here: '
            WHEN HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), N'DATABASE', N'CREATE TABLE') = 0
                OR HAS_PERMS_BY_NAME(N'dbo', N'SCHEMA', N'ALTER') = 0
                THEN N'the login may not create tables in dbo; here: '
        END AS missing
) AS d
