UPDATE #events SET event = @P1 WHERE seq = @P2
