SELECT journal_hash FROM kaizen.events WHERE journal_id = @P1 AND seq = @P2
