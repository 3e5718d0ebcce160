-- By the server's own clock, as Query Store keeps time.
SELECT /* kaizen */ DATEDIFF_BIG(SECOND, '1970-01-01', SYSUTCDATETIME()) AS now_s
