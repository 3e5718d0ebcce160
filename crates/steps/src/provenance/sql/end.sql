SELECT TOP (1) seq, journal_hash FROM kaizen.events WHERE journal_id = @P1 ORDER BY seq DESC
