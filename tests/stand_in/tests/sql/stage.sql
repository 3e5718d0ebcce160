-- Temporary tables outlive a batch that failed, and take tempdb's collation where none is named.
-- No nvarchar between 2,000 and max: the driver announces one as the other in a bulk load.
DROP TABLE IF EXISTS #events;
DROP TABLE IF EXISTS #artifacts;
DROP TABLE IF EXISTS #history;

CREATE TABLE #events (
    journal_id uniqueidentifier NOT NULL,
    seq bigint NOT NULL,
    run bigint NOT NULL,
    run_id uniqueidentifier NOT NULL,
    run_seq bigint NOT NULL,
    happened_at datetime2(6) NULL,
    actor nvarchar(max) COLLATE Latin1_General_BIN2 NULL,
    kind nvarchar(100) COLLATE Latin1_General_BIN2 NULL,
    phase nvarchar(100) COLLATE Latin1_General_BIN2 NULL,
    event nvarchar(max) COLLATE Latin1_General_BIN2 NOT NULL,
    event_hash nvarchar(64) COLLATE Latin1_General_BIN2 NOT NULL,
    journal_hash nvarchar(64) COLLATE Latin1_General_BIN2 NOT NULL
);

CREATE TABLE #artifacts (
    journal_id uniqueidentifier NOT NULL,
    digest nvarchar(64) COLLATE Latin1_General_BIN2 NOT NULL,
    content varbinary(max) NOT NULL
);

CREATE TABLE #history (
    journal_id uniqueidentifier NOT NULL,
    run bigint NOT NULL,
    revision int NOT NULL,
    seq bigint NOT NULL,
    run_id uniqueidentifier NOT NULL,
    outcome nvarchar(100) COLLATE Latin1_General_BIN2 NOT NULL,
    analysis nvarchar(max) COLLATE Latin1_General_BIN2 NULL,
    code nvarchar(max) COLLATE Latin1_General_BIN2 NULL,
    target_file nvarchar(max) COLLATE Latin1_General_BIN2 NULL,
    change_type nvarchar(100) COLLATE Latin1_General_BIN2 NULL,
    risk nvarchar(100) COLLATE Latin1_General_BIN2 NULL,
    estimated_impact nvarchar(100) COLLATE Latin1_General_BIN2 NULL,
    git_commit nvarchar(100) COLLATE Latin1_General_BIN2 NULL,
    success_score nvarchar(40) COLLATE Latin1_General_BIN2 NULL,
    tests_passed int NOT NULL,
    tests_failed int NOT NULL,
    performance_delta nvarchar(40) COLLATE Latin1_General_BIN2 NULL,
    error nvarchar(max) COLLATE Latin1_General_BIN2 NULL,
    was_deployed int NOT NULL,
    was_rolled_back int NOT NULL,
    started_at datetime2(6) NOT NULL,
    completed_at datetime2(6) NOT NULL,
    rolled_back_at datetime2(6) NULL,
    approved_by nvarchar(max) COLLATE Latin1_General_BIN2 NULL
);
