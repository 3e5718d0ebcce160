-- Whether the server forces plans by itself.
SELECT /* kaizen */ COUNT(*) AS forces
FROM sys.database_automatic_tuning_options AS t
WHERE t.name = 'FORCE_LAST_GOOD_PLAN' AND t.actual_state_desc = 'ON'
