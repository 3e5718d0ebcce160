-- fails: 2017 2022 2025
CREATE TRIGGER kaizen.t ON kaizen.events AFTER UPDATE AS
BEGIN
    THROW 50001, N'no', 1;
