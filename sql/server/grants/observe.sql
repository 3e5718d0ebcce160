-- Observe: what Analyze reads of a target database. It changes nothing.
IF NOT EXISTS (SELECT 1 FROM sys.server_principals WHERE name = N'{{login_text}}')
    CREATE LOGIN {{login}} WITH PASSWORD = N'{{password}}';
GO
-- Server-wide views (waits, missing indexes, replicas, what is blocked, what is free): granted in master.
USE master;
GO
GRANT {{view_server}} TO {{login}};
GO
USE {{database}};
GO
IF NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = N'{{login_text}}')
    CREATE USER {{login}} FOR LOGIN {{login}};
GO
-- Query Store and index usage.
GRANT {{view_database}} TO {{login}};
-- Definitions of tables and indexes, for the digest that an approval binds to.
GRANT VIEW DEFINITION TO {{login}};
