-- Provenance: the login of KAIZEN_SQLSERVER. It adds to the trail and reads it, and nothing else.
-- Run once `kaizen sql apply` has made the tables, by an administrator. `kaizen sql check` proves it.
IF NOT EXISTS (SELECT 1 FROM sys.server_principals WHERE name = N'{{login_text}}')
    CREATE LOGIN {{login}} WITH PASSWORD = N'{{password}}';
GO
USE {{database}};
GO
IF NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = N'{{login_text}}')
    CREATE USER {{login}} FOR LOGIN {{login}};
GO
GRANT SELECT, INSERT ON kaizen.journals TO {{login}};
GRANT SELECT, INSERT ON kaizen.events TO {{login}};
GRANT SELECT, INSERT ON kaizen.artifacts TO {{login}};
GRANT SELECT, INSERT ON kaizen.history TO {{login}};
GRANT SELECT ON kaizen.trail TO {{login}};
GRANT SELECT ON kaizen.schema_history TO {{login}};
GRANT SELECT ON kaizen.runs TO {{login}};
GRANT SELECT ON dbo.AutonomousImprovementHistory TO {{login}};
GO
-- For `kaizen sql status`: whether the triggers are there, and unchanged.
GRANT VIEW DEFINITION ON SCHEMA::kaizen TO {{login}};
