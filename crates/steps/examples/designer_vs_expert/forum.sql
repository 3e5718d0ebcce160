-- name: thread page
-- weight: 60
SELECT id, author_id, body FROM posts WHERE thread_id = 42 ORDER BY posted_at LIMIT 30;

-- name: front page
-- weight: 40
SELECT id, title FROM threads WHERE board = 3 AND pinned = 0 ORDER BY last_post_at DESC LIMIT 25;

-- name: timeline
-- weight: 20
SELECT p.id, p.body FROM follows f JOIN posts p ON p.author_id = f.followee
WHERE f.follower = 99 AND p.hidden = 0 ORDER BY p.posted_at DESC LIMIT 20;

-- name: subtree
-- weight: 10
WITH RECURSIVE tree(id, depth) AS (
  SELECT id, 0 FROM posts WHERE id = 5
  UNION ALL SELECT p.id, tree.depth + 1 FROM tree JOIN posts p ON p.parent_id = tree.id)
SELECT count(*), max(depth) FROM tree;

-- name: followers
-- weight: 15
SELECT count(*) FROM follows WHERE followee = 3;

-- name: visible posts by id
-- weight: 30
SELECT id, body FROM posts WHERE hidden = 0 ORDER BY id DESC LIMIT 20;

-- name: top authors
SELECT u.handle, sum(p.score) AS s FROM posts p JOIN users u ON u.id = p.author_id
WHERE p.posted_at > 1700500000 GROUP BY u.id ORDER BY s DESC, u.handle LIMIT 10;

-- name: votes of a post
-- weight: 25
SELECT sum(value) FROM votes WHERE post_id = 1234;

-- name: unanswered threads
SELECT t.id, t.title FROM threads t WHERE t.board = 5
  AND NOT EXISTS (SELECT 1 FROM posts p WHERE p.thread_id = t.id AND p.parent_id IS NOT NULL) ORDER BY t.id;

-- name: reports
-- weight: 5
SELECT id, author_id, posted_at FROM posts WHERE hidden = 1 ORDER BY posted_at DESC LIMIT 50;

-- name: friends of friends
SELECT DISTINCT b.followee FROM follows a JOIN follows b ON b.follower = a.followee WHERE a.follower = 7 ORDER BY b.followee;

-- name: mutual follows
SELECT count(*) FROM follows a JOIN follows b ON a.follower = b.followee AND a.followee = b.follower WHERE a.follower < a.followee;

-- name: find user
-- weight: 20
SELECT id, reputation FROM users WHERE handle = 'USER-314';

-- name: users by prefix
-- weight: 10
SELECT id, handle FROM users WHERE handle LIKE 'user-31%' ORDER BY handle LIMIT 10;

-- name: sensor day
-- weight: 20
SELECT at, value FROM readings WHERE sensor = 17 AND metric = 'temp' AND at BETWEEN 1700100000 AND 1700186400 ORDER BY at;

-- name: hourly means
SELECT at / 3600 AS hour, avg(value) FROM readings WHERE metric = 'load' GROUP BY hour ORDER BY hour;

-- name: latest per sensor
SELECT r.sensor, r.value FROM readings r WHERE r.metric = 'temp'
  AND r.at = (SELECT max(x.at) FROM readings x WHERE x.sensor = r.sensor AND x.metric = 'temp') ORDER BY r.sensor;

-- name: own recent votes
-- weight: 5
SELECT v.post_id, v.value FROM votes v WHERE v.user_id = 12 ORDER BY v.voted_at DESC LIMIT 10;

-- name: popular or old
SELECT count(*) FROM posts WHERE score > 95 OR posted_at < 1700000500;
