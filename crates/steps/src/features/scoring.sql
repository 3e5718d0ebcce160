CREATE OR ALTER FUNCTION dbo.{{name}} (
{{parameters}}
)
RETURNS TABLE
WITH SCHEMABINDING
AS
RETURN
    SELECT (1e0) / ((1e0) + EXP(-(
        CASE
            WHEN z.log_odds > {{most}} THEN {{most}}
            WHEN z.log_odds < {{least}} THEN {{least}}
            ELSE z.log_odds
        END
    ))) AS probability
    FROM (
        SELECT
            {{terms}}
            AS log_odds
    ) AS z;
