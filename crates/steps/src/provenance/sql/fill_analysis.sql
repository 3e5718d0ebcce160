UPDATE #history SET analysis = @P1 WHERE seq = @P2
