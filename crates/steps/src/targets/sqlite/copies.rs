//! Equal copies of a snapshot: with the change, without it, and once more without it.
//!
//! All three take the same road (file copy, script, VACUUM), because pages that lie differently
//! are read differently. Measured with `compare/noise.rs` (22 queries on copies with the same
//! contents, five evaluations each): made alike, 4 of 110 differences were significant at 95 %,
//! which is what chance allows, and so were 2 of 110 after an index had been made and dropped; of
//! a vacuumed copy against one that is not, 18 of 110. None exceeded 10 %. Measuring is
//! [`super::compare`]'s work.

use super::{message, script};
use kaizen_engine::error::{Class, Classified};
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// Where the change stands in the snapshot that the copies are made from.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// Not in it yet (preflight): `up` makes the copy after.
    Planned { up: &'a str },
    /// In it (evaluate): `down` makes the copies before.
    Deployed { down: &'a str },
}

/// Three equal copies, but for the change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copies {
    pub before: PathBuf,
    pub after: PathBuf,
    /// Made exactly as `before`.
    pub control: PathBuf,
}

impl Copies {
    /// The copies as what is compared.
    pub fn pair(&self) -> super::compare::Pair<'_> {
        super::compare::Pair { before: &self.before, after: &self.after, control: &self.control }
    }
}

/// Why the copies could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} could not be copied to {}: {source}", from.display(), to.display())]
    Copy { from: PathBuf, to: PathBuf, source: std::io::Error },
    #[error("the script does not run on a copy of the database: {0}")]
    Script(#[from] script::Error),
    #[error("the copy {} could not be laid out: {reason}", path.display())]
    Layout { path: PathBuf, reason: String },
}

impl Classified for Error {
    fn class(&self) -> Class {
        Class::Operator
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Copy { .. } | Error::Layout { .. } => "copy_failed",
            Error::Script(error) => error.code(),
        }
    }
}

/// Makes `before.db`, `after.db` and `control.db` in `dir`, replacing what is there.
///
/// # Errors
/// Where a copy cannot be written or the script fails on it.
pub fn prepare_copies(snapshot: &Path, dir: &Path, change: Change<'_>) -> Result<Copies, Error> {
    let (undo, make) = match change {
        Change::Planned { up } => ("", up),
        Change::Deployed { down } => (down, ""),
    };
    Ok(Copies {
        before: lay_out(snapshot, &dir.join("before.db"), undo)?,
        after: lay_out(snapshot, &dir.join("after.db"), make)?,
        control: lay_out(snapshot, &dir.join("control.db"), undo)?,
    })
}

fn lay_out(snapshot: &Path, to: &Path, sql: &str) -> Result<PathBuf, Error> {
    let mut conn = scratch(snapshot, to)?;
    let failed =
        |error: rusqlite::Error| Error::Layout { path: to.to_owned(), reason: message(&error) };
    in_transaction(&mut conn, sql)?;
    conn.execute_batch("VACUUM").map_err(failed)?;
    Ok(to.to_owned())
}

/// A writable copy of the snapshot whose contents nobody will miss.
pub(super) fn scratch(snapshot: &Path, to: &Path) -> Result<Connection, Error> {
    super::database::remove(to)
        .and_then(|()| std::fs::copy(snapshot, to))
        .map_err(|source| Error::Copy { from: snapshot.to_owned(), to: to.to_owned(), source })?;
    let open = || {
        let conn = Connection::open(to)?;
        conn.execute_batch(include_str!("open_scratch.sql"))?;
        Ok(conn)
    };
    open().map_err(|error: rusqlite::Error| Error::Layout {
        path: to.to_owned(),
        reason: message(&error),
    })
}

/// Runs a script as it would run on the live database: whole or not at all, under guard.
pub(super) fn in_transaction(conn: &mut Connection, sql: &str) -> Result<(), script::Error> {
    let plain = |error: rusqlite::Error| script::Error::Sqlite { reason: message(&error) };
    conn.execute_batch("BEGIN IMMEDIATE").map_err(plain)?;
    let ran = script::guard::run_text(conn, sql);
    let end = if ran.is_ok() { "COMMIT" } else { "ROLLBACK" };
    if !conn.is_autocommit() {
        conn.execute_batch(end).map_err(plain)?;
    }
    ran
}
