//! Running one query on a copy: its time, its counters, its plan, its result as a hash.
//!
//! Whether results can be compared is told in `stability`; nothing is judged here, and nothing here touches the live database. Callers hold
//! one connection per copy ([`open_copy`]).

pub use super::stability::{Stability, is_stable, stability};
use super::stopwatch::Stopwatch;
use super::{contents, message, rows};
use crate::payload::Counters;
use kaizen_engine::digest::Digest;
use kaizen_engine::error::{Class, Classified};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, Statement, StatementStatus, config::DbConfig};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::time::{Duration, Instant};

/// Virtual machine steps between two looks at the clock: some ten microseconds.
const STEPS_PER_LOOK: i32 = 1_000;

/// The most memory that one copy's page cache may take, in KiB.
const MAX_CACHE_KIB: u64 = 512 * 1024;

/// How to run a query.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// When to interrupt it.
    pub timeout: Duration,
    /// How to hash its result.
    pub hash: Hash,
}

/// How a result is hashed, strictest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// Not at all: rows are stepped over, for timing.
    None,
    /// Rows in the order in which they come.
    Ordered,
    /// Rows in the order in which they come, reals to twelve significant digits.
    OrderedRounded,
    /// Rows in any order.
    Multiset,
    /// Rows in any order, reals to twelve significant digits.
    Rounded,
}

/// What one execution came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Done(Execution),
    /// Interrupted; nothing else is known about it.
    TimedOut {
        after: Duration,
    },
}

/// One execution that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// From the first step to the last row; preparing is left out.
    pub elapsed: Duration,
    pub counters: Counters,
    pub rows: u64,
    /// `None` for [`Hash::None`].
    pub digest: Option<Digest>,
}

impl Execution {
    /// The time in milliseconds.
    pub fn ms(&self) -> f64 {
        self.elapsed.as_secs_f64() * 1e3
    }
}

/// Why a query could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("SQLite says: {}", message(.0))]
    Sqlite(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        Error::Sqlite(error)
    }
}

impl Classified for Error {
    fn class(&self) -> Class {
        let Error::Sqlite(error) = self;
        if super::is_busy(error) { Class::Retry } else { Class::Operator }
    }

    fn code(&self) -> &'static str {
        let Error::Sqlite(error) = self;
        if super::is_busy(error) { "database_locked" } else { "query_failed" }
    }
}

/// Opens a copy for measuring: the whole database fits into its page cache where memory allows,
/// temporary tables stay in memory, nothing can be written, attached or loaded.
///
/// [`set_writable`] opens it for what-if changes. Two connections to one copy see each other's
/// locks, as always.
///
/// # Errors
/// Where the file is not there or is not a database.
pub fn open_copy(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    let size = contents::size_bytes(&conn)?;
    // An index built on the copy must fit, too; a cache that spills would measure the disk.
    let cache_kib = (size / 1024 * 2 + 16 * 1024).min(MAX_CACHE_KIB);
    conn.execute_batch(include_str!("open_copy.sql"))?;
    conn.execute_batch(&format!("PRAGMA cache_size = -{cache_kib}"))?;
    conn.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // As in the workload's check: a word in double quotes is a name, never a literal.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    Ok(conn)
}

/// Lets a copy be written to, or no more.
///
/// # Errors
/// Where SQLite refuses the setting.
pub fn set_writable(conn: &Connection, writable: bool) -> Result<(), Error> {
    Ok(conn.pragma_update(None, "query_only", !writable)?)
}

/// Runs a query to its end, or interrupts it at its timeout.
///
/// # Errors
/// Where SQLite refuses the query or fails in the middle of it (an overflow, malformed JSON).
pub fn execute(conn: &mut Connection, query_sql: &str, how: &Run) -> Result<Outcome, Error> {
    let started = Instant::now();
    // An unrepresentable deadline is one that is never reached.
    let deadline = started.checked_add(how.timeout);
    conn.progress_handler(
        STEPS_PER_LOOK,
        Some(move || deadline.is_some_and(|deadline| Instant::now() >= deadline)),
    )?;
    let outcome = conn.prepare(query_sql).and_then(|mut statement| step(&mut statement, how.hash));
    conn.progress_handler(0, None::<fn() -> bool>)?;
    match outcome {
        Ok(execution) => Ok(Outcome::Done(execution)),
        Err(error) if is_interrupt(&error) => Ok(Outcome::TimedOut { after: started.elapsed() }),
        Err(error) => Err(error.into()),
    }
}

fn is_interrupt(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted)
}

fn step(statement: &mut Statement<'_>, hash: Hash) -> rusqlite::Result<Execution> {
    let columns = statement.column_count();
    let (mut ordered, mut multiset) = (Sha256::new(), rows::Multiset::default());
    let mut count = 0;
    let watch = Stopwatch::start();
    let mut stepped = statement.query([])?;
    while let Some(row) = stepped.next()? {
        count += 1;
        match hash {
            Hash::None => {}
            Hash::Ordered => ordered.update(rows::hash(row, columns, false)?),
            Hash::OrderedRounded => ordered.update(rows::hash(row, columns, true)?),
            Hash::Multiset => multiset.add(&rows::hash(row, columns, false)?),
            Hash::Rounded => multiset.add(&rows::hash(row, columns, true)?),
        }
    }
    let elapsed = watch.elapsed();
    drop(stepped);
    let digest = match hash {
        Hash::None => None,
        Hash::Ordered | Hash::OrderedRounded => Some(Digest(ordered.finalize().into())),
        Hash::Multiset | Hash::Rounded => Some(multiset.digest()),
    };
    Ok(Execution { elapsed, counters: counters(statement), rows: count, digest })
}

fn counters(statement: &Statement<'_>) -> Counters {
    // SQLite counts in 32 bits; what has wrapped around is not negative steps.
    let get = |status| u64::from(statement.get_status(status).cast_unsigned());
    Counters {
        vm_steps: get(StatementStatus::VmStep),
        full_scan_steps: get(StatementStatus::FullscanStep),
        sorts: get(StatementStatus::Sort),
        auto_index_rows: get(StatementStatus::AutoIndex),
    }
}

/// The query plan, one line per node, indented by two spaces per level.
///
/// # Errors
/// Where SQLite refuses the query.
pub fn plan(conn: &Connection, sql: &str) -> Result<Vec<String>, Error> {
    let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let mut depths = std::collections::HashMap::from([(0, 0)]);
    let mut lines = Vec::new();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (id, parent): (i64, i64) = (row.get(0)?, row.get(1)?);
        let depth = depths.get(&parent).copied().unwrap_or(0);
        depths.insert(id, depth + 1);
        lines.push(format!("{}{}", "  ".repeat(depth), row.get::<_, String>(3)?));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests;
