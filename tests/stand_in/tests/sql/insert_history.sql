INSERT INTO kaizen.history (
    journal_id, run, revision, seq, run_id, outcome, analysis, code, target_file, change_type, risk,
    estimated_impact, git_commit, success_score, tests_passed, tests_failed, performance_delta, error,
    was_deployed, was_rolled_back, started_at, completed_at, rolled_back_at, approved_by
)
SELECT
    s.journal_id, s.run, s.revision, s.seq, s.run_id, s.outcome, s.analysis, s.code, s.target_file,
    s.change_type, s.risk, s.estimated_impact, s.git_commit, CAST(s.success_score AS decimal(5, 4)),
    s.tests_passed, s.tests_failed, CAST(s.performance_delta AS decimal(10, 4)), s.error,
    CAST(s.was_deployed AS bit), CAST(s.was_rolled_back AS bit), s.started_at, s.completed_at,
    s.rolled_back_at, s.approved_by
FROM #history AS s
WHERE NOT EXISTS (
    SELECT 1 FROM kaizen.history AS h
    WHERE h.journal_id = s.journal_id AND h.run = s.run AND h.revision = s.revision
)
