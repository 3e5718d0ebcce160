-- Plans of a query that are forced and that are there: @P1 query hash, @P2 plan hash.
SELECT /* kaizen */
    COALESCE(SUM(CASE WHEN p.is_forced_plan = 1 THEN 1 ELSE 0 END), 0) AS forced, COUNT(*) AS there
FROM sys.query_store_plan AS p
INNER JOIN sys.query_store_query AS q ON q.query_id = p.query_id
WHERE CONVERT(nvarchar(20), q.query_hash, 1) = @P1 AND CONVERT(nvarchar(20), p.query_plan_hash, 1) = @P2
