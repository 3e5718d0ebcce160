SELECT TOP (64) digest, content
FROM kaizen.artifacts
WHERE journal_id = @P1 AND digest > CAST(@P2 AS char(64)) COLLATE Latin1_General_BIN2
ORDER BY digest
