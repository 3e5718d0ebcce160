-- The ratios are in the report compression_ratios.
SELECT /* kaizen */
    s.name + N'.' + t.name + N'.' + COALESCE(i.name, N'(heap)') AS item,
    CAST(MAX(p.data_compression_desc) AS nvarchar(60)) AS state,
    CAST(SUM(p.rows) AS nvarchar(20)) + N' rows' AS detail
FROM sys.indexes AS i
INNER JOIN sys.tables AS t ON t.object_id = i.object_id
INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
INNER JOIN sys.partitions AS p ON p.object_id = i.object_id AND p.index_id = i.index_id
WHERE i.object_id IN (OBJECT_ID(N'kaizen.history', N'U'), OBJECT_ID(N'dbo.BillingUsageLedger', N'U'))
GROUP BY s.name, t.name, i.name
ORDER BY item
