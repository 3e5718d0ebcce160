CREATE TABLE cust(id INTEGER PRIMARY KEY, name TEXT, region INTEGER);
CREATE TABLE ord(id INTEGER PRIMARY KEY, cust INTEGER, day INTEGER, status TEXT);
CREATE TABLE line(ord INTEGER, part INTEGER, qty INTEGER, price REAL, note TEXT);
CREATE TABLE n(i INTEGER PRIMARY KEY);
WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100000)
INSERT INTO n SELECT i FROM c;
INSERT INTO cust SELECT i, 'customer ' || i, i % 25 FROM n WHERE i <= 5000;
INSERT INTO ord SELECT i, i * 7919 % 5000 + 1, i % 2500, substr('OFP', i % 3 + 1, 1)
FROM n WHERE i <= 30000;
-- Written in the order of time and grown by updates, as live tables are, so that pages are split.
INSERT INTO line SELECT i * 31 % 30000 + 1, i * 104729 % 4000, i % 50, i * 0.37, NULL FROM n;
CREATE INDEX line_ord ON line(ord);
CREATE INDEX ord_cust ON ord(cust);
UPDATE line SET note = 'a longer remark on line ' || rowid WHERE part % 3 = 0;
DELETE FROM line WHERE part % 11 = 0;
