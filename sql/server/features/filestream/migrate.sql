-- reversible: the source is never touched; set the new column to NULL to do it again.
-- Moves up to 100 payloads, each in a transaction of its own, and answers how many were moved, how
-- many failed and how many are left. Run it until none is left or none can be; it may stop anywhere.
-- After three failures a payload is left alone.
IF @@TRANCOUNT > 0 THROW 50002, N'payloads are moved one by one: no transaction may be open', 1;
DROP TABLE IF EXISTS #batch;
DECLARE @table int = OBJECT_ID(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'U');
DECLARE @root nvarchar(4000) = N'{{root_text}}';
SELECT TOP (100)
    ROW_NUMBER() OVER (ORDER BY s.{{key}}) AS n,
    s.{{key}} AS item,
    CONVERT(nvarchar(400), s.{{key}}) AS item_text,
    CONVERT(nvarchar(4000), s.{{locator}}) AS locator
INTO #batch
FROM {{schema}}.{{table}} AS s
WHERE s.{{payload}} IS NULL AND s.{{locator}} IS NOT NULL
    AND NOT EXISTS (
        SELECT 1 FROM dbo.PayloadMigration AS p
        WHERE p.TableId = @table AND p.Attempts >= 3 AND p.State = N'failed'
            AND p.Item = CONVERT(nvarchar(400), s.{{key}}) COLLATE Latin1_General_BIN2
    )
ORDER BY s.{{key}};
DECLARE @rows int = @@ROWCOUNT, @n int = 0, @moved int = 0, @failed int = 0;
DECLARE @item nvarchar(400), @locator nvarchar(4000), @path nvarchar(4000), @read nvarchar(max);
DECLARE @content varbinary(max), @hash binary(32), @kept binary(32), @error nvarchar(4000);
WHILE @n < @rows
BEGIN
    SET @n = @n + 1;
    SELECT @item = b.item_text, @locator = b.locator FROM #batch AS b WHERE b.n = @n;
    SELECT @content = NULL, @hash = NULL, @kept = NULL, @error = NULL;
    -- A locator without a root of its own is below the one given; none leads out of it.
    SET @path = CASE
        WHEN LEFT(@locator, 1) IN (N'/', N'\') OR CHARINDEX(N':', @locator) > 0 THEN @locator
        ELSE @root + @locator
    END;
    IF CHARINDEX(N'..', @path) > 0
        OR LEFT(@path, LEN(@root)) COLLATE Latin1_General_BIN2 <> @root COLLATE Latin1_General_BIN2
        SET @error = N'the locator leads out of the folder of payloads';
    IF @error IS NULL
    BEGIN
        BEGIN TRY
            -- No transaction is open here: a file that is missing must not doom one.
            SET @read = N'SELECT @content = f.BulkColumn FROM OPENROWSET(BULK N''' + REPLACE(@path, N'''', N'''''')
                + N''', SINGLE_BLOB) AS f';
            EXEC sys.sp_executesql @read, N'@content varbinary(max) OUTPUT', @content = @content OUTPUT;
            IF @content IS NULL
                SET @error = N'nothing was read';
            ELSE
            BEGIN
                SET @hash = HASHBYTES('SHA2_256', @content);
                BEGIN TRANSACTION;
                UPDATE s SET s.{{payload}} = @content
                FROM {{schema}}.{{table}} AS s
                INNER JOIN #batch AS b ON b.item = s.{{key}}
                WHERE b.n = @n AND s.{{payload}} IS NULL
                    AND CONVERT(nvarchar(4000), s.{{locator}}) COLLATE Latin1_General_BIN2
                    = b.locator COLLATE Latin1_General_BIN2;
                SELECT @kept = HASHBYTES('SHA2_256', s.{{payload}})
                FROM {{schema}}.{{table}} AS s
                INNER JOIN #batch AS b ON b.item = s.{{key}}
                WHERE b.n = @n;
                IF @kept IS NULL OR @kept <> @hash
                BEGIN
                    ROLLBACK TRANSACTION;
                    SET @error = N'the row has changed meanwhile, or does not keep what was read';
                END;
                ELSE
                BEGIN
                    DELETE FROM dbo.PayloadMigration
                    WHERE TableId = @table AND Item = @item COLLATE Latin1_General_BIN2;
                    INSERT INTO dbo.PayloadMigration (TableId, Item, State, Locator, Attempts, Bytes, ContentSha256)
                    VALUES (@table, @item, N'moved', @locator, 1, DATALENGTH(@content), @hash);
                    COMMIT TRANSACTION;
                    SET @moved = @moved + 1;
                END;
            END;
        END TRY
        BEGIN CATCH
            IF XACT_STATE() <> 0 ROLLBACK TRANSACTION;
            SET @error = N'error ' + CAST(ERROR_NUMBER() AS nvarchar(20)) + N': ' + LEFT(ERROR_MESSAGE(), 3900);
        END CATCH;
    END;
    IF @error IS NOT NULL
    BEGIN
        SET @failed = @failed + 1;
        UPDATE dbo.PayloadMigration
        SET State = N'failed', Attempts = Attempts + 1, ErrorMessage = @error, Locator = @locator,
            Bytes = NULL, ContentSha256 = NULL, ChangedAt = SYSUTCDATETIME()
        WHERE TableId = @table AND Item = @item COLLATE Latin1_General_BIN2;
        IF @@ROWCOUNT = 0
            INSERT INTO dbo.PayloadMigration (TableId, Item, State, Locator, Attempts, ErrorMessage)
            VALUES (@table, @item, N'failed', @locator, 1, @error);
    END;
END;
DROP TABLE #batch;
SELECT /* kaizen */
    @moved AS moved,
    @failed AS failed,
    (
        SELECT COUNT_BIG(*) FROM {{schema}}.{{table}} AS s
        WHERE s.{{payload}} IS NULL AND s.{{locator}} IS NOT NULL
            AND NOT EXISTS (
                SELECT 1 FROM dbo.PayloadMigration AS p
                WHERE p.TableId = @table AND p.Attempts >= 3 AND p.State = N'failed'
                    AND p.Item = CONVERT(nvarchar(400), s.{{key}}) COLLATE Latin1_General_BIN2
            )
    ) AS remaining;
