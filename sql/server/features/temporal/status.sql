SELECT /* kaizen */
    s.name + N'.' + t.name AS item,
    CASE WHEN t.temporal_type = 2 THEN N'versioned' ELSE N'not versioned' END AS state,
    CASE
        WHEN t.temporal_type <> 2 THEN N''
        ELSE N'history in ' + hs.name + N'.' + h.name + N', '
            + COALESCE((
                SELECT CAST(SUM(p.rows) AS nvarchar(20)) FROM sys.partitions AS p
                WHERE p.object_id = h.object_id AND p.index_id IN (0, 1)
            ), N'?') + N' rows, kept '
            + CASE
                WHEN t.history_retention_period_unit = -1 THEN N'for ever'
                ELSE CAST(t.history_retention_period AS nvarchar(20)) + N' '
                    + CAST(t.history_retention_period_unit_desc AS nvarchar(60))
            END
            -- A restore of the database turns it off.
            + CASE WHEN d.is_temporal_history_retention_enabled = 0 THEN N', but clean-up is OFF in this database' ELSE N'' END
    END AS detail
FROM sys.tables AS t
INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
INNER JOIN sys.databases AS d ON d.name = DB_NAME()
LEFT OUTER JOIN sys.tables AS h ON h.object_id = t.history_table_id
LEFT OUTER JOIN sys.schemas AS hs ON hs.schema_id = h.schema_id
WHERE t.object_id = OBJECT_ID(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'U')
