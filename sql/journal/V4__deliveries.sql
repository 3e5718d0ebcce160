-- V4: how far each trail outside this host has been shipped. Delivery is a cursor, not an event.

CREATE TABLE deliveries (
    -- The trail's own identity: two databases, two rows.
    trail TEXT PRIMARY KEY,
    -- Where it is, for people.
    place TEXT NOT NULL,
    -- The last event that it has acknowledged, and the journal's hash there; 0 and zeroes: none yet.
    seq INTEGER NOT NULL,
    journal_hash BLOB NOT NULL CHECK (length(journal_hash) = 32),
    at TEXT NOT NULL,
    -- Why it goes no further until somebody mends that; NULL: it does.
    stopped TEXT
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 4;
