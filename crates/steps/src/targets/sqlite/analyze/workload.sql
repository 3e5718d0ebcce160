-- name: point
SELECT i FROM n WHERE i = 500;
-- name: scan
-- weight: 10
SELECT count(*) FROM n WHERE k = 3;
-- name: some
SELECT i FROM n LIMIT 3;
-- name: endless
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT max(i) FROM c;
