-- name: order_lines
-- weight: 100
-- One order with its lines, as the shop shows it.
SELECT l.l_linenumber, p.p_name, l.l_quantity, l.l_extendedprice, l.l_shipdate
FROM lineitem AS l
JOIN part AS p ON p.p_partkey = l.l_partkey
WHERE l.l_orderkey = 4711
ORDER BY l.l_linenumber;
