INSERT INTO kaizen.schema_history (version, name, applied_on, checksum) VALUES (0, N'', N'', N'')
