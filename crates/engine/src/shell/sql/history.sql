SELECT run, revision, outcome, record, at FROM history AS h
WHERE revision = (SELECT max(revision) FROM history WHERE run = h.run) ORDER BY run
