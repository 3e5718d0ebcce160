//! What SQL Server tells of itself in `sys` and INFORMATION_SCHEMA, kept in tables of our own (`~…`)
//! beside the data, so that it is rolled back with it.

use crate::types::SqlType;
use rusqlite::Connection;

/// A SQLite string.
pub fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// Records an object under its whole name.
pub fn add_object(whole: &str, kind: &str, parent: Option<&str>) -> String {
    let (schema, name) = whole.split_once('.').unwrap_or(("dbo", whole));
    let parent = parent.map_or("0".to_owned(), |parent| {
        format!("(SELECT object_id FROM \"~objects\" WHERE whole = {})", text(parent))
    });
    format!(
        "INSERT INTO \"~objects\" (name, schema_id, parent_object_id, type, whole, created) \
         SELECT {}, schema_id, {parent}, {}, {}, ts_now() FROM \"~schemas\" WHERE name = {}",
        text(name),
        text(kind),
        text(whole),
        text(schema)
    )
}

/// The text of a view or trigger.
pub fn set_definition(whole: &str, source: &str) -> String {
    format!("UPDATE \"~objects\" SET definition = {} WHERE whole = {}", text(source), text(whole))
}

/// Forgets an object, and the triggers of a table.
pub fn drop_object(whole: &str) -> String {
    let whole = text(whole);
    format!(
        "DELETE FROM \"~objects\" WHERE whole = {whole} OR parent_object_id = \
         (SELECT object_id FROM \"~objects\" WHERE whole = {whole}); \
         DELETE FROM \"~indexes\" WHERE whole = {whole}"
    )
}

/// Records an index of a table, under its name there.
pub fn add_index(table: &str, name: &str, unique: bool, clustered: bool) -> String {
    format!(
        "INSERT INTO \"~indexes\" (whole, name, is_unique, type_desc) VALUES ({}, {}, {}, {})",
        text(table),
        text(name),
        u8::from(unique),
        text(if clustered { "CLUSTERED" } else { "NONCLUSTERED" })
    )
}

/// Records a column of it, in order.
pub fn add_index_column(
    table: &str,
    name: &str,
    number: u32,
    column: &str,
    descending: bool,
    included: bool,
) -> String {
    format!(
        "INSERT INTO \"~index_columns\" (whole, name, number, column_name, is_descending_key, \
         is_included_column) VALUES ({}, {}, {number}, {}, {}, {})",
        text(table),
        text(name),
        text(column),
        u8::from(descending),
        u8::from(included)
    )
}

/// Forgets an index.
pub fn drop_index(table: &str, name: &str) -> String {
    // Its columns go with it.
    format!("DELETE FROM \"~indexes\" WHERE whole = {} AND name = {}", text(table), text(name))
}

/// Forgets a build that was paused.
pub fn forget_build(table: &str, name: &str) -> String {
    format!(
        "DELETE FROM \"sys.index_resumable_operations\" WHERE name = {} COLLATE NOCASE AND object_id = \
         (SELECT object_id FROM \"~objects\" WHERE whole = {})",
        text(name),
        text(table)
    )
}

/// Types under SQL Server's numbers.
const TYPES: &[(u8, &str)] = &[
    (36, "uniqueidentifier"),
    (40, "date"),
    (41, "time"),
    (42, "datetime2"),
    (43, "datetimeoffset"),
    (48, "tinyint"),
    (52, "smallint"),
    (56, "int"),
    (59, "real"),
    (61, "datetime"),
    (62, "float"),
    (104, "bit"),
    (106, "decimal"),
    (127, "bigint"),
    (165, "varbinary"),
    (167, "varchar"),
    (173, "binary"),
    (175, "char"),
    (231, "nvarchar"),
    (239, "nchar"),
];

/// Makes the catalogue where it is missing.
pub fn install(db: &Connection) -> rusqlite::Result<()> {
    let int = SqlType::Int.declared(false);
    let bit = SqlType::Bit.declared(false);
    let name = SqlType::NVarChar(Some(128)).declared(false);
    let kind = SqlType::Char(2).declared(false);
    let short = SqlType::SmallInt.declared(false);
    let long = SqlType::NVarChar(None).declared(true);
    let when = SqlType::DateTime.declared(false);
    let types: Vec<String> = TYPES.iter().map(|(id, name)| format!("({id}, '{name}')")).collect();
    let types = types.join(", ");
    db.execute_batch(&format!(
        "BEGIN IMMEDIATE;
        CREATE TABLE IF NOT EXISTS \"~schemas\" (
            schema_id {int} PRIMARY KEY, name {name} NOT NULL COLLATE NOCASE UNIQUE);
        INSERT OR IGNORE INTO \"~schemas\" VALUES
            (1, 'dbo'), (3, 'INFORMATION_SCHEMA'), (4, 'sys');
        CREATE TABLE IF NOT EXISTS \"~objects\" (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            object_id {int} GENERATED ALWAYS AS (number + 1000000) VIRTUAL,
            name {name} NOT NULL COLLATE NOCASE, schema_id {int} NOT NULL,
            parent_object_id {int} NOT NULL, type {kind} NOT NULL,
            whole TEXT NOT NULL COLLATE NOCASE UNIQUE, created {when} NOT NULL,
            is_disabled {bit} NOT NULL DEFAULT 0, events TEXT, throws TEXT,
            definition {long});
        CREATE TABLE IF NOT EXISTS \"~columns\" (
            object_id {int} NOT NULL, column_id {int} NOT NULL, name {name} NOT NULL COLLATE NOCASE,
            type_name {name} NOT NULL, max_length {short} NOT NULL, is_nullable {bit} NOT NULL,
            is_identity {bit} NOT NULL);
        CREATE TABLE IF NOT EXISTS \"~keys\" (
            columns TEXT PRIMARY KEY COLLATE NOCASE, kind TEXT NOT NULL, name TEXT NOT NULL);
        CREATE TABLE IF NOT EXISTS \"~indexes\" (
            number INTEGER PRIMARY KEY AUTOINCREMENT, whole TEXT NOT NULL COLLATE NOCASE,
            name {name} NOT NULL COLLATE NOCASE, is_unique {bit} NOT NULL, type_desc {name} NOT NULL,
            UNIQUE (whole, name));
        CREATE TABLE IF NOT EXISTS \"~index_columns\" (
            whole TEXT NOT NULL COLLATE NOCASE, name {name} NOT NULL COLLATE NOCASE,
            number {int} NOT NULL, column_name {name} NOT NULL COLLATE NOCASE,
            is_descending_key {bit} NOT NULL, is_included_column {bit} NOT NULL,
            FOREIGN KEY (whole, name) REFERENCES \"~indexes\" (whole, name) ON DELETE CASCADE);
        CREATE TABLE IF NOT EXISTS \"~principals\" (
            name {name} NOT NULL COLLATE NOCASE, kind {name} NOT NULL, UNIQUE (name, kind));
        INSERT OR IGNORE INTO \"~principals\" VALUES ('sa', 'LOGIN'), ('dbo', 'USER');
        CREATE TABLE IF NOT EXISTS \"~types\" (
            user_type_id {int} PRIMARY KEY, name {name} NOT NULL UNIQUE);
        INSERT OR IGNORE INTO \"~types\" VALUES {types};
        CREATE VIEW IF NOT EXISTS \"sys.types\" AS
            SELECT name, user_type_id AS system_type_id, user_type_id FROM \"~types\";
        CREATE VIEW IF NOT EXISTS \"sys.sql_modules\" AS
            SELECT object_id, definition FROM \"~objects\" WHERE definition IS NOT NULL;
        CREATE VIEW IF NOT EXISTS \"sys.server_principals\" AS
            SELECT name FROM \"~principals\" WHERE kind = 'LOGIN';
        CREATE VIEW IF NOT EXISTS \"sys.database_principals\" AS
            SELECT name FROM \"~principals\" WHERE kind <> 'LOGIN';
        CREATE VIEW IF NOT EXISTS \"sys.schemas\" AS
            SELECT name, schema_id, 1 AS principal_id FROM \"~schemas\";
        CREATE VIEW IF NOT EXISTS \"sys.objects\" AS
            SELECT name, object_id, schema_id, parent_object_id, type,
                CASE type WHEN 'U' THEN 'USER_TABLE' WHEN 'V' THEN 'VIEW' ELSE 'SQL_TRIGGER' END
                AS type_desc, created AS create_date, created AS modify_date
            FROM \"~objects\";
        CREATE VIEW IF NOT EXISTS \"sys.tables\" AS SELECT * FROM \"sys.objects\" WHERE type = 'U';
        CREATE VIEW IF NOT EXISTS \"sys.views\" AS SELECT * FROM \"sys.objects\" WHERE type = 'V';
        CREATE VIEW IF NOT EXISTS \"sys.triggers\" AS
            SELECT name, object_id, 1 AS parent_class, parent_object_id AS parent_id, type,
                is_disabled, 0 AS is_instead_of_trigger
            FROM \"~objects\" WHERE type = 'TR';
        CREATE VIEW IF NOT EXISTS \"sys.columns\" AS
            SELECT c.object_id, c.name, c.column_id, t.user_type_id AS system_type_id,
                t.user_type_id, c.max_length, 0 AS \"precision\", 0 AS scale, c.is_nullable,
                c.is_identity, 0 AS is_computed,
                'Latin1_General_BIN2' AS collation_name
            FROM \"~columns\" AS c INNER JOIN \"~objects\" AS o ON o.object_id = c.object_id
            INNER JOIN \"~types\" AS t ON t.name = c.type_name;
        CREATE VIEW IF NOT EXISTS \"sys.indexes\" AS
            SELECT o.object_id, i.name, i.number + 1 AS index_id, i.type_desc, i.is_unique,
                0 AS is_primary_key, 0 AS is_unique_constraint, 0 AS is_disabled,
                0 AS is_hypothetical, NULL AS filter_definition
            FROM \"~indexes\" AS i INNER JOIN \"~objects\" AS o ON o.whole = i.whole;
        CREATE VIEW IF NOT EXISTS \"sys.index_columns\" AS
            SELECT o.object_id, i.number + 1 AS index_id, c.number AS index_column_id,
                CASE c.is_included_column WHEN 1 THEN 0 ELSE c.number END AS key_ordinal,
                k.column_id, c.is_descending_key, c.is_included_column
            FROM \"~index_columns\" AS c
            INNER JOIN \"~indexes\" AS i ON i.whole = c.whole AND i.name = c.name
            INNER JOIN \"~objects\" AS o ON o.whole = c.whole
            INNER JOIN \"~columns\" AS k ON k.object_id = o.object_id AND k.name = c.column_name;
        CREATE VIEW IF NOT EXISTS \"sys.databases\" AS
            SELECT ts_db_name() AS name, 5 AS database_id,
                (SELECT at FROM \"~made\") AS create_date, NULL AS group_database_id;
        CREATE VIEW IF NOT EXISTS \"INFORMATION_SCHEMA.TABLES\" AS
            SELECT 'kaizen' AS TABLE_CATALOG, s.name AS TABLE_SCHEMA, o.name AS TABLE_NAME,
                CASE o.type WHEN 'U' THEN 'BASE TABLE' ELSE 'VIEW' END AS TABLE_TYPE
            FROM \"~objects\" AS o INNER JOIN \"~schemas\" AS s ON s.schema_id = o.schema_id
            WHERE o.type IN ('U', 'V');
        CREATE VIEW IF NOT EXISTS \"INFORMATION_SCHEMA.COLUMNS\" AS
            SELECT 'kaizen' AS TABLE_CATALOG, s.name AS TABLE_SCHEMA, o.name AS TABLE_NAME,
                c.name AS COLUMN_NAME, c.column_id AS ORDINAL_POSITION, c.type_name AS DATA_TYPE,
                CASE c.is_nullable WHEN 1 THEN 'YES' ELSE 'NO' END AS IS_NULLABLE
            FROM \"~columns\" AS c INNER JOIN \"~objects\" AS o ON o.object_id = c.object_id
            INNER JOIN \"~schemas\" AS s ON s.schema_id = o.schema_id;
        {}
        COMMIT;",
        include_str!("observed.sql")
    ))
}
