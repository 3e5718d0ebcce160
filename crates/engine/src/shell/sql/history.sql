SELECT h.run, h.revision, h.outcome, e.event FROM history AS h INNER JOIN events AS e ON e.seq = h.event
WHERE h.revision = (SELECT max(revision) FROM history WHERE run = h.run) ORDER BY h.run
