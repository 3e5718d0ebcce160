-- Generated columns cannot be written.
SELECT name, pk > 0 FROM pragma_table_xinfo(?1, 'main') WHERE hidden = 0 ORDER BY cid
