-- The longest queue of a replica; no row, or NULL: there is none.
SELECT /* kaizen */
    CAST(MAX(CASE WHEN r.log_send_queue_size > r.redo_queue_size THEN r.log_send_queue_size
        ELSE r.redo_queue_size END) / 1024.0 AS float) AS queue_mb
FROM sys.dm_hadr_database_replica_states AS r
WHERE r.database_id = DB_ID()
