//! Reading the journal: its own connection, never migrating, never blocking the writer.

use super::{
    connection::{explain, open_reader},
    error::Error,
    relay::Delivery,
};
use crate::{
    digest::Digest,
    journal::{
        Event, Fact, Outcome, Payload, Run, Timestamp,
        replay::{Row, replay},
    },
    json::Json,
};
use rusqlite::{Connection, OptionalExtension, params};
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// A journal opened for reading.
pub struct Reader {
    pub(super) db: Connection,
    path: PathBuf,
}

/// Reading the journal as it was at one moment.
pub struct Snapshot<'a>(&'a Connection);

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        // Nothing was written.
        let _ = self.0.execute_batch("COMMIT");
    }
}

/// Which runs to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// A status word (`waiting_approval`) or an outcome (`kept`).
    pub status: Option<String>,
    pub workflow: Option<String>,
    /// At most so many, newest first; 0: all.
    pub limit: u32,
}

/// One version of a predictor.
#[derive(Debug, Clone)]
pub struct ModelRow {
    pub name: String,
    pub version: i64,
    pub digest: Digest,
    pub promoted: bool,
    pub run: i64,
    pub at: String,
}

/// One history row: the latest revision of a run's record.
#[derive(Debug, Clone)]
pub struct HistoryRow {
    pub run: i64,
    pub revision: u32,
    pub outcome: String,
    /// The provenance record.
    pub record: Json,
    pub at: Timestamp,
}

impl Reader {
    /// Opens an existing journal.
    ///
    /// # Errors
    /// Where there is none, or it is no journal of this version.
    pub fn open(path: &Path) -> Result<Reader, Error> {
        Ok(Reader { db: open_reader(path)?, path: path.to_owned() })
    }

    /// Holds everything read until it is dropped to the journal as it is now. Keeps the write-ahead
    /// log from beginning anew: not for long.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn snapshot(&self) -> Result<Snapshot<'_>, Error> {
        // The first read is what it holds to.
        self.db.execute_batch("BEGIN; SELECT 1 FROM meta;")?;
        Ok(Snapshot(&self.db))
    }

    /// Where it was opened.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The run with this number.
    ///
    /// # Errors
    /// Where there is none, or its events do not fold.
    pub fn run(&self, number: i64) -> Result<Run, Error> {
        fold(&self.db, number)
    }

    /// The number of the run that `name` means: `r42`, `42`, a UUID, or a unique prefix or
    /// suffix (of at least four characters) of one.
    ///
    /// # Errors
    /// Where it means none, or several.
    pub fn find(&self, name: &str) -> Result<i64, Error> {
        let name = name.trim();
        let none = || Error::NoSuchRun(name.to_owned());
        let digits = name.strip_prefix(['r', 'R']).unwrap_or(name);
        if let Ok(number) = digits.parse::<i64>() {
            let sql = "SELECT id FROM runs WHERE id = ?1";
            let found = self.db.prepare_cached(sql)?.query_row([number], |row| row.get(0));
            if let Some(number) = found.optional()? {
                return Ok(number);
            }
        }
        if name.len() < 4 || !name.chars().all(|c| c.is_ascii_hexdigit() || c == '-') {
            return Err(none());
        }
        // A beginning first: an index leads there. `g` comes after every digit of a UUID.
        let begins =
            "SELECT id FROM runs WHERE uuid >= ?1 AND uuid < ?1 || 'g' ORDER BY id LIMIT 9";
        let ends = "SELECT id FROM runs WHERE uuid LIKE '%' || ?1 ORDER BY id LIMIT 9";
        let mut found = Vec::new();
        for sql in [begins, ends] {
            if found.is_empty() {
                found = self
                    .db
                    .prepare_cached(sql)?
                    .query_map([name.to_lowercase()], |row| row.get(0))?
                    .collect::<Result<Vec<i64>, _>>()?;
            }
        }
        match found.as_slice() {
            [] => Err(none()),
            [one] => Ok(*one),
            several => Err(Error::Ambiguous {
                name: name.to_owned(),
                could_be: several.iter().map(|number| format!("r{number}")).collect(),
            }),
        }
    }

    /// The UUID of the run with this number.
    ///
    /// # Errors
    /// Where there is none.
    pub fn run_id(&self, number: i64) -> Result<String, Error> {
        let sql = "SELECT uuid FROM runs WHERE id = ?1";
        let id = self.db.prepare_cached(sql)?.query_row([number], |row| row.get(0)).optional()?;
        id.ok_or_else(|| Error::NoSuchRun(format!("r{number}")))
    }

    /// The numbers of the runs that match, newest first.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn list(&self, filter: &Filter) -> Result<Vec<i64>, Error> {
        let limit = if filter.limit == 0 { -1 } else { i64::from(filter.limit) };
        // Each leads to the index that serves it.
        let unfinished = filter.status.as_deref().is_some_and(is_unfinished);
        let sql = match (unfinished, &filter.workflow) {
            (true, _) => include_str!("sql/list_unfinished.sql"),
            (false, Some(_)) => include_str!("sql/list_workflow.sql"),
            (false, None) => include_str!("sql/list_runs.sql"),
        };
        let numbers = self
            .db
            .prepare_cached(sql)?
            .query_map(params![filter.status, filter.workflow, limit], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        Ok(numbers)
    }

    /// How many runs stand at this status, which is not `finished`.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn count(&self, status: &str) -> Result<u64, Error> {
        let sql = "SELECT count(*) FROM runs WHERE status <> 'finished' AND status = ?1";
        let count: i64 = self.db.prepare_cached(sql)?.query_row([status], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// Runs that may need somebody's attention, oldest first, at most `limit`: under way, or with
    /// something due before `soon`.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn attention(&self, soon: Timestamp, limit: u32) -> Result<Vec<i64>, Error> {
        let rows = self
            .db
            .prepare_cached(include_str!("sql/overdue.sql"))?
            .query_map(params![soon.to_string(), limit], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        Ok(rows)
    }

    /// Runs that have not ended, oldest first.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn unfinished(&self) -> Result<Vec<i64>, Error> {
        let rows = self
            .db
            .prepare_cached(include_str!("sql/unfinished.sql"))?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        Ok(rows)
    }

    /// Rows of the journal after `seq`, at most `limit`, in order; of one run where `run` is given.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn rows(&self, run: Option<i64>, after: u64, limit: u32) -> Result<Vec<Row>, Error> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let sql = match run {
            Some(_) => include_str!("sql/rows_of_run.sql"),
            None => include_str!("sql/rows.sql"),
        };
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = match run {
            Some(run) => statement.query_map(params![after, limit, run], row)?.collect(),
            None => statement.query_map(params![after, limit], row)?.collect::<Result<_, _>>(),
        };
        rows.map_err(|e| explain(&self.path, e))
    }

    /// Rows after `seq` with their run's UUID, at most `limit`, in order.
    pub(super) fn shipments(&self, after: u64, limit: u32) -> Result<Vec<(Row, Uuid)>, Error> {
        let after = i64::try_from(after).unwrap_or(i64::MAX);
        let rows = self
            .db
            .prepare_cached(include_str!("sql/shipments.sql"))?
            .query_map(params![after, limit], |found| {
                Ok((row(found)?, found.get::<_, String>(7)?))
            })?
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| explain(&self.path, e))?;
        let known = |(row, id): (Row, String)| match Uuid::parse_str(&id) {
            Ok(id) => Ok((row, id)),
            Err(_) => {
                Err(Error::Corrupt(format!("r{} is named {id:?}, which is no UUID", row.run)))
            }
        };
        rows.into_iter().map(known).collect()
    }

    /// The journal's own identity.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn journal_id(&self) -> Result<Uuid, Error> {
        let id: String = self.db.query_row("SELECT journal_id FROM meta", [], |row| row.get(0))?;
        let none = |_| Error::Corrupt(format!("the journal is named {id:?}, which is no UUID"));
        Uuid::parse_str(&id).map_err(none)
    }

    /// The journal's hash at an event; `None` where there is no such event.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn journal_hash(&self, seq: u64) -> Result<Option<Digest>, Error> {
        let sql = "SELECT journal_hash FROM events WHERE seq = ?1";
        let found = self
            .db
            .prepare_cached(sql)?
            .query_row([seq.cast_signed()], |row| row.get(0))
            .optional()?;
        Ok(found.map(Digest))
    }

    /// How far each trail outside this host has been shipped.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn deliveries(&self) -> Result<Vec<Delivery>, Error> {
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Delivery {
                trail: row.get(0)?,
                place: row.get(1)?,
                seq: row.get::<_, i64>(2)?.unsigned_abs(),
                journal_hash: Digest(row.get(3)?),
                at: Timestamp::parse(&row.get::<_, String>(4)?).unwrap_or_default(),
                stopped: row.get(5)?,
            })
        };
        let mut statement = self.db.prepare_cached(include_str!("sql/deliveries.sql"))?;
        let rows = statement.query_map([], read)?.collect::<Result<_, _>>();
        rows.map_err(|e| explain(&self.path, e))
    }

    /// How far this one has been.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn delivery(&self, trail: &str) -> Result<Option<Delivery>, Error> {
        Ok(self.deliveries()?.into_iter().find(|delivery| delivery.trail == trail))
    }

    /// Trails other than this that acknowledged events at the same place.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn replaced(&self, trail: &str, place: &str) -> Result<Vec<Delivery>, Error> {
        let mut others = self.deliveries()?;
        others.retain(|known| known.trail != trail && known.place == place && known.seq > 0);
        Ok(others)
    }

    /// How many events the journal holds.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn events(&self) -> Result<u64, Error> {
        let sql = "SELECT coalesce(max(seq), 0) FROM events";
        let last: i64 = self.db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(last.unsigned_abs())
    }

    /// When the journal's last event happened; `None` in an empty one.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn last_event_at(&self) -> Result<Option<Timestamp>, Error> {
        let sql = "SELECT event FROM events ORDER BY seq DESC LIMIT 1";
        let last: Option<String> = self.db.query_row(sql, [], |row| row.get(0)).optional()?;
        last.map(|event| Ok(Event::decode(&event)?.at)).transpose()
    }

    /// An artifact's bytes; checked against its digest.
    ///
    /// # Errors
    /// Where it is missing or its bytes are not those.
    pub fn artifact(&self, digest: &Digest) -> Result<Vec<u8>, Error> {
        let sql = "SELECT bytes FROM artifacts WHERE digest = ?1";
        let bytes: Option<Vec<u8>> =
            self.db.prepare_cached(sql)?.query_row([digest.0], |row| row.get(0)).optional()?;
        let bytes = bytes.ok_or_else(|| Error::NoArtifact(digest.to_string()))?;
        if Digest::of(&[&bytes]) != *digest {
            return Err(Error::Corrupt(format!("the artifact {digest} was edited")));
        }
        Ok(bytes)
    }

    /// A payload as the type it was written from.
    ///
    /// # Errors
    /// Where its artifact is missing or it is of another shape.
    pub fn payload<T: DeserializeOwned>(&self, payload: &Payload) -> Result<T, Error> {
        match payload {
            Payload::Inline(json) => Ok(json.read()?),
            Payload::Artifact(digest) => Ok(serde_json::from_slice(&self.artifact(digest)?)?),
        }
    }

    /// Who drives the run now: what that process says of its pid; `None`: nobody alive.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn driver(&self, number: i64) -> Result<Option<String>, Error> {
        let sql = "SELECT owner FROM runs WHERE id = ?1";
        let owner: Option<Option<String>> =
            self.db.prepare_cached(sql)?.query_row([number], |row| row.get(0)).optional()?;
        Ok(owner.flatten().and_then(|owner| super::process::is_alive(&self.path, &owner)))
    }

    /// Every version of the predictor `name`, oldest first.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn models(&self, name: &str) -> Result<Vec<ModelRow>, Error> {
        let rows = self
            .db
            .prepare_cached(include_str!("sql/models.sql"))?
            .query_map([name], |row| {
                Ok(ModelRow {
                    name: row.get(0)?,
                    version: row.get(1)?,
                    digest: Digest(row.get(2)?),
                    promoted: row.get(3)?,
                    run: row.get(4)?,
                    at: row.get(5)?,
                })
            })?
            .collect::<Result<_, _>>()?;
        Ok(rows)
    }

    /// The latest history row of every run that has ended, oldest first.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn history(&self) -> Result<Vec<HistoryRow>, Error> {
        let rows = self
            .db
            .prepare_cached(include_str!("sql/history.sql"))?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
            .collect::<Result<Vec<(i64, u32, String, String)>, _>>()?;
        let read = |(run, revision, outcome, event): (_, _, _, String)| {
            let event = Event::decode(&event)?;
            let Fact::PhaseCompleted { output: Payload::Inline(record), .. } = event.fact else {
                let what = format!("the history row of r{run} points to no record");
                return Err(Error::Corrupt(what));
            };
            Ok(HistoryRow { run, revision, outcome, record, at: event.at })
        };
        rows.into_iter().map(read).collect()
    }
}

/// Whether this is the word of a status (and not of an outcome) other than `finished`.
fn is_unfinished(word: &str) -> bool {
    word != "finished" && Outcome::ALL.iter().all(|outcome| outcome.word() != word)
}

/// A run's rows, in order, and how many there should be.
pub(super) fn rows_of(db: &Connection, number: i64) -> Result<(Vec<Row>, i64), Error> {
    let mut had: i64 = 0;
    let rows = db
        .prepare_cached(include_str!("sql/rows_of_run.sql"))?
        .query_map(params![0, -1, number], |found| {
            had = found.get(7)?;
            row(found)
        })?
        .collect::<Result<Vec<Row>, _>>()?;
    Ok((rows, had))
}

/// Folds a run from its rows.
pub(super) fn fold(db: &Connection, number: i64) -> Result<Run, Error> {
    let (rows, had) = rows_of(db, number)?;
    match replay(&rows)? {
        Some(run) if run.seq == had.unsigned_abs() => Ok(run),
        Some(run) => Err(cut_off(number, had, run.seq)),
        // The walk begins at the run's last event; where that is gone there is nothing to fold.
        None => {
            let sql = "SELECT seq FROM runs WHERE id = ?1";
            let had = db.prepare_cached(sql)?.query_row([number], |row| row.get(0)).optional()?;
            Err(had.map_or_else(
                || Error::NoSuchRun(format!("r{number}")),
                |had| cut_off(number, had, 0),
            ))
        }
    }
}

fn cut_off(number: i64, had: i64, have: u64) -> Error {
    Error::Corrupt(format!(
        "r{number} had {had} events and the last of them is gone ({have} can be read): the trail \
         was cut off"
    ))
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        seq: row.get::<_, i64>(0)?.unsigned_abs(),
        run: row.get(1)?,
        run_seq: row.get::<_, i64>(2)?.unsigned_abs(),
        prev: row.get::<_, Option<i64>>(3)?.map(i64::unsigned_abs),
        event: row.get(4)?,
        event_hash: Digest(row.get(5)?),
        journal_hash: Digest(row.get(6)?),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::{Store, SystemClock};
    use super::*;
    use std::sync::Arc;

    /// What a person waits for must not grow with the journal: nothing is read from end to end.
    #[test]
    fn what_people_ask_for_is_found_by_an_index() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        drop(Store::open(&path, Arc::new(SystemClock)).unwrap());
        let reader = Reader::open(&path).unwrap();
        for (name, sql, may) in [
            ("a run", include_str!("sql/rows_of_run.sql"), &["SCAN walk"][..]),
            ("rows", include_str!("sql/rows.sql"), &[]),
            ("waiting", include_str!("sql/list_unfinished.sql"), &[]),
            ("a workflow's", include_str!("sql/list_workflow.sql"), &[]),
            // From the newest on, until there are enough.
            ("the newest", include_str!("sql/list_runs.sql"), &["SCAN runs"]),
            (
                "overdue",
                include_str!("sql/overdue.sql"),
                &["SCAN runs USING INDEX runs_unfinished"],
            ),
            (
                "unfinished",
                include_str!("sql/unfinished.sql"),
                &["SCAN runs USING COVERING INDEX runs_unfinished"],
            ),
            ("the end", include_str!("sql/end.sql"), &["SCAN e"]),
        ] {
            let mut plan = reader.db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps: Vec<String> =
                plan.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap();
            let scans: Vec<_> = steps.iter().filter(|step| step.starts_with("SCAN")).collect();
            for scan in scans {
                let known = *scan == "SCAN CONSTANT ROW" || may.contains(&&**scan);
                assert!(known, "{name}: {steps:#?}");
            }
        }
    }
}
