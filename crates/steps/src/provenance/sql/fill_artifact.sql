UPDATE #artifacts SET content = @P1 WHERE digest = @P2
