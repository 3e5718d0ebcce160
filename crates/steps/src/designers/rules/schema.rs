//! What the designer knows about the database: tables, columns, indexes and views, as SQLite
//! itself describes them.
//!
//! Names are compared without regard to case, as SQLite does; maps are keyed by the lower-case
//! name. Not in here: statistics (the hypothetical planner copies them) and anything about time.

use super::definition::quote;
use rusqlite::{Connection, Row};
use std::collections::BTreeMap;

/// The schema of one database.
#[derive(Debug, Clone, Default)]
pub struct Schema {
    /// Ordinary tables by lower-case name; virtual, shadow and internal tables are left out.
    pub tables: BTreeMap<String, Table>,
    /// The `CREATE VIEW` statements by lower-case name.
    pub views: BTreeMap<String, String>,
}

/// One ordinary table.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// As it was written when created.
    pub name: String,
    /// Columns in their order.
    pub columns: Vec<Column>,
    /// Lower-case name of the column that is the rowid (`INTEGER PRIMARY KEY`).
    pub rowid_alias: Option<String>,
    /// Whether rows are stored in the primary key itself.
    pub without_rowid: bool,
    /// Every index, those of UNIQUE and PRIMARY KEY among them.
    pub indexes: Vec<Index>,
}

/// One column of a table.
#[derive(Debug, Clone)]
pub struct Column {
    /// As it was written when created.
    pub name: String,
    /// Whether the declared type has TEXT affinity, as LIKE on an index needs.
    pub is_text: bool,
    /// Average bytes of its values in a sample of rows.
    pub bytes: f64,
}

/// One existing index.
#[derive(Debug, Clone)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Whether it enforces uniqueness.
    pub unique: bool,
    /// `c` by CREATE INDEX, `u` by UNIQUE, `pk` by PRIMARY KEY.
    pub origin: String,
    /// Whether it has a WHERE clause.
    pub partial: bool,
    /// The statement that created it; `None` for those of constraints.
    pub sql: Option<String>,
    /// Its key columns in order.
    pub keys: Vec<IndexKey>,
}

/// One key column of an existing index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKey {
    /// Lower-case column name; `None` for an expression.
    pub column: Option<String>,
    /// Whether it is descending.
    pub desc: bool,
    /// Lower-case name of its collation.
    pub collation: String,
}

impl Schema {
    /// Reads the schema through `conn`.
    ///
    /// # Errors
    /// Whatever SQLite says; a file that is not a database among it.
    pub fn read(conn: &Connection) -> rusqlite::Result<Schema> {
        let mut schema = Schema::default();
        let mut list = conn.prepare(
            "SELECT name, wr FROM pragma_table_list \
             WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'",
        )?;
        let names = list
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?)))?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        for (name, without_rowid) in names {
            let table = read_table(conn, name, without_rowid)?;
            schema.tables.insert(table.name.to_lowercase(), table);
        }
        let mut views = conn.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'view'")?;
        let mut rows = views.query([])?;
        while let Some(row) = rows.next()? {
            schema.views.insert(row.get::<_, String>(0)?.to_lowercase(), row.get(1)?);
        }
        Ok(schema)
    }

    /// Whether an index of that name exists on any table.
    pub fn has_index(&self, name: &str) -> bool {
        self.tables
            .values()
            .any(|table| table.indexes.iter().any(|index| index.name.eq_ignore_ascii_case(name)))
    }
}

impl Table {
    /// The column of that name, whatever its case.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Whether the name is the rowid under one of its names.
    pub fn is_rowid(&self, name: &str) -> bool {
        self.rowid_alias.as_deref().is_some_and(|alias| alias.eq_ignore_ascii_case(name))
    }
}

fn read_table(conn: &Connection, name: String, without_rowid: bool) -> rusqlite::Result<Table> {
    let mut table = Table { without_rowid, ..Table::default() };
    let mut integer_keys = Vec::new();
    let mut key_columns = 0;
    let mut info = conn.prepare(
        "SELECT name, type, pk FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid",
    )?;
    let mut rows = info.query([&name])?;
    while let Some(row) = rows.next()? {
        let column: String = row.get(0)?;
        let declared = row.get::<_, String>(1)?.to_uppercase();
        if row.get::<_, i64>(2)? > 0 {
            key_columns += 1;
            if declared == "INTEGER" {
                integer_keys.push(column.to_lowercase());
            }
        }
        let is_text = ["CHAR", "CLOB", "TEXT"].iter().any(|word| declared.contains(word))
            && !declared.contains("INT");
        table.columns.push(Column { name: column, is_text, bytes: 0.0 });
    }
    table.indexes = read_indexes(conn, &name)?;
    let has_key_index = table.indexes.iter().any(|index| index.origin == "pk");
    if key_columns == 1 && !without_rowid && !has_key_index {
        table.rowid_alias = integer_keys.pop();
    }
    for column in &mut table.columns {
        column.bytes = average_bytes(conn, &name, &column.name)?;
    }
    table.name = name;
    Ok(table)
}

/// Over the first rows; 0 where there are none.
fn average_bytes(conn: &Connection, table: &str, column: &str) -> rusqlite::Result<f64> {
    let (table, column) = (quote(table), quote(column));
    let sql = format!(
        "SELECT coalesce(avg(length(CAST({column} AS BLOB))), 0.0) \
         FROM (SELECT {column} FROM main.{table} LIMIT 200)"
    );
    conn.query_row(&sql, [], |row| row.get(0))
}

fn read_indexes(conn: &Connection, table: &str) -> rusqlite::Result<Vec<Index>> {
    let mut list = conn.prepare(
        "SELECT l.name, l.\"unique\", l.origin, l.partial, s.sql FROM pragma_index_list(?1) AS l \
         LEFT JOIN sqlite_schema AS s ON s.type = 'index' AND s.name = l.name ORDER BY l.name",
    )?;
    let mut indexes = list
        .query_map([table], |row: &Row<'_>| {
            Ok(Index {
                name: row.get(0)?,
                unique: row.get(1)?,
                origin: row.get(2)?,
                partial: row.get(3)?,
                sql: row.get(4)?,
                keys: Vec::new(),
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut info = conn.prepare(
        "SELECT name, \"desc\", coll FROM pragma_index_xinfo(?1) WHERE key = 1 ORDER BY seqno",
    )?;
    for index in &mut indexes {
        index.keys = info
            .query_map([&index.name], |row: &Row<'_>| {
                Ok(IndexKey {
                    column: row.get::<_, Option<String>>(0)?.map(|name| name.to_lowercase()),
                    desc: row.get(1)?,
                    collation: row.get::<_, String>(2)?.to_lowercase(),
                })
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
    }
    Ok(indexes)
}
