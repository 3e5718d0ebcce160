-- Models stay: a catalogue that holds any is not dropped.
IF OBJECT_ID(N'dbo.PredictiveModels', N'U') IS NOT NULL
    IF NOT EXISTS (SELECT 1 FROM dbo.PredictiveModels)
        DROP TABLE dbo.PredictiveModels;
