CREATE TABLE IF NOT EXISTS kaizen_applied (
    run_id     TEXT    NOT NULL,
    effect     TEXT    NOT NULL,
    direction  TEXT    NOT NULL CHECK (direction IN ('up', 'down')),
    epoch      INTEGER NOT NULL,
    applied_at TEXT    NOT NULL,
    digest     TEXT    NOT NULL,
    PRIMARY KEY (run_id, effect, direction)
) STRICT
