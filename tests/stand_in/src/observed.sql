-- What a target database tells of itself, as tables that a test fills: Query Store, what runs, what is
-- free. Only the columns that Kaizen asks for.
CREATE TABLE IF NOT EXISTS "~made" (at TEXT NOT NULL);
INSERT INTO "~made" SELECT ts_now() WHERE NOT EXISTS (SELECT 1 FROM "~made");
CREATE TABLE IF NOT EXISTS "sys.check_constraints" (
    name TEXT, parent_object_id INTEGER, definition TEXT, is_disabled INTEGER);
CREATE TABLE IF NOT EXISTS "sys.default_constraints" (
    name TEXT, parent_object_id INTEGER, parent_column_id INTEGER, definition TEXT);
CREATE TABLE IF NOT EXISTS "sys.foreign_keys" (
    name TEXT, parent_object_id INTEGER, referenced_object_id INTEGER, is_disabled INTEGER,
    delete_referential_action INTEGER, update_referential_action INTEGER);
-- `statement` is what a paused build goes on with.
CREATE TABLE IF NOT EXISTS "sys.index_resumable_operations" (
    object_id INTEGER, name TEXT, state_desc TEXT, percent_complete REAL, statement TEXT);
CREATE TABLE IF NOT EXISTS "sys.dm_db_partition_stats" (
    object_id INTEGER, index_id INTEGER, row_count INTEGER, used_page_count INTEGER);
CREATE TABLE IF NOT EXISTS "sys.dm_db_file_space_usage" (unallocated_extent_page_count INTEGER);
CREATE TABLE IF NOT EXISTS "sys.dm_db_log_space_usage" (used_log_space_in_percent REAL);
CREATE TABLE IF NOT EXISTS "sys.dm_hadr_database_replica_states" (
    database_id INTEGER, log_send_queue_size INTEGER, redo_queue_size INTEGER);
CREATE TABLE IF NOT EXISTS "sys.dm_exec_requests" (
    database_id INTEGER, blocking_session_id INTEGER, wait_time INTEGER);
CREATE TABLE IF NOT EXISTS "sys.database_query_store_options" (
    actual_state_desc TEXT, interval_length_minutes INTEGER);
CREATE TABLE IF NOT EXISTS "sys.query_store_query_text" (query_text_id INTEGER, query_sql_text TEXT);
CREATE TABLE IF NOT EXISTS "sys.query_store_query" (
    query_id INTEGER, query_hash TEXT, query_text_id INTEGER, is_internal_query INTEGER);
CREATE TABLE IF NOT EXISTS "sys.query_store_plan" (
    plan_id INTEGER, query_id INTEGER, query_plan_hash TEXT, query_plan TEXT, is_forced_plan INTEGER);
CREATE TABLE IF NOT EXISTS "sys.database_automatic_tuning_options" (name TEXT, actual_state_desc TEXT);
CREATE TABLE IF NOT EXISTS "sys.query_store_runtime_stats_interval" (
    runtime_stats_interval_id INTEGER, start_time TEXT, end_time TEXT);
CREATE TABLE IF NOT EXISTS "sys.query_store_runtime_stats" (
    plan_id INTEGER, runtime_stats_interval_id INTEGER, execution_type INTEGER, replica_group_id INTEGER,
    count_executions REAL, avg_duration REAL, avg_cpu_time REAL, avg_logical_io_reads REAL);
