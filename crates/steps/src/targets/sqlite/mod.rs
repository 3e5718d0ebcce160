//! A SQLite database as the target: its workload, what it costs, and how scripts are applied.
//!
//! Everything here blocks; async callers use `spawn_blocking`. What is measured is measured on
//! copies: the live database is only read ([`database`]) and, in [`script`], changed by an
//! approved script. Statistics and verdicts live in [`crate::evidence`], not here.

pub mod analyze;
pub mod compare;
pub mod contents;
pub mod copies;
pub mod database;
pub mod measure;
pub mod preflight;
pub mod script;
pub mod workload;

mod rows;
mod stability;
mod stopwatch;
mod text;

pub use measure::is_stable;
pub use text::shape;
pub use workload::{Query, Workload};

use rusqlite::ErrorCode;

/// Kaizen's own table in a target: left out of schema and contents comparisons.
pub const APPLIED_TABLE: &str = "kaizen_applied";

/// SQLite's own words for an error, without the statement that caused it.
pub(crate) fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(_, Some(msg)) => msg.clone(),
        other => other.to_string(),
    }
}

/// Whether another connection stands in the way, so that the same thing may work later.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// An SQL identifier, quoted so that any name is safe inside a statement.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
