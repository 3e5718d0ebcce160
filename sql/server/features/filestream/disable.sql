-- The payloads and their column stay: they may be all that there is.
IF OBJECT_ID(N'dbo.PayloadMigration', N'U') IS NOT NULL
    DELETE FROM dbo.PayloadMigration
    WHERE TableId = OBJECT_ID(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'U');
GO
IF OBJECT_ID(N'dbo.PayloadMigration', N'U') IS NOT NULL
    IF NOT EXISTS (SELECT 1 FROM dbo.PayloadMigration)
        DROP TABLE dbo.PayloadMigration;
