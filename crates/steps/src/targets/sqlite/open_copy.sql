PRAGMA query_only = ON;
PRAGMA mmap_size = 0;
PRAGMA temp_store = MEMORY;
PRAGMA threads = 0;
-- A copy is thrown away: what its disk does must not be in the figures.
PRAGMA journal_mode = MEMORY;
PRAGMA synchronous = OFF;
