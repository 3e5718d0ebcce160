-- name: late_shipments
-- weight: 1
-- Lines that arrived later than promised in 1994, by way of shipping (after TPC-H 12).
SELECT l.l_shipmode,
       sum(o.o_orderpriority IN ('1-URGENT', '2-HIGH')) AS pressing,
       sum(o.o_orderpriority NOT IN ('1-URGENT', '2-HIGH')) AS others
FROM lineitem AS l
JOIN orders AS o ON o.o_orderkey = l.l_orderkey
WHERE l.l_shipmode IN ('MAIL', 'SHIP')
  AND l.l_shipdate < l.l_commitdate
  AND l.l_commitdate < l.l_receiptdate
  AND l.l_receiptdate >= '1994-01-01'
  AND l.l_receiptdate < '1995-01-01'
GROUP BY l.l_shipmode
ORDER BY l.l_shipmode;
