SELECT /* kaizen */ o.actual_state_desc, CAST(o.interval_length_minutes AS bigint) AS interval_minutes
FROM sys.database_query_store_options AS o
