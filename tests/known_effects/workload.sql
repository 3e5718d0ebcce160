-- name: by_owner
SELECT count(*), sum(amount) FROM item WHERE owner = 77;

-- name: by_amount
SELECT count(*), min(owner) FROM item WHERE amount = 1234;

-- name: newest
SELECT id, owner, amount FROM item WHERE flag = 1 ORDER BY id LIMIT 10;

-- name: region_total
SELECT sum(amount) FROM sale WHERE region = 3;

-- name: of_customer
SELECT count(*), max(day) FROM orders WHERE customer = 42;

-- name: shipped_of_a_few
SELECT o.id, sum(l.price) FROM orders o JOIN line l ON l.order_id = o.id
WHERE o.id BETWEEN 100 AND 110 AND l.status = 'shipped' GROUP BY o.id ORDER BY o.id;

-- name: coupon
SELECT sum(value) FROM coupon WHERE code = 7;

-- name: best_coupon
SELECT max(value) FROM coupon;
