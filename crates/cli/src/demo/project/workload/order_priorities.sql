-- name: order_priorities
-- weight: 1
-- Orders of one quarter with a line that came late, by priority (after TPC-H 4).
SELECT o.o_orderpriority, count(*) AS orders
FROM orders AS o
WHERE o.o_orderdate >= '1993-07-01'
  AND o.o_orderdate < '1993-10-01'
  AND EXISTS (
      SELECT 1
      FROM lineitem AS l
      WHERE l.l_orderkey = o.o_orderkey AND l.l_commitdate < l.l_receiptdate
  )
GROUP BY o.o_orderpriority
ORDER BY o.o_orderpriority;
