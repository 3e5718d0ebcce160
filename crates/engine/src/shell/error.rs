//! What can go wrong in the shell, named by who must act.

use crate::{
    error::{Class, Classified},
    journal::{IllegalEvent, Refusal, event::DecodeError, replay::Broken},
};
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

/// An error of the store or of a driver.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no journal at {0}")]
    Missing(PathBuf),
    #[error("{path} is not a journal of Kaizen: {why}")]
    NotAJournal { path: PathBuf, why: String },
    #[error("the journal {path} is of schema version {found}; this kaizen knows up to {known}")]
    Newer { path: PathBuf, found: i64, known: i64 },
    #[error(
        "the journal {path} is of schema version {found}, and this command only reads; version {known} is needed"
    )]
    Older { path: PathBuf, found: i64, known: i64 },
    #[error("{path}: SQLite did not accept {pragma}: it answered {answer:?}")]
    Pragma { path: PathBuf, pragma: &'static str, answer: String },
    #[error("SQLite {0} is too old: 3.51.3 or newer is needed")]
    OldSqlite(String),
    #[error("the journal {path} cannot be written: {why}")]
    ReadOnly { path: PathBuf, why: String },
    #[error("the disk is full: {0} could not be written; nothing of this step was recorded")]
    DiskFull(PathBuf),
    #[error("the journal is busy: another process has been writing for too long")]
    Busy,
    #[error("the lock file beside the journal cannot be locked: {0}")]
    Unlockable(#[source] std::io::Error),
    #[error("the journal is damaged: {0}")]
    Broken(#[from] Broken),
    #[error("the journal is damaged: {0}")]
    Corrupt(String),
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{run} is being driven by process {driver}")]
    Driven { run: String, driver: String },
    #[error("another process has taken over {run}; this one has stopped driving it")]
    Fenced { run: String },
    #[error("there is no run {0}")]
    NoSuchRun(String),
    #[error("{name} is ambiguous: it could be {}", could_be.join(", "))]
    Ambiguous { name: String, could_be: Vec<String> },
    #[error("the artifact {0} is missing from the journal")]
    NoArtifact(String),
    #[error("the store has stopped after an error: {0}")]
    Stopped(String),
    #[error("{0} is there already, and nothing is overwritten")]
    Exists(PathBuf),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("SQLite: {0}")]
    Sqlite(#[source] rusqlite::Error),
    #[error("the journal could not be migrated: {0}")]
    Migration(String),
    #[error("a payload cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Error::Corrupt(error.to_string())
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy,
            _ if is_damage(&error) => Error::Corrupt(error.to_string()),
            _ => Error::Sqlite(error),
        }
    }
}

/// `SQLITE_IOERR_SHORT_READ`: the file ends before a page that it should have.
const SHORT_READ: i32 = 522;

/// The tables are STRICT: a value that is not of its column's type was never written as one. And
/// the statements are all fixed: one that names what is not there meets another schema than its own.
fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::{Error, ErrorCode};
    match error {
        Error::InvalidColumnType(..)
        | Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::SqlInputError { .. }
        | Error::Utf8Error(..) => true,
        other => other.sqlite_error().is_some_and(|error| {
            error.extended_code == SHORT_READ || error.code == ErrorCode::TooBig
        }),
    }
}

/// The disk, or what stands for one, did not do what SQLite asked of it.
fn is_io(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure)
}

impl Error {
    /// What the operating system said when the journal, or a file beside it, was to be written.
    pub(super) fn unwritable(path: &Path, error: &std::io::Error) -> Error {
        let path = path.to_owned();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::DiskFull(path),
            _ => Error::ReadOnly { path, why: error.to_string() },
        }
    }
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::Busy | Error::Driven { .. } => Class::Retry,
            Error::Missing(_)
            | Error::NotAJournal { .. }
            | Error::Newer { .. }
            | Error::Older { .. }
            | Error::OldSqlite(_)
            | Error::Pragma { .. }
            | Error::ReadOnly { .. }
            | Error::DiskFull(_)
            | Error::Broken(_)
            | Error::Corrupt(_)
            | Error::Decode(_)
            | Error::NoSuchRun(_)
            | Error::Ambiguous { .. }
            | Error::Fenced { .. }
            | Error::Exists(_)
            | Error::Io { .. }
            | Error::Unlockable(_)
            | Error::Stopped(_)
            | Error::Migration(_) => Class::Operator,
            Error::Refused(Refusal::Illegal { .. }) => Class::Bug,
            Error::Refused(_) => Class::Operator,
            Error::Sqlite(error) if is_damage(error) || is_io(error) => Class::Operator,
            Error::Illegal(_) | Error::NoArtifact(_) | Error::Sqlite(_) | Error::Json(_) => {
                Class::Bug
            }
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Missing(_) => "no_journal",
            Error::NotAJournal { .. } => "not_a_journal",
            Error::Newer { .. } => "newer_journal",
            Error::Older { .. } => "older_journal",
            Error::Pragma { .. } => "pragma",
            Error::OldSqlite(_) => "old_sqlite",
            Error::ReadOnly { .. } => "read_only",
            Error::DiskFull(_) => "disk_full",
            Error::Busy => "busy",
            Error::Broken(_) | Error::Corrupt(_) | Error::Decode(_) => "damaged_journal",
            Error::Illegal(_) => "illegal_event",
            Error::Refused(refusal) => refusal.code(),
            Error::Driven { .. } => "driven",
            Error::Fenced { .. } => "fenced",
            Error::NoSuchRun(_) => "no_such_run",
            Error::Ambiguous { .. } => "ambiguous_run",
            Error::NoArtifact(_) => "no_artifact",
            Error::Stopped(_) => "stopped",
            Error::Exists(_) => "exists",
            Error::Io { .. } | Error::Unlockable(_) => "io",
            Error::Sqlite(error) if is_damage(error) => "damaged_journal",
            Error::Sqlite(error) if is_io(error) => "io",
            Error::Sqlite(_) => "sqlite",
            Error::Migration(_) => "migration",
            Error::Json(_) => "json",
        }
    }
}
