-- name: returned_items
-- weight: 1
-- The twenty customers who sent back the most in one quarter (after TPC-H 10).
SELECT c.c_custkey, c.c_name,
       sum(l.l_extendedprice * (100 - l.l_discount)) / 100 AS cents
FROM orders AS o
JOIN customer AS c ON c.c_custkey = o.o_custkey
JOIN lineitem AS l ON l.l_orderkey = o.o_orderkey
WHERE o.o_orderdate >= '1993-10-01'
  AND o.o_orderdate < '1994-01-01'
  AND l.l_returnflag = 'R'
GROUP BY c.c_custkey, c.c_name
ORDER BY cents DESC, c.c_custkey
LIMIT 20;
