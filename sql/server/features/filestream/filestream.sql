-- PERMANENT: a FILESTREAM filegroup, its container and the ROWGUIDCOL column go only by hand, after
-- every payload has left them.
-- A column of payloads that is there already stays as it is, and then none of this is needed.
IF COL_LENGTH(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'{{payload_text}}') IS NULL
    AND NOT EXISTS (SELECT 1 FROM sys.filegroups AS g WHERE g.type = N'FD')
BEGIN
    DECLARE @add nvarchar(max) =
        N'ALTER DATABASE ' + QUOTENAME(DB_NAME()) + N' ADD FILEGROUP KaizenPayload CONTAINS FILESTREAM';
    EXEC sys.sp_executesql @add;
END;
GO
IF COL_LENGTH(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'{{payload_text}}') IS NULL
    AND NOT EXISTS (
        SELECT 1 FROM sys.database_files AS f
        INNER JOIN sys.filegroups AS g ON g.data_space_id = f.data_space_id
        WHERE g.type = N'FD'
    )
BEGIN
    DECLARE @path nvarchar(400) = CAST(SERVERPROPERTY('InstanceDefaultDataPath') AS nvarchar(260));
    IF @path IS NULL THROW 50002, N'the server does not say where its data files are', 1;
    DECLARE @name nvarchar(128) = N'KaizenPayload_' + REPLACE(CAST(NEWID() AS nvarchar(36)), N'-', N'');
    IF RIGHT(@path, 1) <> N'\' SET @path = @path + N'\';
    DECLARE @group nvarchar(128) = (SELECT MIN(g.name) FROM sys.filegroups AS g WHERE g.type = N'FD');
    DECLARE @add nvarchar(max) =
        N'ALTER DATABASE ' + QUOTENAME(DB_NAME()) + N' ADD FILE (NAME = ' + QUOTENAME(@name) + N', FILENAME = N'''
        + REPLACE(@path + @name, N'''', N'''''') + N''') TO FILEGROUP ' + QUOTENAME(@group);
    EXEC sys.sp_executesql @add;
END;
GO
DECLARE @table int = OBJECT_ID(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'U');
IF @table IS NULL THROW 50002, N'there is no such table, or it is not to be seen', 1;
IF COL_LENGTH(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'{{payload_text}}') IS NULL
    AND NOT EXISTS (SELECT 1 FROM sys.columns WHERE object_id = @table AND is_rowguidcol = 1)
    ALTER TABLE {{schema}}.{{table}} ADD KaizenPayloadGuid uniqueidentifier ROWGUIDCOL NOT NULL UNIQUE DEFAULT NEWID();
GO
IF COL_LENGTH(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'{{payload_text}}') IS NULL
    AND EXISTS (
        SELECT 1 FROM sys.tables
        WHERE object_id = OBJECT_ID(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'U')
            AND filestream_data_space_id IS NULL
    )
    ALTER TABLE {{schema}}.{{table}} SET (FILESTREAM_ON = "default");
GO
IF COL_LENGTH(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'{{payload_text}}') IS NULL
    ALTER TABLE {{schema}}.{{table}} ADD {{payload}} varbinary(max) FILESTREAM NULL;
