-- Which database this is. In an availability group every replica is the same one; elsewhere a restored
-- copy has another date, and another server another name.
SELECT /* kaizen */
    CAST(SERVERPROPERTY('ServerName') AS nvarchar(128)) AS server_name,
    DB_NAME() AS database_name,
    DATEDIFF_BIG(SECOND, '1970-01-01', d.create_date) AS created_s,
    CAST(d.group_database_id AS nvarchar(36)) AS group_id
FROM sys.databases AS d
WHERE d.name = DB_NAME()
