-- name: monthly_revenue
-- weight: 1
-- Revenue of 1995, month by month.
SELECT substr(l_shipdate, 1, 7) AS month,
       sum(l_extendedprice * (100 - l_discount)) / 100 AS cents
FROM lineitem
WHERE l_shipdate >= '1995-01-01' AND l_shipdate < '1996-01-01'
GROUP BY month
ORDER BY month;
