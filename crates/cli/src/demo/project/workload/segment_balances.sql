-- name: segment_balances
-- weight: 5
-- Customers of one segment who owe money, the deepest in debt first.
SELECT c_custkey, c_name, c_acctbal
FROM customer
WHERE c_mktsegment = 'MACHINERY' AND c_acctbal < 0
ORDER BY c_acctbal, c_custkey;
