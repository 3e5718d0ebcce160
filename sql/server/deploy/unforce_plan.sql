DECLARE @run nvarchar(max) = N''
SELECT @run += N'EXEC sys.sp_query_store_unforce_plan ' + CAST(p.query_id AS nvarchar(20)) + N', '
    + CAST(p.plan_id AS nvarchar(20)) + N' '
FROM sys.query_store_plan AS p INNER JOIN sys.query_store_query AS q ON q.query_id = p.query_id
WHERE q.query_hash = {{query_hash}} AND p.query_plan_hash = {{plan_hash}} AND p.is_forced_plan = 1
EXEC sys.sp_executesql @run
