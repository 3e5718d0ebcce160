DECLARE @until datetime2 = '{{until}}', @run nvarchar(max) = N''
SELECT @run += N'EXEC sys.sp_query_store_force_plan ' + CAST(p.query_id AS nvarchar(20)) + N', '
    + CAST(p.plan_id AS nvarchar(20)) + N' '
FROM sys.query_store_plan AS p INNER JOIN sys.query_store_query AS q ON q.query_id = p.query_id
WHERE q.query_hash = {{query_hash}} AND p.query_plan_hash = {{plan_hash}} AND SYSUTCDATETIME() < @until
IF @run = N'' RAISERROR(N'Query Store has no such plan any more, or its time is over', 16, 1)
EXEC sys.sp_executesql @run
