-- V2: fewer bytes and fewer statements a transition.
--
-- An event knows the run's event before it, which an index by run had to find; one trigger does
-- what three did, and moves the run's row on with it; a history row points to the event that holds
-- its record instead of repeating it.

ALTER TABLE runs DROP COLUMN updated_at;
-- The run's last event: where its rows are read from, backwards.
ALTER TABLE runs ADD COLUMN last INTEGER;

UPDATE runs SET last = ends.last
FROM (SELECT run, max(seq) AS last FROM events GROUP BY run) AS ends
WHERE ends.run = runs.id;

CREATE TABLE events_2 (
    seq INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    run_seq INTEGER NOT NULL,
    -- The run's event before this one; NULL: it is the run's first.
    prev INTEGER,
    epoch INTEGER NOT NULL,
    event TEXT NOT NULL,
    event_hash BLOB NOT NULL CHECK (length(event_hash) = 32),
    journal_hash BLOB NOT NULL CHECK (length(journal_hash) = 32)
) STRICT;

INSERT INTO events_2
SELECT
    seq, run, run_seq, lag(seq) OVER (PARTITION BY run ORDER BY run_seq), epoch,
    event, event_hash, journal_hash
FROM events
ORDER BY seq;

CREATE TABLE history_2 (
    run INTEGER NOT NULL REFERENCES runs (id),
    revision INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    -- The event whose output is the record.
    event INTEGER NOT NULL,
    PRIMARY KEY (run, revision)
) STRICT, WITHOUT ROWID;

INSERT INTO history_2
SELECT h.run, h.revision, h.outcome, records.seq
FROM history AS h
INNER JOIN (
    SELECT run, seq, row_number() OVER (PARTITION BY run ORDER BY run_seq) AS revision
    FROM events
    WHERE event ->> '$.kind' = 'phase_completed'
        AND event ->> '$.body.phase' = 'record_provenance'
) AS records ON records.run = h.run AND records.revision = h.revision;

DROP TABLE events;
DROP TABLE history;
ALTER TABLE events_2 RENAME TO events;
ALTER TABLE history_2 RENAME TO history;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are append-only: no UPDATE');
END;

CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are append-only: no DELETE');
END;

CREATE TRIGGER events_are_appended AFTER INSERT ON events
BEGIN
    SELECT RAISE(ABORT, 'gap in the sequence of the journal')
    WHERE NEW.seq <> (SELECT max(seq) FROM events)
        OR (NEW.seq > 1 AND NOT EXISTS (SELECT 1 FROM events WHERE seq = NEW.seq - 1));

    UPDATE runs SET seq = NEW.run_seq, last = NEW.seq, head = NEW.event_hash
    WHERE id = NEW.run AND epoch = NEW.epoch AND seq = NEW.run_seq - 1 AND last IS NEW.prev;

    SELECT RAISE(ABORT, 'stale lease epoch')
    WHERE changes() <> 1 AND NEW.epoch IS NOT (SELECT epoch FROM runs WHERE id = NEW.run);

    SELECT RAISE(ABORT, 'gap in the sequence of the run') WHERE changes() <> 1;
END;

PRAGMA user_version = 2;
