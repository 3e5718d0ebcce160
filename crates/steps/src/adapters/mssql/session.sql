-- The options that every connection of Kaizen works under, whatever the server's or the login's
-- defaults are. NOCOUNT stays off: the numbers of rows affected are evidence. The seven that indexed
-- views and filtered indexes require are set as these require them.
SET XACT_ABORT ON;
SET NOCOUNT OFF;
SET ANSI_NULLS ON;
SET ANSI_PADDING ON;
SET ANSI_WARNINGS ON;
SET ARITHABORT ON;
SET CONCAT_NULL_YIELDS_NULL ON;
SET NUMERIC_ROUNDABORT OFF;
SET QUOTED_IDENTIFIER ON;
SET DATEFORMAT ymd;
SET LOCK_TIMEOUT 10000;
