-- Memory-optimised tables: Azure SQL Database says it of the database, the others of the server.
SELECT /* kaizen */
    CASE WHEN d.missing IS NULL THEN 1 ELSE 0 END AS supported,
    COALESCE(d.missing, N'') + d.server AS why
FROM (
    SELECT
        N'SQL Server ' + CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) + N', '
        + CAST(SERVERPROPERTY('Edition') AS nvarchar(128)) AS server,
        CASE
            WHEN CAST(SERVERPROPERTY('EngineEdition') AS int) = 5
                AND COALESCE(CAST(DATABASEPROPERTYEX(DB_NAME(), 'IsXTPSupported') AS int), 0) = 0
                THEN N'this service tier has no memory-optimised tables; here: '
            WHEN CAST(SERVERPROPERTY('EngineEdition') AS int) <> 5
                AND COALESCE(CAST(SERVERPROPERTY('IsXTPSupported') AS int), 0) = 0
                THEN N'this edition has no memory-optimised tables; here: '
            WHEN COALESCE(CAST(DATABASEPROPERTYEX(DB_NAME(), 'IsAutoClose') AS int), 0) = 1
                THEN N'the database is AUTO_CLOSE, which memory-optimised tables forbid; here: '
            WHEN DB_ID() <= 4
                THEN N'a system database takes no memory-optimised tables; here: '
            WHEN CAST(SERVERPROPERTY('EngineEdition') AS int) NOT IN (5, 8, 12)
                AND NOT EXISTS (SELECT 1 FROM sys.filegroups AS g WHERE g.type = N'FX')
                AND SERVERPROPERTY('InstanceDefaultDataPath') IS NULL
                THEN N'the server does not say where its data files are; here: '
            WHEN HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), N'DATABASE', N'ALTER') = 0
                THEN N'the login may not ALTER this database; here: '
        END AS missing
) AS d
