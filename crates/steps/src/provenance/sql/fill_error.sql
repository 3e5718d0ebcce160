UPDATE #history SET error = @P1 WHERE seq = @P2
