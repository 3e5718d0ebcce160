-- name: sales_opportunity
-- weight: 1
-- Well-off customers who have never ordered anything, by the country of their phone number (after
-- TPC-H 22).
SELECT substr(c.c_phone, 1, 2) AS country, count(*) AS customers, sum(c.c_acctbal) AS balance
FROM customer AS c
WHERE c.c_acctbal > (
      SELECT avg(rich.c_acctbal)
      FROM customer AS rich
      WHERE rich.c_acctbal > 0
  )
  AND NOT EXISTS (SELECT 1 FROM orders AS o WHERE o.o_custkey = c.c_custkey)
GROUP BY country
ORDER BY country;
