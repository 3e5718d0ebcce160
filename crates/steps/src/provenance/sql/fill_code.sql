UPDATE #history SET code = @P1 WHERE seq = @P2
