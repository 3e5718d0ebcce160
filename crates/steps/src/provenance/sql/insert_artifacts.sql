INSERT INTO kaizen.artifacts (journal_id, digest, content)
SELECT s.journal_id, s.digest, s.content
FROM #artifacts AS s
WHERE NOT EXISTS (
    SELECT 1 FROM kaizen.artifacts AS a WHERE a.journal_id = s.journal_id AND a.digest = s.digest
)
