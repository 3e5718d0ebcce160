-- Big enough for clear effects, small enough for a run of a second or two.
CREATE TABLE item (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, amount INTEGER NOT NULL, flag INTEGER NOT NULL, note TEXT NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
INSERT INTO item SELECT i, (i * 7919) % 2000, (i * 104729) % 4000, 1, 'note ' || (i % 97) || ' of some length' FROM n;

CREATE TABLE sale (id INTEGER PRIMARY KEY, region INTEGER NOT NULL, amount INTEGER NOT NULL, note TEXT NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
INSERT INTO sale SELECT i, (i * 7919) % 8, (i * 104729) % 1000, 'a longer note about sale number ' || i || ' that makes its row wide' FROM n;
CREATE INDEX sale_region ON sale (region);

CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, day INTEGER NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO orders SELECT i, (i * 7919) % 3000, i / 20 FROM n;

CREATE TABLE line (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, status TEXT NOT NULL, price INTEGER NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000)
INSERT INTO line SELECT i, 1 + (i * 7919) % 20000, CASE WHEN i % 50 = 0 THEN 'returned' ELSE 'shipped' END, i % 1000 FROM n;
CREATE INDEX line_order ON line (order_id);

-- A tiny share of the workload.
CREATE TABLE coupon (id INTEGER PRIMARY KEY, code INTEGER NOT NULL, value INTEGER NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
INSERT INTO coupon SELECT i, (i * 7919) % 500, i % 50 FROM n;

-- Asked by no query.
CREATE TABLE audit (id INTEGER PRIMARY KEY, who INTEGER NOT NULL, what TEXT NOT NULL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
INSERT INTO audit SELECT i, i % 40, 'did something' FROM n;
