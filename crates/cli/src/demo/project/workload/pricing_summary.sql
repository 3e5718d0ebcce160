-- name: pricing_summary
-- weight: 1
-- Totals of everything shipped until a day, by flag and status (after TPC-H 1).
SELECT l_returnflag, l_linestatus,
       sum(l_quantity) AS quantity,
       sum(l_extendedprice) AS cents,
       sum(l_extendedprice * (100 - l_discount)) / 100 AS discounted_cents,
       count(*) AS lines
FROM lineitem
WHERE l_shipdate <= '1998-09-02'
GROUP BY l_returnflag, l_linestatus
ORDER BY l_returnflag, l_linestatus;
