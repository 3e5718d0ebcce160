-- Other journals that hold this run.
SELECT DISTINCT e.journal_id FROM kaizen.events AS e
WHERE e.run_seq = 1 AND e.run_id = @P2 AND e.journal_id <> @P1
