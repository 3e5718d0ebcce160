-- reversible: the source is never touched, so that the new column can be dropped by hand and
-- disable.sql drops the list of what was moved.
-- FILESTREAM where filestream.sql has made the column before.
IF COL_LENGTH(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'{{payload_text}}') IS NULL
    ALTER TABLE {{schema}}.{{table}} ADD {{payload}} varbinary(max) NULL;
GO
-- What was moved, with the SHA-256 of its bytes, and what could not be.
IF OBJECT_ID(N'dbo.PayloadMigration', N'U') IS NULL
    CREATE TABLE dbo.PayloadMigration (
        TableId int NOT NULL,
        Item nvarchar(400) COLLATE Latin1_General_BIN2 NOT NULL,
        State nvarchar(20) COLLATE Latin1_General_BIN2 NOT NULL,
        Locator nvarchar(4000) NOT NULL,
        Attempts int NOT NULL,
        Bytes bigint NULL,
        ContentSha256 binary(32) NULL,
        ErrorMessage nvarchar(4000) NULL,
        ChangedAt datetime2(6) NOT NULL CONSTRAINT PayloadMigration_ChangedAt DEFAULT SYSUTCDATETIME(),
        CONSTRAINT PayloadMigration_Key PRIMARY KEY (TableId, Item),
        CONSTRAINT PayloadMigration_States CHECK (State IN (N'moved', N'failed'))
    );
