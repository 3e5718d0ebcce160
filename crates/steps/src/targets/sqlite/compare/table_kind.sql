SELECT name, wr
FROM pragma_table_list
WHERE schema = 'main' AND type = 'table' AND name = ?1 COLLATE NOCASE
