-- name: customer_orders
-- weight: 20
-- A customer's latest orders, as the shop shows them after a login.
SELECT o_orderkey, o_orderdate, o_orderstatus, o_totalprice
FROM orders
WHERE o_custkey = 1234
ORDER BY o_orderdate DESC, o_orderkey DESC
LIMIT 20;
