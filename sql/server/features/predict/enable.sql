-- reversible: disable.sql drops the catalogue where it holds no rows; functions are dropped by name.
IF OBJECT_ID(N'dbo.PredictiveModels', N'U') IS NULL
    CREATE TABLE dbo.PredictiveModels (
        ModelId int IDENTITY(1, 1) NOT NULL,
        ModelName nvarchar(128) NOT NULL,
        ModelType nvarchar(64) NOT NULL,
        ModelBinary varbinary(max) NULL,
        ExternalLocation nvarchar(512) NULL,
        ModelMetadata nvarchar(max) NULL,
        CreatedAt datetime2(6) NOT NULL CONSTRAINT PredictiveModels_CreatedAt DEFAULT SYSUTCDATETIME(),
        UpdatedAt datetime2(6) NOT NULL CONSTRAINT PredictiveModels_UpdatedAt DEFAULT SYSUTCDATETIME(),
        IsActive bit NOT NULL CONSTRAINT PredictiveModels_IsActive DEFAULT 1,
        CONSTRAINT PredictiveModels_Key PRIMARY KEY (ModelId),
        CONSTRAINT PredictiveModels_ByName UNIQUE (ModelName)
    );
