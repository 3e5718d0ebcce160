INSERT INTO kaizen.journals (journal_id, host, project, kaizen)
VALUES ('00000000-0000-0000-0000-00000000c0de', N'kaizen sql check', N'', N'');
INSERT INTO kaizen.events (
    journal_id, seq, run, run_id, run_seq, happened_at, actor, kind, phase, event, event_hash, journal_hash
)
VALUES (
    '00000000-0000-0000-0000-00000000c0de', 1, 1, '00000000-0000-0000-0000-00000000c0de', 1, NULL, NULL, NULL,
    NULL, N'', '', ''
);
INSERT INTO kaizen.artifacts (journal_id, digest, content)
VALUES ('00000000-0000-0000-0000-00000000c0de', '', 0x00);
INSERT INTO kaizen.history (
    journal_id, run, revision, seq, run_id, outcome, tests_passed, tests_failed, was_deployed, was_rolled_back,
    started_at, completed_at
)
VALUES (
    '00000000-0000-0000-0000-00000000c0de', 1, 1, 1, '00000000-0000-0000-0000-00000000c0de', N'check', 0, 0, 0,
    0, '2000-01-01T00:00:00', '2000-01-01T00:00:00'
);
