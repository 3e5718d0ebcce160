-- The history table stays beside the table, under its name; enable.sql takes it up again.
IF EXISTS (
    SELECT 1 FROM sys.tables
    WHERE object_id = OBJECT_ID(QUOTENAME(N'{{schema_text}}') + N'.' + QUOTENAME(N'{{table_text}}'), N'U')
        AND temporal_type = 2
)
    ALTER TABLE {{schema}}.{{table}} SET (SYSTEM_VERSIONING = OFF);
