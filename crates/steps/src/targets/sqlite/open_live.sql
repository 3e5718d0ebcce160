PRAGMA synchronous = FULL;
-- On macOS an fsync alone does not reach the disk; elsewhere these change nothing.
PRAGMA fullfsync = ON;
PRAGMA checkpoint_fullfsync = ON;
PRAGMA foreign_keys = OFF;
