-- A virtual table's rows are those of its shadow tables.
SELECT name
FROM pragma_table_list
WHERE schema = 'main' AND type IN ('table', 'shadow')
  AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name <> ?1
ORDER BY name
