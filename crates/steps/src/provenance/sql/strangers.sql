-- Journals that rows are under, and that never announced themselves.
SELECT s.journal_id
FROM (SELECT DISTINCT journal_id FROM kaizen.events UNION SELECT DISTINCT journal_id FROM kaizen.history) AS s
WHERE NOT EXISTS (SELECT 1 FROM kaizen.journals AS j WHERE j.journal_id = s.journal_id)
