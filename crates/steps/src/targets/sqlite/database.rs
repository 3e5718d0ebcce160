//! Looking at the live database: what it is, its schema, a consistent copy of it.
//!
//! Nothing here writes to it; applying scripts is [`super::script`]'s work. Queries of the
//! workload never run here but on a copy.

use super::contents::{self, SchemaObject};
use super::{is_busy, message};
use kaizen_engine::digest::Digest;
use kaizen_engine::error::{Class, Classified};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a lock of another process is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a snapshot may be held up by others.
const SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(60);
/// Pages copied before writers get their turn (8 MiB of 4 KiB pages).
const PAGES_PER_STEP: i32 = 2_048;

/// Why a database cannot be used. `reason` is SQLite's or the operating system's own message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no database at {}", path.display())]
    Missing { path: PathBuf },
    #[error("{} is a directory, not a database", path.display())]
    Directory { path: PathBuf },
    #[error("{} is not a SQLite database: {reason}", path.display())]
    NotSqlite { path: PathBuf, reason: String },
    #[error("{} is locked by another process: {reason}", path.display())]
    Locked { path: PathBuf, reason: String },
    #[error("{} is damaged: {reason}", path.display())]
    Corrupt { path: PathBuf, reason: String },
    #[error("{} cannot be opened: {reason}", path.display())]
    Open { path: PathBuf, reason: String },
    #[error("the copy of {} could not be written to {}: {reason}", path.display(), into.display())]
    Snapshot { path: PathBuf, into: PathBuf, reason: String },
    #[error("{}: SQLite says: {reason}", path.display())]
    Sqlite { path: PathBuf, reason: String },
}

impl Error {
    fn of(path: &Path, error: &rusqlite::Error) -> Error {
        let (path, reason) = (path.to_owned(), message(error));
        match error.sqlite_error_code() {
            _ if is_busy(error) => Error::Locked { path, reason },
            Some(ErrorCode::NotADatabase) => Error::NotSqlite { path, reason },
            Some(ErrorCode::DatabaseCorrupt) => Error::Corrupt { path, reason },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                Error::Open { path, reason }
            }
            _ => Error::Sqlite { path, reason },
        }
    }
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::Locked { .. } => Class::Retry,
            _ => Class::Operator,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Missing { .. } => "database_missing",
            Error::Directory { .. } => "database_is_directory",
            Error::NotSqlite { .. } => "database_not_sqlite",
            Error::Locked { .. } => "database_locked",
            Error::Corrupt { .. } => "database_corrupt",
            Error::Open { .. } => "database_unreadable",
            Error::Snapshot { .. } => "snapshot_failed",
            Error::Sqlite { .. } => "database_error",
        }
    }
}

/// The live database, opened for looking at it.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    conn: Connection,
}

impl Database {
    /// Opens an existing database for reading and looks at its schema once.
    ///
    /// # Errors
    /// Where it is not there, not a database, damaged, or locked for longer than 5 s.
    pub fn open(path: &Path) -> Result<Database, Error> {
        Database::open_within(path, BUSY_TIMEOUT)
    }

    /// As [`Database::open`], waiting for other processes' locks for `busy_timeout` only.
    ///
    /// # Errors
    /// As [`Database::open`].
    pub fn open_within(path: &Path, busy_timeout: Duration) -> Result<Database, Error> {
        let path = recognise(path)?;
        let conn = connect(&path, busy_timeout).map_err(|error| Error::of(&path, &error))?;
        let database = Database { path, conn };
        database.check_length()?;
        Ok(database)
    }

    /// The canonical path: the key under which leases are held.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The connection that looks. It cannot write.
    pub fn connection(&self) -> &Connection {
        &self.conn
    }

    /// What an approval is bound to, beside [`Database::schema_digest`]: the canonical path and
    /// the two numbers by which applications mark their files. Whether it is still the same file
    /// is [`crate::adapters::disk::file_id`]'s to say.
    ///
    /// # Errors
    /// Where the header cannot be read.
    pub fn identity(&self) -> Result<String, Error> {
        let sql = include_str!("identity.sql");
        let (application, user): (i64, i64) = self
            .conn
            .query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(|error| self.error(&error))?;
        Ok(format!("sqlite:{}#{application:08x}.{user}", self.path.display()))
    }

    /// Whether a table has any row, or any row with a value in `column`.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn holds_rows(&self, table: &str, column: Option<&str>) -> Result<bool, Error> {
        let table = super::quote(table);
        let filled = column
            .map_or(String::new(), |column| format!(" WHERE {} IS NOT NULL", super::quote(column)));
        let sql = format!("SELECT EXISTS (SELECT 1 FROM main.{table}{filled})");
        self.conn.query_row(&sql, [], |row| row.get(0)).map_err(|error| self.error(&error))
    }

    /// Tables, indexes, views and triggers, sorted; without SQLite's and Kaizen's own.
    ///
    /// # Errors
    /// Where the schema cannot be read.
    pub fn schema(&self) -> Result<Vec<SchemaObject>, Error> {
        contents::schema(&self.conn).map_err(|error| self.error(&error))
    }

    /// SHA-256 over [`Database::schema`].
    ///
    /// # Errors
    /// As [`Database::schema`].
    pub fn schema_digest(&self) -> Result<Digest, Error> {
        contents::schema_digest(&self.conn).map_err(|error| self.error(&error))
    }

    /// Pages × page size, free pages among them.
    ///
    /// # Errors
    /// Where the header cannot be read.
    pub fn size_bytes(&self) -> Result<u64, Error> {
        contents::size_bytes(&self.conn).map_err(|error| self.error(&error))
    }

    /// Whether it is in write-ahead-log mode.
    ///
    /// # Errors
    /// Where the header cannot be read.
    pub fn is_wal(&self) -> Result<bool, Error> {
        Ok(self.one::<String>("PRAGMA journal_mode")?.eq_ignore_ascii_case("wal"))
    }

    /// A consistent copy, while others go on reading and writing: what was committed when it was
    /// taken, the write-ahead log included. `into` is replaced; the copy is a single file.
    ///
    /// # Errors
    /// [`Error::Locked`] where others hold it up for more than a minute, [`Error::Snapshot`] where
    /// the copy cannot be written.
    pub fn snapshot(&self, into: &Path) -> Result<(), Error> {
        self.snapshot_within(into, SNAPSHOT_TIMEOUT)
    }

    /// As [`Database::snapshot`], giving up after `timeout`.
    ///
    /// # Errors
    /// As [`Database::snapshot`].
    pub fn snapshot_within(&self, into: &Path, timeout: Duration) -> Result<(), Error> {
        let failed = |reason: String| Error::Snapshot {
            path: self.path.clone(),
            into: into.to_owned(),
            reason,
        };
        remove(into).map_err(|error| failed(error.to_string()))?;
        let mut copy = Connection::open(into).map_err(|error| failed(message(&error)))?;
        let wal = self.is_wal()?;
        self.copy_pages(&mut copy, wal, timeout)?.map_err(failed)?;
        // One file, so that it can be copied as a file. Reading it back proves that it is whole.
        copy.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
            .and_then(|()| contents::schema(&copy))
            .map_err(|error| failed(message(&error)))?;
        Ok(())
    }

    /// The outer error is the source's, the inner one the copy's.
    fn copy_pages(
        &self,
        copy: &mut Connection,
        wal: bool,
        timeout: Duration,
    ) -> Result<Result<(), String>, Error> {
        let deadline = Instant::now() + timeout;
        let backup = Backup::new(&self.conn, copy).map_err(|error| self.error(&error))?;
        loop {
            // In WAL mode nobody waits for a reader, so that one step does; otherwise writers
            // get their turn between steps, and half the time is left for copying in one go if
            // they keep making it start again.
            let hurried = deadline.saturating_duration_since(Instant::now()) < timeout / 2;
            let pages = if wal || hurried { -1 } else { PAGES_PER_STEP };
            match backup.step(pages) {
                Ok(StepResult::Done) => return Ok(Ok(())),
                Ok(StepResult::More) => {}
                Ok(_) if Instant::now() >= deadline => {
                    let reason = format!("no copy could be taken within {timeout:?}");
                    return Err(Error::Locked { path: self.path.clone(), reason });
                }
                Ok(_) => std::thread::sleep(Duration::from_millis(5)),
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                    return Err(self.error(&error));
                }
                Err(error) => return Ok(Err(message(&error))),
            }
        }
    }

    /// A file that was cut off keeps its header; SQLite notices only when it needs a lost page.
    fn check_length(&self) -> Result<(), Error> {
        contents::schema(&self.conn).map_err(|error| self.error(&error))?;
        let (claimed, wal) = (self.size_bytes()?, self.is_wal()?);
        let actual = std::fs::metadata(&self.path).map_or(u64::MAX, |file| file.len());
        if !wal && actual < claimed {
            let reason = format!("its header says {claimed} bytes, the file has {actual}");
            return Err(Error::Corrupt { path: self.path.clone(), reason });
        }
        Ok(())
    }

    fn one<T: rusqlite::types::FromSql>(&self, sql: &str) -> Result<T, Error> {
        self.conn.query_row(sql, [], |row| row.get(0)).map_err(|error| self.error(&error))
    }

    fn error(&self, error: &rusqlite::Error) -> Error {
        Error::of(&self.path, error)
    }
}

/// The canonical path of what is there, if it can be a database at all.
pub(super) fn recognise(path: &Path) -> Result<PathBuf, Error> {
    let owned = path.to_owned();
    let open = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::Missing { path: path.to_owned() },
        _ => Error::Open { path: path.to_owned(), reason: error.to_string() },
    };
    let canonical = path.canonicalize().map_err(open)?;
    if canonical.is_dir() {
        return Err(Error::Directory { path: owned });
    }
    let mut header = Vec::new();
    std::fs::File::open(&canonical)
        .and_then(|file| file.take(16).read_to_end(&mut header))
        .map_err(open)?;
    let reason = match header.as_slice() {
        b"SQLite format 3\0" => return Ok(canonical),
        [] => "the file is empty",
        _ => "it does not begin with SQLite's header (or is encrypted)",
    };
    Err(Error::NotSqlite { path: owned, reason: reason.to_owned() })
}

fn connect(path: &Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    let open = |access: OpenFlags| {
        let conn = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        conn.busy_timeout(busy_timeout)?;
        conn.pragma_update(None, "query_only", true)?;
        // Closing must not move a write-ahead log into the file of somebody else's database.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        contents::schema(&conn)?;
        Ok(conn)
    };
    open(OpenFlags::SQLITE_OPEN_READ_ONLY).or_else(|error: rusqlite::Error| {
        // After a crash of whoever wrote last, SQLite must roll their journal back before anybody
        // can read, as any program that opens the database would.
        match error.sqlite_error_code() {
            Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
                open(OpenFlags::SQLITE_OPEN_READ_WRITE)
            }
            _ => Err(error),
        }
    })
}

/// Removes a scratch database with its companions.
pub(super) fn remove(path: &Path) -> std::io::Result<()> {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match std::fs::remove_file(&name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
