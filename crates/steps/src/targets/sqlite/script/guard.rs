//! Running statements inside an open transaction that they cannot leave.
//!
//! Used on the live database and on copies alike, so that a preflight refuses what a deployment
//! would refuse. Opening and ending the transaction is the caller's.

use super::Error;
use crate::targets::sqlite::{APPLIED_TABLE, message, text};
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Batch, Connection, ErrorCode, Statement};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Runs the statements, one in each string.
pub fn run(conn: &mut Connection, statements: &[String]) -> Result<(), Error> {
    guarded(conn, statements.iter().all(|sql| only_access_paths(sql)), |conn, denied| {
        statements.iter().zip(1..).try_for_each(|(sql, number)| {
            let failed = |error: &rusqlite::Error| failed(error, number, sql, denied);
            finish(conn.prepare(sql).map_err(|error| failed(&error))?, &failed)?;
            still_open(conn, number, sql)
        })
    })
}

/// Runs a whole script, split by SQLite itself. Empty scripts do nothing.
pub fn run_text(conn: &mut Connection, script: &str) -> Result<(), Error> {
    // SQLite does not say where a statement that it refuses begins; for messages only.
    let mut pieces = text::split(script).unwrap_or_default();
    pieces.retain(|piece| !piece.sql.is_empty());
    let named = |number: usize| pieces.get(number - 1).map_or("", |piece| piece.sql.as_str());
    guarded(conn, false, |conn, denied| {
        let mut batch = Batch::new(conn, script);
        for number in 1.. {
            let failed = |error: &rusqlite::Error| failed(error, number, named(number), denied);
            let Some(prepared) = batch.next().map_err(|error| failed(&error))? else { break };
            finish(prepared, &failed)?;
            still_open(conn, number, named(number))?;
        }
        Ok(())
    })
}

/// What the guard denied last, in words.
type Denied = Arc<Mutex<Option<String>>>;

fn guarded(
    conn: &mut Connection,
    only_access_paths: bool,
    work: impl FnOnce(&Connection, &Denied) -> Result<(), Error>,
) -> Result<(), Error> {
    let plain = |error: rusqlite::Error| Error::Sqlite { reason: message(&error) };
    // Where keys are declared so that SQLite cannot check them at all, nothing can get worse.
    let before = if only_access_paths { None } else { orphans(conn).ok() };
    let denied = Denied::default();
    conn.authorizer(Some(guard(Arc::clone(&denied)))).map_err(plain)?;
    let worked = work(conn, &denied);
    conn.authorizer(None::<fn(AuthContext<'_>) -> Authorization>).map_err(plain)?;
    worked?;
    let Some(before) = before else { return Ok(()) };
    let after = orphans(conn).map_err(plain)?;
    let more = |(key, count): &(&String, &u64)| before.get(*key).is_none_or(|had| had < *count);
    let violations: Vec<String> =
        after.iter().filter(more).map(|(key, count)| format!("{key} in {count} row(s)")).collect();
    if violations.is_empty() { Ok(()) } else { Err(Error::ForeignKeys { violations }) }
}

fn finish(
    mut prepared: Statement<'_>,
    failed: &dyn Fn(&rusqlite::Error) -> Error,
) -> Result<(), Error> {
    let mut rows = prepared.query([]).map_err(|error| failed(&error))?;
    // A SELECT or a RETURNING clause acts only as far as it is stepped.
    while rows.next().map_err(|error| failed(&error))?.is_some() {}
    Ok(())
}

/// The guard refuses COMMIT; should anything else end the transaction, it shows here.
fn still_open(conn: &Connection, number: usize, sql: &str) -> Result<(), Error> {
    let statement = head(sql);
    if conn.is_autocommit() { Err(Error::TransactionEnded { number, statement }) } else { Ok(()) }
}

fn failed(error: &rusqlite::Error, number: usize, sql: &str, denied: &Denied) -> Error {
    let (statement, reason) = (head(sql), message(error));
    match (error, error.sqlite_error_code()) {
        (_, Some(ErrorCode::AuthorizationForStatementDenied)) => {
            let what = denied.lock().ok().and_then(|denied| denied.clone());
            let reason = what.unwrap_or(reason);
            Error::Forbidden { number, statement, reason }
        }
        (rusqlite::Error::MultipleStatement, _) => {
            let reason = "it holds more than one statement".to_owned();
            Error::Forbidden { number, statement, reason }
        }
        (_, Some(ErrorCode::DiskFull)) => Error::DiskFull { reason },
        _ => Error::Statement { number, statement, reason },
    }
}

/// The statement's first words: literals further on stay out of messages.
fn head(sql: &str) -> String {
    let words: Vec<&str> = sql.split_whitespace().take(5).collect();
    words.join(" ").chars().take(60).collect()
}

/// Whether a statement can only change indexes, statistics, views or triggers: no row and no
/// table, so that foreign keys hold as they did.
fn only_access_paths(sql: &str) -> bool {
    const PREFIXES: [&[&str]; 9] = [
        &["create", "index"],
        &["create", "unique", "index"],
        &["drop", "index"],
        &["reindex"],
        &["analyze"],
        &["create", "view"],
        &["drop", "view"],
        &["create", "trigger"],
        &["drop", "trigger"],
    ];
    let words: Vec<String> = sql.split_whitespace().take(3).map(str::to_lowercase).collect();
    PREFIXES
        .iter()
        .any(|prefix| words.iter().zip(*prefix).filter(|(a, b)| a == *b).count() == prefix.len())
}

/// How many rows point to nothing, by foreign key. Counted, because rebuilding a table renumbers
/// its rows.
fn orphans(conn: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut statement = conn.prepare("PRAGMA foreign_key_check")?;
    let mut rows = statement.query([])?;
    let mut counts = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (table, parent, key): (String, String, i64) = (row.get(0)?, row.get(2)?, row.get(3)?);
        *counts.entry(format!("{table} has no {parent} (key {key})")).or_insert(0) += 1;
    }
    Ok(counts)
}

fn guard(denied: Denied) -> impl FnMut(AuthContext<'_>) -> Authorization + Send + 'static {
    move |context| {
        let Some(what) = forbidden(context.action) else { return Authorization::Allow };
        if let Ok(mut denied) = denied.lock() {
            *denied = Some(what);
        }
        Authorization::Deny
    }
}

/// What a statement may not do, in words.
fn forbidden(action: AuthAction<'_>) -> Option<String> {
    match action {
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => {
            Some("the transaction is not its business".to_owned())
        }
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => {
            Some("it would reach into another database".to_owned())
        }
        AuthAction::Pragma { pragma_name, .. } => Some(format!("it uses PRAGMA {pragma_name}")),
        AuthAction::Function { function_name: name @ "load_extension" } => {
            Some(format!("it calls {name}"))
        }
        AuthAction::Insert { table_name }
        | AuthAction::Delete { table_name }
        | AuthAction::DropTable { table_name }
        | AuthAction::AlterTable { table_name, .. }
        | AuthAction::Update { table_name, .. }
            if table_name.eq_ignore_ascii_case(APPLIED_TABLE) =>
        {
            Some(format!("{APPLIED_TABLE} is Kaizen's own table"))
        }
        _ => None,
    }
}
