-- The journal of Kaizen: events, their projections, leases and the operators' inbox.
-- One transition is one transaction. Numbered and immutable: change nothing here, add a V2.

CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    journal_id TEXT NOT NULL
) STRICT;

-- Projection: where each run stands. `id` is the short number.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    workflow TEXT NOT NULL,
    target TEXT NOT NULL,
    dry_run INTEGER NOT NULL,
    status TEXT NOT NULL,
    outcome TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    finished_at TEXT,
    -- When a request expires or a sleeper wakes.
    due_at TEXT,
    seq INTEGER NOT NULL,
    head BLOB NOT NULL,
    -- The run's lease: the process that drives it (alive while its lock file is locked), and the
    -- fence for its appends.
    owner TEXT,
    epoch INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Serves `pending`, `resume --all` and what is overdue.
CREATE INDEX runs_unfinished ON runs (status, id) WHERE status <> 'finished';
-- Serves `runs --workflow`.
CREATE INDEX runs_by_workflow ON runs (workflow, id);

-- The trail. `event` holds the bytes that are hashed.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (id),
    run_seq INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    event TEXT NOT NULL,
    event_hash BLOB NOT NULL CHECK (length(event_hash) = 32),
    journal_hash BLOB NOT NULL CHECK (length(journal_hash) = 32)
) STRICT;

-- Serves the fold of one run.
CREATE UNIQUE INDEX events_of_run ON events (run, run_seq);

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are append-only: no UPDATE');
END;

CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are append-only: no DELETE');
END;

CREATE TRIGGER events_have_no_gap BEFORE INSERT ON events
WHEN NEW.run_seq IS NOT (SELECT coalesce(max(run_seq), 0) + 1 FROM events WHERE run = NEW.run)
BEGIN
    SELECT RAISE(ABORT, 'gap in the sequence of the run');
END;

CREATE TRIGGER journal_has_no_gap BEFORE INSERT ON events
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM events)
BEGIN
    SELECT RAISE(ABORT, 'gap in the sequence of the journal');
END;

CREATE TRIGGER events_need_the_lease BEFORE INSERT ON events
WHEN NEW.epoch IS NOT (SELECT epoch FROM runs WHERE id = NEW.run)
BEGIN
    SELECT RAISE(ABORT, 'stale lease epoch');
END;

-- Large payloads, stored once.
CREATE TABLE artifacts (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
    bytes BLOB NOT NULL
) STRICT;

CREATE TRIGGER artifacts_are_never_changed BEFORE UPDATE ON artifacts
BEGIN
    SELECT RAISE(ABORT, 'artifacts are append-only: no UPDATE');
END;

CREATE TRIGGER artifacts_are_never_deleted BEFORE DELETE ON artifacts
BEGIN
    SELECT RAISE(ABORT, 'artifacts are append-only: no DELETE');
END;

-- The right to change a target: from Deploy to the end of a run.
CREATE TABLE target_leases (
    target TEXT PRIMARY KEY,
    -- NULL: free. The epoch stays, so that it only ever grows.
    run INTEGER REFERENCES runs (id),
    epoch INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What operators want of a run that another process drives.
CREATE TABLE inbox (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (id),
    actor TEXT NOT NULL,
    at TEXT NOT NULL,
    command TEXT NOT NULL,
    -- Set when consumed: 'done', or why it was refused.
    answer TEXT
) STRICT;

-- Serves the driver's look into its inbox.
CREATE INDEX inbox_open ON inbox (run, id) WHERE answer IS NULL;

-- Projection: every version of each predictor. The active one is the last promoted.
CREATE TABLE models (
    name TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest BLOB NOT NULL,
    promoted INTEGER NOT NULL,
    run INTEGER NOT NULL REFERENCES runs (id),
    revision INTEGER NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (name, version)
) STRICT, WITHOUT ROWID;

-- Exactly one weight update a run and revision.
CREATE UNIQUE INDEX models_once ON models (name, run, revision);

-- Projection: one history row a run and revision; the latest revision holds.
CREATE TABLE history (
    run INTEGER NOT NULL REFERENCES runs (id),
    revision INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    record TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (run, revision)
) STRICT, WITHOUT ROWID;

PRAGMA user_version = 1;
