-- name: small_quantity_revenue
-- weight: 1
-- What a year would lose without orders far below the usual quantity of a part (after TPC-H 17).
SELECT sum(l.l_extendedprice) / 7 AS yearly_cents
FROM lineitem AS l
JOIN part AS p ON p.p_partkey = l.l_partkey
WHERE p.p_brand = 'Brand#34'
  AND p.p_container = 'SM BAG'
  AND l.l_quantity < (
      SELECT 0.2 * avg(same.l_quantity)
      FROM lineitem AS same
      WHERE same.l_partkey = p.p_partkey
  );
