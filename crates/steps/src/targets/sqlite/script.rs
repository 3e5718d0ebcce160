//! Applying approved scripts to the live database, and finding out afterwards whether they were.
//!
//! A script is one transaction with its marker row in it: both are there, or neither is. What may
//! stand in a script is decided before (`crate::sql`); here SQLite itself holds the line once
//! more. Whether it helped is [`super::compare`]'s question.

mod error;
pub(super) mod guard;

pub use error::Error;

use super::{APPLIED_TABLE, database, is_busy, message};
use crate::adapters::Probe;
use kaizen_engine::{digest::Digest, shell::crash_point::reach};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// How long a lock of another process is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Which way a script goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Up,
    Down,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Up => "up",
            Direction::Down => "down",
        })
    }
}

/// A script, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// One statement each.
    pub statements: Vec<String>,
    /// The run's id.
    pub run: String,
    /// The effect's id in that run.
    pub effect: String,
    pub direction: Direction,
    /// The epoch of the lease under which it is applied; older than one seen before: refused.
    pub epoch: i64,
}

impl Script {
    /// SHA-256 over the statements.
    pub fn digest(&self) -> Digest {
        let parts: Vec<&[u8]> =
            self.statements.iter().flat_map(|sql| [sql.as_bytes(), b"\0"]).collect();
        Digest::of(&parts)
    }
}

/// What applying came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// It had been applied before; nothing was done now.
    pub already: bool,
    /// SHA-256 over the statements, as the marker row has it.
    pub digest: Digest,
}

/// Applies a script to the live database, whole or not at all; a script that has been applied
/// already is not applied again.
///
/// Foreign keys are not enforced statement by statement, so that rebuilding a table does not
/// cascade into others, but violations that were not there before refuse the whole script.
///
/// # Errors
/// See [`Error`]; after any of them the database is as it was.
pub fn apply(db_path: &Path, script: &Script) -> Result<Applied, Error> {
    apply_within(db_path, script, BUSY_TIMEOUT)
}

/// As [`apply`], waiting for other processes' locks for `busy_timeout` only.
///
/// # Errors
/// As [`apply`].
pub fn apply_within(
    db_path: &Path,
    script: &Script,
    busy_timeout: Duration,
) -> Result<Applied, Error> {
    let path = database::recognise(db_path)?;
    let mut conn = open(&path, busy_timeout)?;
    let other = |error: rusqlite::Error| of(&path, &error);
    conn.execute_batch("BEGIN IMMEDIATE").map_err(other)?;
    let applied = inside(&mut conn, &path, script);
    if !matches!(applied, Ok(Applied { already: false, .. })) {
        if !conn.is_autocommit() {
            conn.execute_batch("ROLLBACK").map_err(other)?;
        }
        return applied;
    }
    reach(&format!("script.{}.before_commit", script.direction));
    if let Err(error) = conn.execute_batch("COMMIT") {
        if !conn.is_autocommit() {
            conn.execute_batch("ROLLBACK").map_err(other)?;
        }
        return Err(other(error));
    }
    reach(&format!("script.{}.after_commit", script.direction));
    applied
}

fn open(path: &Path, busy_timeout: Duration) -> Result<Connection, Error> {
    let other = |error: rusqlite::Error| of(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(other)?;
    conn.busy_timeout(busy_timeout).map_err(other)?;
    conn.execute_batch(include_str!("open_live.sql")).map_err(other)?;
    // A misspelt pragma is ignored without a word.
    let found = conn.query_row("PRAGMA synchronous", [], |row| row.get(0)).map_err(other)?;
    if found == 2 { Ok(conn) } else { Err(Error::NotDurable { found }) }
}

/// Everything between BEGIN and COMMIT.
fn inside(conn: &mut Connection, path: &Path, script: &Script) -> Result<Applied, Error> {
    let other = |error: rusqlite::Error| of(path, &error);
    conn.execute_batch(include_str!("applied_table.sql")).map_err(other)?;
    let digest = script.digest();
    if let Some(found) = marker(conn, script).map_err(other)? {
        if found == digest.to_string() {
            return Ok(Applied { already: true, digest });
        }
        let Script { run, effect, direction, .. } = script.clone();
        return Err(Error::OtherScript { run, effect, direction, found });
    }
    let newest = conn
        .query_row(include_str!("newest_epoch.sql"), [&script.run], |row| row.get(0))
        .map_err(other)?;
    if newest > script.epoch {
        return Err(Error::StaleEpoch { epoch: script.epoch, newest });
    }
    reach(&format!("script.{}.begun", script.direction));
    guard::run(conn, &script.statements)?;
    reach(&format!("script.{}.unmarked", script.direction));
    let (run, effect, direction) = (&script.run, &script.effect, script.direction.to_string());
    let (epoch, digest_text) = (script.epoch, digest.to_string());
    conn.execute(include_str!("mark_applied.sql"), (run, effect, direction, epoch, digest_text))
        .map_err(other)?;
    Ok(Applied { already: false, digest })
}

fn marker(conn: &Connection, script: &Script) -> rusqlite::Result<Option<String>> {
    let direction = script.direction.to_string();
    let key = (&script.run, &script.effect, direction);
    conn.query_row(include_str!("find_applied.sql"), key, |row| row.get(0)).optional()
}

/// Whether a script has been applied: looks for its marker row.
pub fn probe(db_path: &Path, run: &str, effect: &str, direction: Direction) -> Probe {
    let database = match database::Database::open(db_path) {
        Ok(database) => database,
        Err(error) => return unseen(&error),
    };
    let conn = database.connection();
    let found = conn.table_exists(Some("main"), APPLIED_TABLE).and_then(|exists| {
        let key = (run, effect, direction.to_string());
        if !exists {
            return Ok(None);
        }
        conn.query_row(include_str!("find_applied.sql"), key, |row| row.get(0)).optional()
    });
    match found {
        Ok(Some::<String>(_)) => Probe::Done,
        Ok(None) => Probe::NotDone,
        Err(error) if is_busy(&error) => Probe::Unreachable(message(&error)),
        Err(error) => Probe::Unknown(format!(
            "the table {APPLIED_TABLE} of {} cannot be read: {}",
            database.path().display(),
            message(&error)
        )),
    }
}

fn unseen(error: &database::Error) -> Probe {
    match error {
        database::Error::Missing { .. }
        | database::Error::Locked { .. }
        | database::Error::Open { .. } => Probe::Unreachable(error.to_string()),
        database::Error::Directory { .. }
        | database::Error::NotSqlite { .. }
        | database::Error::Corrupt { .. }
        | database::Error::Snapshot { .. }
        | database::Error::Sqlite { .. } => Probe::Unknown(error.to_string()),
    }
}

fn of(path: &Path, error: &rusqlite::Error) -> Error {
    let reason = message(error);
    match error.sqlite_error_code() {
        _ if is_busy(error) => Error::Locked { path: path.to_owned(), reason },
        Some(ErrorCode::DiskFull) => Error::DiskFull { reason },
        _ => Error::Sqlite { reason },
    }
}

#[cfg(test)]
mod tests;
