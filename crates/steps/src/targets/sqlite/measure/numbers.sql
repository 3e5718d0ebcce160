CREATE TABLE n(i INTEGER PRIMARY KEY, k INTEGER, r REAL);
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 1000)
INSERT INTO n SELECT i, i % 7, 0.1 * i FROM c;
-- Added from either end, these give sums that differ in the last digit.
CREATE TABLE f(r REAL);
INSERT INTO f VALUES (1e16), (0.1), (0.2), (0.3), (-1e16);
