CREATE TRIGGER no_nine BEFORE INSERT ON customer WHEN new.id = 9
BEGIN SELECT raise(ROLLBACK, 'no nine'); END;
