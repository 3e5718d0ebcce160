-- Held by the session until it ends, in whatever way; less than 0: another session has it. @P1 its name.
DECLARE @got int;
EXEC @got = sp_getapplock @Resource = @P1, @LockMode = 'Exclusive', @LockOwner = 'Session', @LockTimeout = 0;
SELECT @got AS got;
