//! What must hold before a script may come near the live database, tried on a scratch copy: it
//! applies whole, leaves the database sound, and its down script restores schema and contents.
//!
//! Whether it makes anything faster is [`super::compare`]'s question. Planner statistics
//! (`sqlite_stat1` and its like) are no contents: SQLite rewrites them as it sees fit.

use super::contents::{self, SchemaObject};
use super::copies::{Error, in_transaction, scratch};
use super::message;
use crate::payload::{Check, CheckResult};
use kaizen_engine::digest::Digest;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Names of the checks, as policies and people see them.
pub const UP_APPLIES: &str = "up_applies";
pub const INTEGRITY: &str = "integrity";
pub const FOREIGN_KEYS: &str = "foreign_keys";
pub const DOWN_APPLIES: &str = "down_applies";
pub const DOWN_RESTORES_SCHEMA: &str = "down_restores_schema";
pub const DOWN_RESTORES_CONTENTS: &str = "down_restores_contents";

/// What a database holds, to be compared with itself later.
struct State {
    schema: Vec<SchemaObject>,
    tables: BTreeMap<String, Digest>,
}

impl State {
    fn of(conn: &Connection) -> rusqlite::Result<State> {
        Ok(State { schema: contents::schema(conn)?, tables: contents::table_digests(conn, None)? })
    }
}

/// Tries `up` and then `down` on a copy of the snapshot in `dir`.
///
/// Stops at the first script that does not apply: what follows would be judged on a database
/// that will never be.
///
/// # Errors
/// Where the copy cannot be made or read; a script that fails is a failed check.
pub fn preflight_checks(
    snapshot: &Path,
    dir: &Path,
    up: &str,
    down: &str,
) -> Result<Vec<Check>, Error> {
    let path = dir.join("preflight.db");
    let mut conn = scratch(snapshot, &path)?;
    let unreadable =
        |error: rusqlite::Error| Error::Layout { path: path.clone(), reason: message(&error) };
    let before = State::of(&conn).map_err(unreadable)?;
    let mut checks = Vec::new();
    if let Err(error) = in_transaction(&mut conn, up) {
        let name = match error {
            super::script::Error::ForeignKeys { .. } => FOREIGN_KEYS,
            _ => UP_APPLIES,
        };
        checks.push(check(name, false, error.to_string()));
        return Ok(checks);
    }
    checks.push(check(UP_APPLIES, true, "whole, in one transaction".into()));
    checks.push(integrity(&conn).map_err(unreadable)?);
    checks.push(check(FOREIGN_KEYS, true, "no row lost what it points to".into()));
    if let Err(error) = in_transaction(&mut conn, down) {
        checks.push(check(DOWN_APPLIES, false, error.to_string()));
        return Ok(checks);
    }
    checks.push(check(DOWN_APPLIES, true, "whole, in one transaction".into()));
    checks.extend(restored(&before, &State::of(&conn).map_err(unreadable)?));
    super::database::remove(&path).map_err(|source| Error::Copy {
        from: snapshot.to_owned(),
        to: path.clone(),
        source,
    })?;
    Ok(checks)
}

fn check(name: &str, passed: bool, detail: String) -> Check {
    let result = if passed { CheckResult::Passed } else { CheckResult::Failed };
    Check { name: name.to_owned(), result, detail }
}

fn integrity(conn: &Connection) -> rusqlite::Result<Check> {
    let found: Vec<String> = conn
        .prepare("PRAGMA integrity_check(5)")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(check(INTEGRITY, found == ["ok"], format!("integrity_check: {}", found.join("; "))))
}

fn restored(before: &State, after: &State) -> [Check; 2] {
    let schema: BTreeSet<&SchemaObject> = before.schema.iter().collect();
    let again: BTreeSet<&SchemaObject> = after.schema.iter().collect();
    let objects: BTreeSet<String> = schema
        .symmetric_difference(&again)
        .map(|object| format!("{} {}", object.kind, object.name))
        .collect();
    let tables: BTreeSet<String> = before
        .tables
        .iter()
        .filter(|(name, digest)| after.tables.get(*name) != Some(digest))
        .map(|(name, _)| name.clone())
        .chain(after.tables.keys().filter(|name| !before.tables.contains_key(*name)).cloned())
        .collect();
    [
        differences(DOWN_RESTORES_SCHEMA, &objects, "every table, index, view and trigger"),
        differences(DOWN_RESTORES_CONTENTS, &tables, "the rows of every table"),
    ]
}

fn differences(name: &str, found: &BTreeSet<String>, all: &str) -> Check {
    if found.is_empty() {
        return check(name, true, format!("{all}: as before"));
    }
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    check(
        name,
        false,
        format!("after the down script these are not as before: {}", found.join(", ")),
    )
}

#[cfg(test)]
mod tests;
