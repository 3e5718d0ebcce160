SELECT trail, place, seq, journal_hash, at, stopped FROM deliveries ORDER BY trail
