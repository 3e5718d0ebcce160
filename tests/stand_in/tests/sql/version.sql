SELECT MAX(version) AS version FROM kaizen.schema_history
