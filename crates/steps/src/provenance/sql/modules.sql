SELECT o.name AS module_name, m.definition
FROM sys.sql_modules AS m
INNER JOIN sys.objects AS o ON o.object_id = m.object_id
INNER JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE s.name = N'kaizen' OR o.name = N'AutonomousImprovementHistory'
