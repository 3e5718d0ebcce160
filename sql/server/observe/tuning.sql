SELECT /* kaizen */ (
    SELECT
        N'tuning' AS section,
        r.type,
        r.reason,
        r.score,
        JSON_VALUE(r.state, '$.currentValue') AS state
    FOR JSON PATH, WITHOUT_ARRAY_WRAPPER, INCLUDE_NULL_VALUES
) AS line
FROM sys.dm_db_tuning_recommendations AS r
