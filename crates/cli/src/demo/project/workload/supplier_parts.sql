-- name: supplier_parts
-- weight: 5
-- What a supplier can deliver, the fullest shelves first.
SELECT p.p_partkey, p.p_name, ps.ps_availqty, ps.ps_supplycost
FROM partsupp AS ps
JOIN part AS p ON p.p_partkey = ps.ps_partkey
WHERE ps.ps_suppkey = 42
ORDER BY ps.ps_availqty DESC, p.p_partkey;
