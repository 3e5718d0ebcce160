//! What a database holds, as digests: its schema and the rows of its tables.
//!
//! Works on any connection, the live database's or a copy's. Opening and copying is
//! [`super::database`]'s work.

use super::{APPLIED_TABLE, quote, rows, text};
use kaizen_engine::digest::Digest;
use rusqlite::Connection;
use std::collections::BTreeMap;

/// One row of `sqlite_schema`, its statement in normal form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct SchemaObject {
    /// `table`, `index`, `view` or `trigger`.
    #[serde(rename = "type")]
    pub kind: String,
    pub name: String,
    /// The table it belongs to.
    pub table: String,
    pub sql: String,
}

/// Pages × page size, free pages among them.
///
/// # Errors
/// Where the header cannot be read.
pub fn size_bytes(conn: &Connection) -> rusqlite::Result<u64> {
    let bytes: i64 = conn.query_row(include_str!("size.sql"), [], |row| row.get(0))?;
    Ok(bytes.cast_unsigned())
}

/// Tables, indexes, views and triggers, sorted; without SQLite's and Kaizen's own.
///
/// # Errors
/// Where it cannot be read.
pub fn schema(conn: &Connection) -> rusqlite::Result<Vec<SchemaObject>> {
    let mut statement = conn.prepare(include_str!("schema.sql"))?;
    let rows = statement.query_map([APPLIED_TABLE], |row| {
        Ok(SchemaObject {
            kind: row.get(0)?,
            name: row.get(1)?,
            table: row.get(2)?,
            sql: text::normal_form(&row.get::<_, String>(3)?),
        })
    })?;
    let mut objects: Vec<SchemaObject> = rows.collect::<rusqlite::Result<_>>()?;
    objects.sort();
    Ok(objects)
}

/// SHA-256 over [`schema`].
///
/// # Errors
/// As [`schema`].
pub fn schema_digest(conn: &Connection) -> rusqlite::Result<Digest> {
    Digest::of_json(&schema(conn)?)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

/// One digest per table over its rows, in whatever order they are stored. Planner statistics,
/// SQLite's and Kaizen's own tables are left out; `tables` narrows it (by name, any case).
///
/// # Errors
/// Where a table cannot be read.
pub fn table_digests(
    conn: &Connection,
    tables: Option<&[String]>,
) -> rusqlite::Result<BTreeMap<String, Digest>> {
    let mut names: Vec<String> = conn
        .prepare(include_str!("tables.sql"))?
        .query_map([APPLIED_TABLE], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    if let Some(wanted) = tables {
        names.retain(|name| wanted.iter().any(|want| want.eq_ignore_ascii_case(name)));
    }
    names.into_iter().map(|name| Ok((name.clone(), table_digest(conn, &name)?))).collect()
}

fn table_digest(conn: &Connection, table: &str) -> rusqlite::Result<Digest> {
    let mut statement = conn.prepare(&format!("SELECT * FROM main.{}", quote(table)))?;
    let columns = statement.column_count();
    let mut set = rows::Multiset::default();
    let mut stepped = statement.query([])?;
    while let Some(row) = stepped.next()? {
        set.add(&rows::hash(row, columns, false)?);
    }
    Ok(set.digest())
}

/// One digest over [`table_digests`].
///
/// # Errors
/// As [`table_digests`].
pub fn contents_digest(conn: &Connection, tables: Option<&[String]>) -> rusqlite::Result<Digest> {
    Digest::of_json(&table_digests(conn, tables)?)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
