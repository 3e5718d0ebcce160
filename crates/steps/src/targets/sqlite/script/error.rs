//! Why a script was not applied. Which command comes next is the CLI's to say.

use super::Direction;
use crate::targets::sqlite::database;
use kaizen_engine::error::{Class, Classified};
use std::path::PathBuf;

/// Why a script was not applied. Whatever it says, the database is as it was.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Database(#[from] database::Error),
    #[error("{} is locked by another process: {reason}", path.display())]
    Locked { path: PathBuf, reason: String },
    #[error("the disk is full: {reason}")]
    DiskFull { reason: String },
    #[error("statement {number} ({statement}) failed: {reason}")]
    Statement { number: usize, statement: String, reason: String },
    #[error("statement {number} ({statement}) may not be in a script: {reason}")]
    Forbidden { number: usize, statement: String, reason: String },
    #[error("statement {number} ({statement}) ended the transaction")]
    TransactionEnded { number: usize, statement: String },
    #[error("rows would point to rows that are not there (foreign keys): {}", violations.join("; "))]
    ForeignKeys { violations: Vec<String> },
    #[error("this lease is out of date: epoch {epoch}, but {newest} has been seen in the database")]
    StaleEpoch { epoch: i64, newest: i64 },
    #[error("effect {effect} of run {run} ({direction}) was applied with another script: {found}")]
    OtherScript { run: String, effect: String, direction: Direction, found: String },
    #[error("synchronous=FULL could not be set: SQLite says it is {found}")]
    NotDurable { found: i64 },
    #[error("SQLite says: {reason}")]
    Sqlite { reason: String },
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::Database(error) => error.class(),
            Error::Locked { .. } => Class::Retry,
            Error::NotDurable { .. } => Class::Bug,
            _ => Class::Operator,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Database(error) => error.code(),
            Error::Locked { .. } => "database_locked",
            Error::DiskFull { .. } => "disk_full",
            Error::Statement { .. } => "script_failed",
            Error::Forbidden { .. } => "script_forbidden",
            Error::TransactionEnded { .. } => "script_ended_transaction",
            Error::ForeignKeys { .. } => "script_breaks_foreign_keys",
            Error::StaleEpoch { .. } => "stale_epoch",
            Error::OtherScript { .. } => "script_differs",
            Error::NotDurable { .. } => "not_durable",
            Error::Sqlite { .. } => "database_error",
        }
    }
}
