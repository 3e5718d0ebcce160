//! The trail in SQL Server: shipping to it, reading it back, its schema and its permissions.
//!
//! The engine's relay decides what is shipped and when; here is how SQL Server keeps it. Everything
//! sent is in `.sql` files, in the subset of T-SQL that the header of `V1__trail.sql` describes.

pub mod check;
pub mod drift;
pub mod grants;
pub mod history;
pub mod read;
mod rows;
pub mod schema;
mod sink;
pub mod verify;

use crate::adapters::mssql::{self, Session};
use kaizen_engine::{
    error::{Class, Classified},
    shell::relay::SinkError,
};

pub use sink::{About, SqlServer};

/// The environment variable that names the trail.
pub const VARIABLE: &str = "KAIZEN_SQLSERVER";

/// The schema version of this Kaizen's trail.
pub const SCHEMA_VERSION: i32 = 1;

/// What the tables that a sink needs look like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installed {
    Nothing,
    /// Some of its tables, or an older version.
    Older(i32),
    Current,
    Newer(i32),
}

/// Which version of the trail's schema the database has.
///
/// # Errors
/// Where the server does not answer.
pub async fn installed(session: &mut Session) -> Result<Installed, mssql::Error> {
    let found: i32 = session.one(include_str!("sql/installed.sql"), &[]).await?.unwrap_or(0);
    if found == 0 {
        return Ok(Installed::Nothing);
    }
    if found < 3 {
        return Ok(Installed::Older(0));
    }
    let version: i32 = session.one(include_str!("sql/version.sql"), &[]).await?.unwrap_or(0);
    Ok(match version.cmp(&SCHEMA_VERSION) {
        std::cmp::Ordering::Less => Installed::Older(version),
        std::cmp::Ordering::Equal => Installed::Current,
        std::cmp::Ordering::Greater => Installed::Newer(version),
    })
}

/// Refuses a trail that this Kaizen cannot write.
fn usable(installed: Installed, place: &str) -> Result<(), SinkError> {
    let refused = |code, message| Err(SinkError::Refused { code, message });
    match installed {
        Installed::Current => Ok(()),
        Installed::Nothing => {
            refused("sqlserver_no_trail", format!("{place} has no trail of Kaizen yet"))
        }
        Installed::Older(version) => refused(
            "sqlserver_older_trail",
            format!("the trail in {place} is of version {version}; {SCHEMA_VERSION} is needed"),
        ),
        Installed::Newer(version) => refused(
            "sqlserver_newer_trail",
            format!(
                "the trail in {place} is of version {version}; this kaizen knows up to \
                 {SCHEMA_VERSION}: take a newer one"
            ),
        ),
    }
}

/// Data that a column will not take, whoever sends it: the numbers of SQL Server's own messages.
const REJECTED: &[u32] = &[
    220,  // arithmetic overflow for a type
    241,  // conversion of a date from text
    242,  // date out of range
    245,  // conversion failed
    511,  // row larger than a page
    515,  // NULL in a NOT NULL column
    547,  // a constraint
    4815, // invalid length in a bulk load
    7119, // larger than 2 GB
    8114, // error converting a type
    8115, // arithmetic overflow
    8152, // would be truncated
    2628, // would be truncated, with the value
];

/// A key that is there already.
const DUPLICATE: &[u32] = &[2627, 2601];

/// Babelfish's number for every error of PostgreSQL that it has no number for: there the text alone
/// tells.
const UNNUMBERED: u32 = 33_557_097;

/// Whether it is for want of a permission, where the number does not say.
fn is_denied_by_text(message: &str) -> bool {
    message.starts_with("permission denied for") || message.starts_with("must be owner of")
}

/// What the relay is told of an error.
fn sink_error(error: &mssql::Error) -> SinkError {
    match error {
        mssql::Error::Server { number: UNNUMBERED, message, .. } => {
            if is_denied_by_text(message) {
                SinkError::Refused { code: "sqlserver_denied", message: error.to_string() }
            } else if message.starts_with("canceling statement") || message.contains("serialize") {
                SinkError::Away(error.to_string())
            } else {
                SinkError::Rejected(error.to_string())
            }
        }
        mssql::Error::Server { number, .. } if REJECTED.contains(number) => {
            SinkError::Rejected(error.to_string())
        }
        mssql::Error::Value { .. } => SinkError::Rejected(error.to_string()),
        // Another relay of this journal was faster; what it has is found the next time.
        mssql::Error::Server { number, .. } if DUPLICATE.contains(number) => {
            SinkError::Away(error.to_string())
        }
        _ if error.class() == Class::Retry => SinkError::Away(error.to_string()),
        _ => SinkError::Refused { code: error.code(), message: error.to_string() },
    }
}
