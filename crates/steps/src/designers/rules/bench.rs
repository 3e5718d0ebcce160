//! A real copy of the database on which candidates are built once and then shown or hidden.
//!
//! Hiding an index takes its row out of `sqlite_schema` and leaves its pages where they are;
//! showing it puts the row back. That is only right because nothing is written to the tables of
//! the copy while an index is hidden, and because the copy is thrown away. It makes a what-if
//! switch a matter of microseconds.

use super::{
    Error,
    pool::{Pool, Set},
};
use crate::targets::sqlite::measure::{self, Hash, Outcome, Run};
use rusqlite::{Connection, config::DbConfig};
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

/// The page cache, so that a bench with many indexes still fits: 512 MiB in KiB.
const CACHE_KIB: i64 = 512 * 1024;
/// Virtual machine steps between two looks at the clock while an index is built.
const STEPS_PER_LOOK: i32 = 10_000;

/// A copy with candidates on it.
pub struct Bench {
    conn: Connection,
    built: BTreeMap<usize, i64>,
    /// In the order of their rows in `sqlite_schema`.
    visible: Vec<usize>,
}

impl Bench {
    /// Copies the snapshot to `path` and opens it.
    ///
    /// # Errors
    /// Where it cannot be copied or opened.
    pub fn new(snapshot: &Path, path: &Path) -> Result<Bench, Error> {
        let conn = copy(snapshot, path)?;
        Ok(Bench { conn, built: BTreeMap::new(), visible: Vec::new() })
    }

    /// The connection, for reading.
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// Builds what of `set` is not built yet. `false`: the time did not suffice, or SQLite
    /// refused.
    ///
    /// # Errors
    /// Where the copy fails.
    pub fn build(&mut self, set: &Set, pool: &Pool, deadline: Instant) -> Result<bool, Error> {
        for id in set {
            if self.built.contains_key(id) {
                continue;
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            let until = move || Instant::now() >= deadline;
            self.conn.progress_handler(STEPS_PER_LOOK, Some(until))?;
            let created = self.conn.execute_batch(&pool.create(*id));
            self.conn.progress_handler(0, None::<fn() -> bool>)?;
            if created.is_err() {
                return Ok(false);
            }
            let root = self.conn.query_row(
                "SELECT rootpage FROM sqlite_schema WHERE type = 'index' AND name = ?1",
                [pool.name(*id)],
                |row| row.get(0),
            )?;
            self.built.insert(*id, root);
            self.visible.push(*id);
        }
        Ok(true)
    }

    /// Makes exactly the built candidates of `set` visible to the planner, in the order of their
    /// numbers, as they would be created.
    ///
    /// # Errors
    /// Where the schema cannot be rewritten.
    pub fn show(&mut self, set: &Set, pool: &Pool) -> Result<(), Error> {
        let wanted: Vec<usize> =
            set.iter().copied().filter(|id| self.built.contains_key(id)).collect();
        let same = wanted.iter().zip(&self.visible).take_while(|(a, b)| a == b).count();
        if same == wanted.len() && same == self.visible.len() {
            return Ok(());
        }
        self.conn.execute_batch("PRAGMA writable_schema = ON; BEGIN")?;
        for id in self.visible.drain(same..) {
            let hide = "DELETE FROM sqlite_schema WHERE type = 'index' AND name = ?1";
            self.conn.execute(hide, [pool.name(id)])?;
        }
        for id in &wanted[same..] {
            let definition = pool.definition(*id);
            let table = &pool.schema().tables[&definition.table].name;
            let show = "INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) \
                        VALUES ('index', ?1, ?2, ?3, ?4)";
            let row = (pool.name(*id), table, self.built[id], pool.create(*id));
            self.conn.execute(show, row)?;
        }
        self.conn.execute_batch("COMMIT; PRAGMA writable_schema = RESET")?;
        self.visible = wanted;
        Ok(())
    }

    /// Runs a query with what is visible now.
    ///
    /// # Errors
    /// Where the query fails.
    pub fn run(&mut self, sql: &str, timeout: Duration) -> Result<Outcome, Error> {
        Ok(measure::execute(&mut self.conn, sql, &Run { timeout, hash: Hash::None })?)
    }

    /// The plan with what is visible now.
    ///
    /// # Errors
    /// Where the query cannot be prepared.
    pub fn plan(&self, sql: &str) -> Result<Vec<String>, Error> {
        Ok(measure::plan(&self.conn, sql)?)
    }
}

/// A writable copy of the snapshot, opened for measuring.
///
/// # Errors
/// Where it cannot be copied or opened.
pub fn copy(snapshot: &Path, path: &Path) -> Result<Connection, Error> {
    let failed = |source| Error::Copy { path: path.display().to_string(), source };
    std::fs::copy(snapshot, path).map_err(failed)?;
    let conn = measure::open_copy(path)?;
    measure::set_writable(&conn, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false)?;
    conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
    conn.pragma_update(None, "foreign_keys", false)?;
    Ok(conn)
}
