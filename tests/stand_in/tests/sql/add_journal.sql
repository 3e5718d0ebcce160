INSERT INTO kaizen.journals (journal_id, host, project, kaizen)
SELECT @P1, @P2, @P3, @P4
WHERE NOT EXISTS (SELECT 1 FROM kaizen.journals WHERE journal_id = @P1)
