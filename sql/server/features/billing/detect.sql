-- The ledger on disk. detect_memory.sql is about its twin.
SELECT /* kaizen */
    CASE WHEN d.missing IS NULL THEN 1 ELSE 0 END AS supported,
    COALESCE(d.missing, N'') + d.server AS why
FROM (
    SELECT
        N'SQL Server ' + CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) + N', '
        + CAST(SERVERPROPERTY('Edition') AS nvarchar(128)) AS server,
        CASE
            WHEN CAST(SERVERPROPERTY('EngineEdition') AS int) IN (6, 11)
                THEN N'Synapse has no such tables; here: '
            WHEN CAST(SERVERPROPERTY('EngineEdition') AS int) NOT IN (5, 8, 12)
                AND COALESCE(CAST(SERVERPROPERTY('ProductMajorVersion') AS int), 0) < 14
                THEN N'it needs SQL Server 2017 or newer; here: '
            WHEN CAST(DATABASEPROPERTYEX(DB_NAME(), 'Updateability') AS nvarchar(128)) <> N'READ_WRITE'
                THEN N'the database is read-only; here: '
            WHEN HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), N'DATABASE', N'CREATE TABLE') = 0
                OR HAS_PERMS_BY_NAME(N'dbo', N'SCHEMA', N'ALTER') = 0
                THEN N'the login may not create tables in dbo; here: '
        END AS missing
) AS d
