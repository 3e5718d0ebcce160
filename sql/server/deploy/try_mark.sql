-- Leaves nothing: whether a login may write marks.
BEGIN TRANSACTION;
INSERT INTO /* kaizen */ kaizen.applied (run_id, effect, state, epoch, digest)
VALUES ('00000000-0000-0000-0000-000000000000', N'try', N'try', 0, '0');
ROLLBACK TRANSACTION;
SELECT 1 AS tried;
