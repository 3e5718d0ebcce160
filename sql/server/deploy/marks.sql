-- A run's marker rows; in a transaction held against others until it ends. @P1 run.
SELECT /* kaizen */
    a.effect, a.state, a.epoch, a.digest, DATEDIFF_BIG(SECOND, '1970-01-01', a.applied_at) AS applied_s
FROM kaizen.applied AS a WITH (UPDLOCK, HOLDLOCK)
WHERE a.run_id = @P1
ORDER BY a.epoch
