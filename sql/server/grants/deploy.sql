-- Deploy: applies approved scripts to one target database. It cannot touch the trail, which is in
-- another database.
IF NOT EXISTS (SELECT 1 FROM sys.server_principals WHERE name = N'{{login_text}}')
    CREATE LOGIN {{login}} WITH PASSWORD = N'{{password}}';
GO
USE {{database}};
GO
IF NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = N'{{login_text}}')
    CREATE USER {{login}} FOR LOGIN {{login}};
GO
IF NOT EXISTS (SELECT 1 FROM sys.schemas WHERE name = N'kaizen') EXEC (N'CREATE SCHEMA kaizen');
GO
-- Its marker rows: one as a script begins that is no transaction, one as it is done; never changed.
IF NOT EXISTS (
    SELECT 1 FROM sys.tables AS t
    INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = N'kaizen' AND t.name = N'applied'
)
    CREATE TABLE kaizen.applied (
        run_id uniqueidentifier NOT NULL,
        effect nvarchar(40) COLLATE Latin1_General_BIN2 NOT NULL,
        state nvarchar(10) COLLATE Latin1_General_BIN2 NOT NULL,
        epoch bigint NOT NULL,
        digest char(64) COLLATE Latin1_General_BIN2 NOT NULL,
        applied_at datetime2(6) NOT NULL CONSTRAINT applied_at_now DEFAULT SYSUTCDATETIME(),
        CONSTRAINT applied_key PRIMARY KEY (run_id, effect, state, epoch)
    );
GO
GRANT SELECT, INSERT ON kaizen.applied TO {{login}};
GO
-- Indexes of tables in this schema: repeat it for each schema that Kaizen may change.
GRANT ALTER ON SCHEMA::dbo TO {{login}};
-- Reading the catalogue back before and after.
GRANT VIEW DEFINITION TO {{login}};
GRANT {{view_database}} TO {{login}};
