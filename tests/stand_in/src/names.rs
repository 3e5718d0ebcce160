//! The words in which T-SQL and SQLite differ, as tables: functions, hints, keywords.

/// Functions that only have another name here.
pub const RENAMED: &[(&str, &str)] = &[
    ("ISNULL", "ifnull"),
    ("LEN", "ts_len"),
    ("DATALENGTH", "ts_datalength"),
    ("LEFT", "ts_left"),
    ("RIGHT", "ts_right"),
    ("CHARINDEX", "ts_charindex"),
    ("REPLICATE", "ts_replicate"),
    ("COUNT_BIG", "count"),
    ("SYSUTCDATETIME", "ts_now"),
    ("SYSDATETIME", "ts_now"),
    ("GETUTCDATE", "ts_now"),
    ("GETDATE", "ts_now"),
    ("NEWID", "ts_newid"),
    ("NEWSEQUENTIALID", "ts_newid"),
    ("DB_NAME", "ts_db_name"),
    ("DB_ID", "ts_db_id"),
    ("SUSER_SNAME", "ts_user"),
    ("SUSER_NAME", "ts_user"),
    ("ORIGINAL_LOGIN", "ts_user"),
    ("USER_NAME", "ts_user"),
    ("HOST_NAME", "ts_host"),
    ("APP_NAME", "ts_host"),
    ("SERVERPROPERTY", "ts_server_property"),
    ("HAS_PERMS_BY_NAME", "ts_may"),
    ("IS_SRVROLEMEMBER", "ts_is_admin"),
    ("IS_MEMBER", "ts_is_admin"),
    ("IS_ROLEMEMBER", "ts_is_admin"),
    ("XACT_STATE", "ts_xact_state"),
    ("SCOPE_IDENTITY", "last_insert_rowid"),
    ("CEILING", "ceil"),
    ("DATEADD", "ts_dateadd"),
    ("DATEDIFF", "ts_datediff"),
    ("DATEDIFF_BIG", "ts_datediff"),
];

/// Functions that are a query here; the argument stands between the two halves.
pub const QUERIES: &[(&str, &str, &str)] = &[
    (
        "OBJECT_ID",
        "(SELECT object_id FROM \"sys.objects\" AS o INNER JOIN \"sys.schemas\" AS s \
         ON s.schema_id = o.schema_id WHERE s.name || '.' || o.name = ts_name(",
        ") COLLATE NOCASE UNION ALL SELECT -rootpage FROM sqlite_temp_schema WHERE name = ts_name(",
    ),
    ("OBJECT_NAME", "(SELECT name FROM \"sys.objects\" WHERE object_id = (", "))"),
    ("SCHEMA_ID", "(SELECT schema_id FROM \"sys.schemas\" WHERE name = (", ") COLLATE NOCASE)"),
    ("SCHEMA_NAME", "(SELECT name FROM \"sys.schemas\" WHERE schema_id = (", "))"),
];

/// Words that are functions without parentheses in T-SQL.
pub const BARE: &[(&str, &str)] = &[
    ("CURRENT_TIMESTAMP", "ts_now()"),
    ("CURRENT_USER", "ts_user()"),
    ("SESSION_USER", "ts_user()"),
    ("SYSTEM_USER", "ts_user()"),
    // Parts of a date, which only functions of dates take: no column may be named so here.
    ("SECOND", "'SECOND'"),
    ("MINUTE", "'MINUTE'"),
    ("HOUR", "'HOUR'"),
    ("DAY", "'DAY'"),
];

/// Names in T-SQL that are keywords of SQLite.
pub const NOT_KEYWORDS: &[&str] = &[
    "NOTHING",
    "LIMIT",
    "ISNULL",
    "NOTNULL",
    "INDEXED",
    "RETURNING",
    "AUTOINCREMENT",
    "DEFERRABLE",
];

pub const HINTS: &[&str] = &[
    "NOLOCK",
    "UPDLOCK",
    "HOLDLOCK",
    "SERIALIZABLE",
    "TABLOCK",
    "TABLOCKX",
    "ROWLOCK",
    "PAGLOCK",
    "READPAST",
    "XLOCK",
    "READCOMMITTED",
    "READCOMMITTEDLOCK",
    "REPEATABLEREAD",
    "NOEXPAND",
    "FORCESEEK",
    "SNAPSHOT",
    "INDEX",
];

/// A table follows these words.
pub const BEFORE_TABLE: &[&str] =
    &["FROM", "JOIN", "INTO", "UPDATE", "REFERENCES", "INSERT", "TABLE"];
