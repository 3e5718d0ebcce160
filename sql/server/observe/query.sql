SELECT /* kaizen */ (
    SELECT
        N'query' AS section,
        CONVERT(nvarchar(20), q.query_hash, 1) AS query_hash,
        t.query_sql_text AS text,
        OBJECT_SCHEMA_NAME(q.object_id) AS object_schema,
        OBJECT_NAME(q.object_id) AS object_name
    FOR JSON PATH, WITHOUT_ARRAY_WRAPPER, INCLUDE_NULL_VALUES
) AS line
FROM sys.query_store_query AS q
INNER JOIN sys.query_store_query_text AS t ON t.query_text_id = q.query_text_id
WHERE q.is_internal_query = 0
    AND q.query_id IN (
        SELECT MIN(o.query_id) FROM sys.query_store_query AS o
        WHERE o.last_execution_time >= DATEADD(DAY, -8, SYSDATETIMEOFFSET())
        GROUP BY o.query_hash
    )
