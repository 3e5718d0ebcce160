-- Requests in this database that have been blocked by another for over half a minute. NULL: without the
-- permission one sees oneself alone, and no error.
SELECT /* kaizen */ CASE
    WHEN 1 IN (
        HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER STATE'),
        HAS_PERMS_BY_NAME(NULL, NULL, 'VIEW SERVER PERFORMANCE STATE'),
        CASE WHEN SERVERPROPERTY('EngineEdition') = 5
            THEN HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'VIEW DATABASE STATE') END)
    THEN (
        SELECT COUNT(*) FROM sys.dm_exec_requests AS r
        WHERE r.database_id = DB_ID() AND r.blocking_session_id <> 0 AND r.wait_time > 30000)
END AS blocked
