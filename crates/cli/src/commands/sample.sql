-- The queries that count: what Kaizen makes faster, and what it never makes slower.
--
-- Write yours here (or in more .sql files beside this one), each with two lines above it:
--   name    unique, for the reports
--   weight  how often it runs, compared with the others
-- Then take the next line away: with it Kaizen refuses to tune against this file.
-- sample

-- name: newest_things
-- weight: 10
SELECT name FROM sqlite_schema ORDER BY name LIMIT 10;
