IF NOT EXISTS (SELECT 1 FROM sys.schemas WHERE name = N'kaizen') EXEC (N'CREATE SCHEMA kaizen');
GO
IF NOT EXISTS (
    SELECT 1 FROM sys.tables AS t
    INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = N'kaizen' AND t.name = N'schema_history'
)
    CREATE TABLE kaizen.schema_history (
        version int NOT NULL,
        name nvarchar(255) COLLATE Latin1_General_BIN2 NOT NULL,
        applied_on nvarchar(255) COLLATE Latin1_General_BIN2 NOT NULL,
        checksum nvarchar(255) COLLATE Latin1_General_BIN2 NOT NULL,
        CONSTRAINT schema_history_key PRIMARY KEY (version)
    );
