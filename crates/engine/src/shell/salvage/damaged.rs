//! Reading a damaged journal row by row: each by its number, so that a page that cannot be read
//! takes only its own rows with it.

use crate::{
    digest::Digest,
    journal::{Outcome, replay::Row},
    shell::{
        connection::{SCHEMA_VERSION, explain},
        error::Error,
    },
};
use rusqlite::{Connection, OpenFlags, OptionalExtension, Statement};
use std::{collections::VecDeque, path::Path};

/// So many numbers in a row without anything that can be read are the end.
const PATIENCE: u32 = 10_000;

/// A number beyond this is damage: it would take minutes to come there.
const MOST_ARTIFACTS: i64 = 100_000_000;

/// A journal of which nothing is taken on trust.
pub(super) struct Damaged {
    db: Connection,
}

/// What there is at a place in the journal.
pub(super) enum Found {
    /// The row, without its link to the run's row before it, and its epoch where that can be read.
    Row(Row, Option<u64>),
    /// Something that cannot be read.
    Damaged(String),
    /// No row, and rows after it.
    Nothing(String),
}

impl Damaged {
    pub(super) fn open(path: &Path) -> Result<Damaged, Error> {
        if !path.exists() {
            return Err(Error::Missing(path.to_owned()));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(path, flags).map_err(|e| explain(path, e))?;
        // What of the schema cannot be read does not keep the rest from being read. It is not the
        // right to write: the connection has none.
        db.pragma_update(None, "writable_schema", "ON").map_err(|e| explain(path, e))?;
        let sql = "SELECT max(version) FROM refinery_schema_history";
        let found = db.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).ok().flatten();
        if let Some(found) = found.filter(|found| *found > SCHEMA_VERSION) {
            return Err(Error::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION });
        }
        // A schema without its events is damage, and nothing to salvage from.
        let events = db.prepare(include_str!("../sql/one_row.sql")).map(drop);
        events.map_err(|e| match explain(path, e) {
            Error::Sqlite(e) => Error::Corrupt(format!("{}: {e}", path.display())),
            other => other,
        })?;
        Ok(Damaged { db })
    }

    /// Every place of the journal up to the last row that can be read, and the first place after it
    /// where there is something that cannot.
    pub(super) fn events(&self) -> impl Iterator<Item = Found> + '_ {
        let read = |statement: &mut Statement<'_>, seq: i64| {
            let found = statement.query_row([seq], |row| Ok((event(row)?, row.get(6).ok())));
            match found.optional() {
                Ok(None) => At::Nothing,
                Ok(Some((row, epoch))) if row.seq == seq.unsigned_abs() => {
                    At::Good(Found::Row(row, epoch.map(i64::unsigned_abs)))
                }
                Ok(Some((row, _))) => At::Bad(format!("it says row {}", row.seq)),
                Err(error) => At::Bad(error.to_string()),
            }
        };
        self.each(include_str!("../sql/one_row.sql"), 0, read).map(|(seq, at)| match at {
            At::Good(found) => found,
            At::Bad(why) => Found::Damaged(format!("row {seq}: {why}")),
            At::Nothing => Found::Nothing(format!("row {seq}: it is missing")),
        })
    }

    /// How each revision of a run ended, as the history says; `None` where it cannot be read.
    pub(super) fn outcomes(&self, number: i64) -> Option<Vec<Outcome>> {
        let mut statement = self.db.prepare_cached(include_str!("../sql/outcomes.sql")).ok()?;
        let outcomes = statement.query_map([number], |row| row.get::<_, String>(0)).ok()?;
        outcomes.map(|outcome| outcome.ok()?.parse().ok()).collect()
    }

    /// Every artifact that can be read.
    pub(super) fn artifacts(&self) -> impl Iterator<Item = (Digest, Vec<u8>)> + '_ {
        let read = |statement: &mut Statement<'_>, at: i64| {
            let row = |row: &rusqlite::Row<'_>| Ok((Digest(row.get(0)?), row.get(1)?));
            match statement.query_row([at], row).optional() {
                Ok(None) => At::Nothing,
                Ok(Some(artifact)) => At::Good(artifact),
                Err(error) => At::Bad(error.to_string()),
            }
        };
        // Retention leaves gaps of any length.
        let last = self.db.query_row("SELECT max(rowid) FROM artifacts", [], |row| row.get(0));
        let last = last.map_or(0, |last: Option<i64>| last.unwrap_or(0)).min(MOST_ARTIFACTS);
        let sql = "SELECT digest, bytes FROM artifacts WHERE rowid = ?1";
        self.each(sql, last, read).filter_map(|(_, at)| match at {
            At::Good(artifact) => Some(artifact),
            At::Bad(_) | At::Nothing => None,
        })
    }

    /// What is at each number from 1 on, to `last` at least. Beyond the last good one a damaged tree may have something
    /// bad at every number there is: only the first of those is told.
    fn each<'a, T: 'a>(
        &'a self,
        sql: &str,
        last: i64,
        mut read: impl FnMut(&mut Statement<'_>, i64) -> At<T> + 'a,
    ) -> impl Iterator<Item = (i64, At<T>)> + 'a {
        let mut statement = self.db.prepare(sql).ok();
        let mut next = 1;
        // What is not good is told only once something good, or the end, comes after it.
        let mut waiting: VecDeque<(i64, At<T>)> = VecDeque::new();
        std::iter::from_fn(move || {
            if let Some(found) = waiting.pop_front() {
                return Some(found);
            }
            let mut patience = PATIENCE;
            while patience > 0 || next <= last {
                patience = patience.saturating_sub(1);
                let at = read(statement.as_mut()?, next);
                if matches!(at, At::Nothing) && next <= last {
                    next += 1;
                    continue;
                }
                let good = matches!(at, At::Good(_));
                waiting.push_back((next, at));
                next += 1;
                if good {
                    return waiting.pop_front();
                }
            }
            statement = None;
            let bad = waiting.iter().position(|(_, at)| matches!(at, At::Bad(_)));
            let first = bad.and_then(|bad| waiting.remove(bad));
            waiting.clear();
            first
        })
    }
}

/// What there is under a number.
enum At<T> {
    Good(T),
    /// Something, and why it cannot be read.
    Bad(String),
    Nothing,
}

fn event(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        seq: row.get::<_, i64>(0)?.unsigned_abs(),
        run: row.get(1)?,
        run_seq: row.get::<_, i64>(2)?.unsigned_abs(),
        prev: None,
        event: row.get(3)?,
        event_hash: Digest(row.get(4)?),
        journal_hash: Digest(row.get(5)?),
    })
}
