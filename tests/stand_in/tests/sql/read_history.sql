SELECT
    run, revision, seq, run_id, outcome, analysis, code, target_file, change_type, risk, estimated_impact,
    git_commit, CAST(success_score AS nvarchar(40)) AS success_score, tests_passed, tests_failed,
    CAST(performance_delta AS nvarchar(40)) AS performance_delta, error, CAST(was_deployed AS int) AS was_deployed,
    CAST(was_rolled_back AS int) AS was_rolled_back, started_at, completed_at, rolled_back_at, approved_by
FROM kaizen.history
WHERE journal_id = @P1 AND run > @P2 AND run <= @P3
ORDER BY run, revision
