-- The trail of Kaizen in SQL Server: what the relay ships, and views of it.
-- Numbered and immutable: change nothing here, add a V2. The schema `kaizen` is made before it.
--
-- A portable subset: no hash and no JSON is made here, times are UTC to the microsecond, hashes are
-- lower-case hex in a binary collation. Every table grows by INSERT alone; what is current is a view.

CREATE TABLE kaizen.trail (
    trail_id uniqueidentifier NOT NULL,
    made_at datetime2(6) NOT NULL CONSTRAINT trail_made_at DEFAULT SYSUTCDATETIME(),
    CONSTRAINT trail_key PRIMARY KEY (trail_id)
);

INSERT INTO kaizen.trail (trail_id) VALUES (NEWID());
GO

-- Each journal that ships here: several projects may share a trail.
CREATE TABLE kaizen.journals (
    journal_id uniqueidentifier NOT NULL,
    host nvarchar(400) COLLATE Latin1_General_BIN2 NOT NULL,
    project nvarchar(4000) COLLATE Latin1_General_BIN2 NOT NULL,
    kaizen nvarchar(100) COLLATE Latin1_General_BIN2 NOT NULL,
    received_at datetime2(6) NOT NULL CONSTRAINT journals_received_at DEFAULT SYSUTCDATETIME(),
    CONSTRAINT journals_key PRIMARY KEY (journal_id)
);
GO

-- The events, in the order of their journal. `event` holds the characters whose UTF-8 bytes are
-- hashed; empty where retention had taken them before they were shipped.
CREATE TABLE kaizen.events (
    journal_id uniqueidentifier NOT NULL,
    seq bigint NOT NULL,
    run bigint NOT NULL,
    run_id uniqueidentifier NOT NULL,
    run_seq bigint NOT NULL,
    happened_at datetime2(6) NULL,
    actor nvarchar(4000) COLLATE Latin1_General_BIN2 NULL,
    kind nvarchar(100) COLLATE Latin1_General_BIN2 NULL,
    phase nvarchar(100) COLLATE Latin1_General_BIN2 NULL,
    event nvarchar(max) COLLATE Latin1_General_BIN2 NOT NULL,
    event_hash char(64) COLLATE Latin1_General_BIN2 NOT NULL,
    journal_hash char(64) COLLATE Latin1_General_BIN2 NOT NULL,
    received_at datetime2(6) NOT NULL CONSTRAINT events_received_at DEFAULT SYSUTCDATETIME(),
    CONSTRAINT events_key PRIMARY KEY (journal_id, seq),
    -- Serves kaizen.runs.
    CONSTRAINT events_of_run UNIQUE (journal_id, run, run_seq),
    CONSTRAINT events_from_one CHECK (seq > 0 AND run > 0 AND run_seq > 0)
);
GO

-- Large payloads, under the SHA-256 of their bytes; events name them.
CREATE TABLE kaizen.artifacts (
    journal_id uniqueidentifier NOT NULL,
    digest char(64) COLLATE Latin1_General_BIN2 NOT NULL,
    content varbinary(max) NOT NULL,
    received_at datetime2(6) NOT NULL CONSTRAINT artifacts_received_at DEFAULT SYSUTCDATETIME(),
    CONSTRAINT artifacts_key PRIMARY KEY (journal_id, digest)
);
GO

-- One row a run and revision: how it ended, in columns. What they say is in the event `seq` too.
CREATE TABLE kaizen.history (
    journal_id uniqueidentifier NOT NULL,
    run bigint NOT NULL,
    revision int NOT NULL,
    seq bigint NOT NULL,
    run_id uniqueidentifier NOT NULL,
    outcome nvarchar(100) COLLATE Latin1_General_BIN2 NOT NULL,
    analysis nvarchar(max) COLLATE Latin1_General_BIN2 NULL,
    code nvarchar(max) COLLATE Latin1_General_BIN2 NULL,
    target_file nvarchar(4000) COLLATE Latin1_General_BIN2 NULL,
    change_type nvarchar(100) COLLATE Latin1_General_BIN2 NULL,
    risk nvarchar(100) COLLATE Latin1_General_BIN2 NULL,
    estimated_impact nvarchar(100) COLLATE Latin1_General_BIN2 NULL,
    git_commit nvarchar(100) COLLATE Latin1_General_BIN2 NULL,
    -- Probability of success that the decision rested on.
    success_score decimal(5, 4) NULL,
    tests_passed int NOT NULL,
    tests_failed int NOT NULL,
    -- Percent of the objective as measured; positive is better.
    performance_delta decimal(10, 4) NULL,
    error nvarchar(max) COLLATE Latin1_General_BIN2 NULL,
    was_deployed bit NOT NULL,
    was_rolled_back bit NOT NULL,
    started_at datetime2(6) NOT NULL,
    completed_at datetime2(6) NOT NULL,
    rolled_back_at datetime2(6) NULL,
    approved_by nvarchar(4000) COLLATE Latin1_General_BIN2 NULL,
    received_at datetime2(6) NOT NULL CONSTRAINT history_received_at DEFAULT SYSUTCDATETIME(),
    CONSTRAINT history_key PRIMARY KEY (journal_id, run, revision),
    CONSTRAINT history_from_one CHECK (run > 0 AND revision > 0 AND seq > 0),
    -- A table that others refer to cannot be truncated either.
    CONSTRAINT history_of_event FOREIGN KEY (journal_id, seq) REFERENCES kaizen.events (journal_id, seq)
);
GO

-- Serves reports by time.
CREATE INDEX history_by_start ON kaizen.history (started_at);
GO

CREATE TRIGGER kaizen.trail_only_grows ON kaizen.trail AFTER UPDATE, DELETE AS
BEGIN
    THROW 50001, N'the trail is append-only: no UPDATE, no DELETE', 1;
END;
GO

CREATE TRIGGER kaizen.journals_only_grow ON kaizen.journals AFTER UPDATE, DELETE AS
BEGIN
    THROW 50001, N'the trail is append-only: no UPDATE, no DELETE', 1;
END;
GO

CREATE TRIGGER kaizen.events_only_grow ON kaizen.events AFTER UPDATE, DELETE AS
BEGIN
    THROW 50001, N'the trail is append-only: no UPDATE, no DELETE', 1;
END;
GO

CREATE TRIGGER kaizen.artifacts_only_grow ON kaizen.artifacts AFTER UPDATE, DELETE AS
BEGIN
    THROW 50001, N'the trail is append-only: no UPDATE, no DELETE', 1;
END;
GO

CREATE TRIGGER kaizen.history_only_grows ON kaizen.history AFTER UPDATE, DELETE AS
BEGIN
    THROW 50001, N'the trail is append-only: no UPDATE, no DELETE', 1;
END;
GO

CREATE TRIGGER kaizen.schema_history_only_grows ON kaizen.schema_history AFTER UPDATE, DELETE AS
BEGIN
    THROW 50001, N'the trail is append-only: no UPDATE, no DELETE', 1;
END;
GO

-- Where each run stands, as far as it was shipped. An outcome that is NULL: it is under way.
CREATE VIEW kaizen.runs AS
SELECT
    e.journal_id,
    e.run,
    e.run_id,
    e.run_seq AS events,
    e.kind AS last_event,
    e.happened_at AS last_event_at,
    CASE WHEN e.kind IN (N'run_sealed', N'run_compacted') THEN h.outcome END AS outcome
FROM kaizen.events AS e
LEFT OUTER JOIN kaizen.history AS h
    ON h.journal_id = e.journal_id
    AND h.run = e.run
    AND h.revision = (
        SELECT MAX(l.revision) FROM kaizen.history AS l
        WHERE l.journal_id = e.journal_id AND l.run = e.run
    )
WHERE e.run_seq = (
    SELECT MAX(l.run_seq) FROM kaizen.events AS l
    WHERE l.journal_id = e.journal_id AND l.run = e.run
);
GO

-- One row for each run that has ended, whatever came of it.
CREATE VIEW dbo.AutonomousImprovementHistory AS
SELECT
    h.run_id AS ImprovementId,
    h.analysis AS AnalysisResults,
    h.code AS GeneratedCode,
    h.target_file AS TargetFile,
    h.change_type AS ChangeType,
    h.risk AS RiskLevel,
    h.estimated_impact AS EstimatedImpact,
    h.git_commit AS GitCommitHash,
    h.success_score AS SuccessScore,
    h.tests_passed AS TestsPassed,
    h.tests_failed AS TestsFailed,
    h.performance_delta AS PerformanceDelta,
    h.error AS ErrorMessage,
    h.was_deployed AS WasDeployed,
    h.was_rolled_back AS WasRolledBack,
    h.started_at AS StartedAt,
    h.completed_at AS CompletedAt,
    h.rolled_back_at AS RolledBackAt,
    h.approved_by AS ApprovedBy,
    h.outcome AS Outcome,
    h.run_id AS RunId,
    h.run AS RunNumber,
    h.journal_id AS JournalId,
    h.received_at AS ReceivedAt
FROM kaizen.history AS h
WHERE h.revision = (
    SELECT MAX(l.revision) FROM kaizen.history AS l
    WHERE l.journal_id = h.journal_id AND l.run = h.run
);
