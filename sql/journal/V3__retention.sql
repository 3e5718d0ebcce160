-- V3: retention. A run that has ended may lose bodies of events, never their hashes, and artifacts
-- that nothing names any more.

-- When its bodies went; NULL: they are all there.
ALTER TABLE runs ADD COLUMN compacted_at TEXT;

-- Artifacts that such bodies named: they go once nothing else is found to name them.
CREATE TABLE unneeded (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
    -- The journal's end when it was last put here.
    since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

DROP TRIGGER events_are_never_changed;
DROP TRIGGER artifacts_are_never_deleted;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN
    -- A body of what was looked at, thought or measured may go, where the run's last event says that
    -- just this one does, after the event that sealed the run.
    SELECT RAISE(ABORT, 'events are append-only: no UPDATE')
    WHERE NEW.event <> ''
        OR NEW.seq IS NOT OLD.seq OR NEW.run IS NOT OLD.run OR NEW.run_seq IS NOT OLD.run_seq
        OR NEW.prev IS NOT OLD.prev OR NEW.epoch IS NOT OLD.epoch
        OR NEW.event_hash IS NOT OLD.event_hash OR NEW.journal_hash IS NOT OLD.journal_hash
        OR OLD.event ->> '$.kind' NOT IN ('phase_completed', 'phase_failed', 'noted')
        OR (
            OLD.event ->> '$.kind' = 'phase_completed'
            AND OLD.event ->> '$.body.phase' IN ('update_weights', 'record_provenance')
        )
        OR NOT EXISTS (
            SELECT 1 FROM runs AS r
            INNER JOIN events AS last ON last.seq = r.last
            INNER JOIN events AS seal ON seal.seq = last.prev
            INNER JOIN json_each(last.event, '$.body.pruned') AS pruned
            WHERE r.id = OLD.run
                AND last.event ->> '$.kind' = 'run_compacted'
                AND seal.event ->> '$.kind' = 'run_sealed'
                AND pruned.value = OLD.run_seq
        );
END;

CREATE TRIGGER artifacts_are_never_deleted BEFORE DELETE ON artifacts
BEGIN
    SELECT RAISE(ABORT, 'artifacts are append-only: no DELETE')
    WHERE NOT EXISTS (SELECT 1 FROM unneeded WHERE digest = OLD.digest);
END;

PRAGMA user_version = 3;
