-- name: newest open orders of a tenant
-- weight: 30
SELECT id, customer_id, placed_at FROM "order" WHERE tenant_id = 1 AND status = 'open' ORDER BY placed_at DESC LIMIT 20;

-- name: customer by mail
-- weight: 50
SELECT id, tenant_id, country FROM customers WHERE lower(email) = 'user7042@example.org';

-- name: customer orders
-- weight: 40
SELECT id, status, "total amount" FROM "order" WHERE customer_id = 4711 ORDER BY placed_at DESC, id DESC;

-- name: first active events
-- weight: 20
SELECT id, at FROM events WHERE kind = 'view' ORDER BY id LIMIT 50;

-- name: revenue per category
SELECT p.category, sum(i.quantity * i.price) FROM "order" o
JOIN order_items i ON i.order_id = o.id JOIN products p ON p.id = i.product_id
WHERE o.tenant_id = 3 AND o.placed_at >= '2024-06-01' GROUP BY p.category ORDER BY 2 DESC;

-- name: buyers of a product
-- weight: 5
SELECT DISTINCT o.customer_id FROM order_items i JOIN "order" o ON o.id = i.order_id WHERE i.product_id = 17;

-- name: customers who never ordered
SELECT count(*) FROM customers c WHERE c.tenant_id = 2
  AND NOT EXISTS (SELECT 1 FROM "order" o WHERE o.customer_id = c.id);

-- name: last event of each customer
SELECT c.id, (SELECT max(e.at) FROM events e WHERE e.customer_id = c.id) AS last_at
FROM customers c WHERE c.tenant_id = 9 ORDER BY last_at DESC LIMIT 10;

-- name: funnel
SELECT e.kind, count(DISTINCT e.customer_id) FROM events e
WHERE e.tenant_id = 1 AND e.at BETWEEN 1700200000 AND 1700400000 GROUP BY e.kind;

-- name: errors
-- weight: 5
SELECT id, url, at FROM events WHERE kind = 'error' ORDER BY at DESC LIMIT 20;

-- name: paths
SELECT url, count(*) FROM events WHERE url LIKE '/product/12%' GROUP BY url ORDER BY count(*) DESC, url LIMIT 5;

-- name: deleted customers
-- weight: 3
SELECT id, email, deleted_at FROM customers WHERE deleted_at IS NOT NULL AND country = 'FR' ORDER BY deleted_at;

-- name: view of open orders
-- weight: 4
SELECT v.id, c.email FROM open_orders v JOIN customers c ON c.id = v.customer WHERE v.tenant = 12 ORDER BY v.placed_at;

-- name: big baskets
SELECT o.id, count(*) AS n FROM "order" o, order_items i WHERE i.order_id = o.id AND o.status = 'returned'
GROUP BY o.id HAVING count(*) > 4 ORDER BY n DESC, o.id LIMIT 10;

-- name: expired sessions
-- weight: 2
SELECT token FROM sessions WHERE expires_at < 1700000600;

-- name: session
-- weight: 60
SELECT s.customer_id, c.email FROM sessions s JOIN customers c ON c.id = s.customer_id WHERE s.token = 'token-77';

-- name: tenants without errors
SELECT t.id FROM tenants t LEFT JOIN events e ON e.tenant_id = t.id AND e.kind = 'error' WHERE e.id IS NULL ORDER BY t.id;

-- name: same day pairs
SELECT count(*) FROM "order" a JOIN "order" b ON a.customer_id = b.customer_id AND a.placed_at = b.placed_at AND a.id < b.id WHERE a.tenant_id = 5;

-- name: country revenue
WITH paid AS (SELECT customer_id, sum("total amount") AS total FROM "order" WHERE status = 'paid' GROUP BY customer_id)
SELECT c.country, sum(p.total) FROM paid p JOIN customers c ON c.id = p.customer_id GROUP BY c.country ORDER BY 2 DESC;
