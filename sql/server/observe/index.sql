-- Usage is counted since the server started, on the replica that is asked.
SELECT /* kaizen */ (
    SELECT
        N'index' AS section,
        OBJECT_SCHEMA_NAME(x.object_id) AS schema_name,
        OBJECT_NAME(x.object_id) AS table_name,
        x.name AS index_name,
        x.type_desc AS type,
        CAST(x.is_unique AS int) AS is_unique,
        CAST(CASE WHEN x.is_primary_key = 1 OR x.is_unique_constraint = 1 THEN 1 ELSE 0 END AS int) AS is_constraint,
        CAST(x.is_disabled AS int) AS is_disabled,
        x.filter_definition AS filter,
        -- What an index made again by its columns alone would not be.
        CAST(CASE WHEN x.fill_factor NOT IN (0, 100) OR x.ignore_dup_key = 1 OR x.is_padded = 1
            OR EXISTS (
                SELECT 1 FROM sys.data_spaces AS d
                WHERE d.data_space_id = x.data_space_id AND (d.type <> 'FG' OR d.is_default = 0))
            OR EXISTS (
                SELECT 1 FROM sys.partitions AS t
                WHERE t.object_id = x.object_id AND t.index_id = x.index_id AND t.data_compression <> 0)
        THEN 1 ELSE 0 END AS int) AS is_special,
        JSON_QUERY((
            SELECT
                COL_NAME(c.object_id, c.column_id) AS name,
                CAST(c.is_descending_key AS int) AS descending,
                CAST(c.is_included_column AS int) AS included
            FROM sys.index_columns AS c
            WHERE c.object_id = x.object_id AND c.index_id = x.index_id
                AND (c.key_ordinal > 0 OR c.is_included_column = 1)
            ORDER BY c.is_included_column, c.key_ordinal, c.index_column_id
            FOR JSON PATH
        )) AS columns,
        (
            SELECT SUM(s.used_page_count) FROM sys.dm_db_partition_stats AS s
            WHERE s.object_id = x.object_id AND s.index_id = x.index_id
        ) AS pages,
        u.user_seeks + u.user_scans + u.user_lookups AS reads,
        u.user_updates AS writes,
        CAST(CASE WHEN EXISTS (
            SELECT 1 FROM sys.foreign_keys AS f
            WHERE f.referenced_object_id = x.object_id AND f.key_index_id = x.index_id
        ) THEN 1 ELSE 0 END AS int) AS is_referenced,
        CAST(CASE WHEN EXISTS (
            SELECT 1 FROM sys.query_store_plan AS p
            WHERE p.is_forced_plan = 1 AND CHARINDEX(QUOTENAME(x.name), p.query_plan) > 0
        ) THEN 1 ELSE 0 END AS int) AS is_forced
    FOR JSON PATH, WITHOUT_ARRAY_WRAPPER, INCLUDE_NULL_VALUES
) AS line
FROM sys.indexes AS x
INNER JOIN sys.tables AS b ON b.object_id = x.object_id
LEFT OUTER JOIN sys.dm_db_index_usage_stats AS u
    ON u.database_id = DB_ID() AND u.object_id = x.object_id AND u.index_id = x.index_id
WHERE x.index_id > 0 AND x.is_hypothetical = 0 AND b.is_ms_shipped = 0
