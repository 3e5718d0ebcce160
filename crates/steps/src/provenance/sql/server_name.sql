SELECT CAST(SERVERPROPERTY('ServerName') AS nvarchar(128)) AS server_name, DB_NAME() AS database_name
