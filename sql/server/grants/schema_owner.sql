-- Schema owner: makes and migrates the trail with `kaizen sql apply`. Never used at run time.
-- Run once, by an administrator. Put a password of your own in, or make the login from a directory.
IF DB_ID(N'{{database_text}}') IS NULL CREATE DATABASE {{database}};
GO
IF NOT EXISTS (SELECT 1 FROM sys.server_principals WHERE name = N'{{login_text}}')
    CREATE LOGIN {{login}} WITH PASSWORD = N'{{password}}';
GO
USE {{database}};
GO
IF NOT EXISTS (SELECT 1 FROM sys.database_principals WHERE name = N'{{login_text}}')
    CREATE USER {{login}} FOR LOGIN {{login}};
GO
IF NOT EXISTS (SELECT 1 FROM sys.schemas WHERE name = N'kaizen')
    EXEC (N'CREATE SCHEMA kaizen AUTHORIZATION {{login}}');
GO
-- Tables, views and triggers: the database is the trail's alone.
ALTER ROLE db_ddladmin ADD MEMBER {{login}};
