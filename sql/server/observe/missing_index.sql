-- The cost is the optimizer's own unit, the impact percent of it.
SELECT /* kaizen */ (
    SELECT
        N'missing_index' AS section,
        OBJECT_SCHEMA_NAME(d.object_id) AS schema_name,
        OBJECT_NAME(d.object_id) AS table_name,
        JSON_QUERY((
            SELECT c.column_name AS name, c.column_usage AS usage
            FROM sys.dm_db_missing_index_columns(d.index_handle) AS c
            FOR JSON PATH
        )) AS columns,
        s.user_seeks + s.user_scans AS uses,
        s.avg_total_user_cost AS cost,
        s.avg_user_impact AS impact_pct,
        (SELECT SUM(p.rows) FROM sys.partitions AS p WHERE p.object_id = d.object_id AND p.index_id IN (0, 1))
        AS row_count
    FOR JSON PATH, WITHOUT_ARRAY_WRAPPER, INCLUDE_NULL_VALUES
) AS line
FROM sys.dm_db_missing_index_details AS d
INNER JOIN sys.dm_db_missing_index_groups AS g ON g.index_handle = d.index_handle
INNER JOIN sys.dm_db_missing_index_group_stats AS s ON s.group_handle = g.index_group_handle
WHERE d.database_id = DB_ID()
