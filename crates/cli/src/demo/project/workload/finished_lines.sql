-- name: finished_lines
-- weight: 200
-- The first page of the shipped lines, as the back office opens it all day.
SELECT l_orderkey, l_linenumber, l_partkey, l_quantity, l_shipdate
FROM lineitem
WHERE l_linestatus = 'F'
ORDER BY l_orderkey, l_linenumber
LIMIT 10;
