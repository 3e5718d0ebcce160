-- Where the list of what was moved is missing there is nothing else to tell.
IF OBJECT_ID(N'dbo.PayloadMigration', N'U') IS NULL
    SELECT /* kaizen */ N'dbo.PayloadMigration' AS item, N'missing' AS state, N'nothing was moved' AS detail;
ELSE
    SELECT /* kaizen */ s.item, s.state, s.detail
    FROM (
        SELECT
            1 AS place,
            N'column ' + c.name AS item,
            CASE WHEN c.is_filestream = 1 THEN N'FILESTREAM' ELSE N'varbinary(max)' END AS state,
            N'' AS detail
        FROM sys.columns AS c
        WHERE c.object_id = OBJECT_ID(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'U')
            AND c.name = N'{{payload_text}}'
        UNION ALL
        SELECT
            2,
            N'payloads ' + p.State,
            CAST(COUNT_BIG(*) AS nvarchar(20)),
            COALESCE(CAST(SUM(p.Bytes) AS nvarchar(20)) + N' bytes', N'the last error: ' + MAX(p.ErrorMessage))
        FROM dbo.PayloadMigration AS p
        WHERE p.TableId = OBJECT_ID(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'U')
        GROUP BY p.State
        UNION ALL
        SELECT 3, N'payloads waiting', CAST(COUNT_BIG(*) AS nvarchar(20)), N''
        FROM {{schema}}.{{table}} AS s
        WHERE s.{{payload}} IS NULL AND s.{{locator}} IS NOT NULL
    ) AS s
    ORDER BY s.place, s.item;
