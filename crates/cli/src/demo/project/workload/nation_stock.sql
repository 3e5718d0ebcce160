-- name: nation_stock
-- weight: 1
-- The most valuable stock of one country's suppliers (after TPC-H 11).
SELECT ps.ps_partkey, sum(ps.ps_supplycost * ps.ps_availqty) AS cents
FROM partsupp AS ps
JOIN supplier AS s ON s.s_suppkey = ps.ps_suppkey
JOIN nation AS n ON n.n_nationkey = s.s_nationkey
WHERE n.n_name = 'GERMANY'
GROUP BY ps.ps_partkey
ORDER BY cents DESC, ps.ps_partkey
LIMIT 25;
