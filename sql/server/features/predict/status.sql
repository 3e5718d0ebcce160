IF OBJECT_ID(N'dbo.PredictiveModels', N'U') IS NULL
    SELECT /* kaizen */ N'dbo.PredictiveModels' AS item, N'missing' AS state, N'' AS detail;
ELSE
    SELECT /* kaizen */
        m.ModelName AS item,
        CASE WHEN m.IsActive = 1 THEN N'active' ELSE N'inactive' END AS state,
        m.ModelType + N', of ' + CONVERT(nvarchar(30), m.UpdatedAt, 126) AS detail
    FROM dbo.PredictiveModels AS m
    UNION ALL
    SELECT N'dbo.PredictiveModels', N'there', CAST(COUNT(*) AS nvarchar(20)) + N' models' FROM dbo.PredictiveModels;
