-- name: discount_forecast
-- weight: 1
-- What smaller discounts on small lines would have brought in 1994 (after TPC-H 6).
SELECT sum(l_extendedprice * l_discount) / 100 AS cents
FROM lineitem
WHERE l_shipdate >= '1994-01-01'
  AND l_shipdate < '1995-01-01'
  AND l_discount BETWEEN 5 AND 7
  AND l_quantity < 24;
