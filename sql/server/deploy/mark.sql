-- @P1 run, @P2 effect, @P3 state, @P4 epoch, @P5 digest.
INSERT INTO /* kaizen */ kaizen.applied (run_id, effect, state, epoch, digest)
VALUES (@P1, @P2, @P3, @P4, @P5)
