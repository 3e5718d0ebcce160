-- Where the application keeps its test results; a table that is not there is no error here.
IF COL_LENGTH(N'dbo.TestResults', N'TestName') IS NULL
    OR COL_LENGTH(N'dbo.TestResults', N'TestStatus') IS NULL
    OR COL_LENGTH(N'dbo.TestResults', N'ExecutionTimestamp') IS NULL
    SELECT
        N'{"section":"absent","source":"failed_tests","reason":"there is no table dbo.TestResults with the columns '
        + N'TestName, TestStatus and ExecutionTimestamp"}' AS line
ELSE
    EXEC (N'
        SELECT TOP (10) /* kaizen */ (
            SELECT N''failed_test'' AS section, r.TestName AS name, COUNT(*) AS failures
            FOR JSON PATH, WITHOUT_ARRAY_WRAPPER, INCLUDE_NULL_VALUES
        ) AS line
        FROM dbo.TestResults AS r
        WHERE r.TestStatus = N''Failed'' AND r.ExecutionTimestamp >= DATEADD(DAY, -7, SYSUTCDATETIME())
        GROUP BY r.TestName
        ORDER BY COUNT(*) DESC')
