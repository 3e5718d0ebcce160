-- Queries whose plans name a table, and whether they write; @P1 is how a plan names it.
SELECT /* kaizen */
    CONVERT(nvarchar(20), q.query_hash, 1) AS query_hash,
    MAX(CASE WHEN CHARINDEX(N'StatementType="SELECT"', p.query_plan) > 0 THEN 0 ELSE 1 END) AS writes
FROM sys.query_store_plan AS p
INNER JOIN sys.query_store_query AS q ON q.query_id = p.query_id
WHERE CHARINDEX(@P1, p.query_plan) > 0
GROUP BY q.query_hash
