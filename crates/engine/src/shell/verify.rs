//! Verifying the whole journal: both chains, every fold, every artifact.
//!
//! Goes on after a difference, so that each one is named. Reads in order and in chunks: what it
//! keeps in memory grows with the runs that are under way, not with the journal.

use super::{error::Error, reader::Reader};
use crate::{
    digest::Digest,
    journal::{
        Outcome, Phase, Run, apply, chain,
        event::{Event, Fact, Facts},
        replay::Row,
    },
};
use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use std::collections::BTreeMap;

const CHUNK: u32 = 1_000;

/// One thing that does not add up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which store: `journal`, `git`.
    pub store: &'static str,
    /// `edited`, `missing`, `extra`, `truncated` or `out_of_order`.
    pub kind: &'static str,
    /// Where: `row 17 (r3 event 4)`.
    pub at: String,
    pub detail: String,
}

/// What a verification found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub events: u64,
    pub runs: u64,
    pub artifacts: u64,
    pub differences: Vec<Difference>,
    /// The journal's last hash: what an anchor elsewhere would hold.
    pub head: Digest,
}

struct Verifier<'a> {
    reader: &'a Reader,
    only: Option<i64>,
    report: Report,
    /// Runs that are not sealed yet.
    open: BTreeMap<i64, Folded>,
    /// Runs that were sealed while their row had gone on: reopened later, or cut off.
    later: BTreeMap<i64, Folded>,
    seq: u64,
    /// The journal's end when this began. What others append meanwhile is not looked at.
    until: u64,
    /// Runs whose first event was seen, whichever run is verified.
    begun: i64,
    /// Rows that the events wrote into those tables.
    history: i64,
    models: i64,
}

#[derive(Default)]
struct Folded {
    run: Option<Run>,
    run_seq: u64,
    /// Where its last event stands in the journal.
    last: Option<u64>,
    head: Digest,
    broken: bool,
}

/// Verifies the journal: everything, or what concerns one run.
///
/// # Errors
/// Where the journal cannot be read at all.
pub fn verify(reader: &Reader, only: Option<i64>) -> Result<Report, Error> {
    let mut verifier = Verifier {
        reader,
        only,
        report: Report::default(),
        open: BTreeMap::new(),
        later: BTreeMap::new(),
        seq: 0,
        until: reader.events()?,
        begun: 0,
        history: 0,
        models: 0,
    };
    loop {
        let rows = reader.rows(None, verifier.seq, CHUNK)?;
        let until = verifier.until;
        for row in rows.iter().take_while(|row| row.seq <= until) {
            verifier.row(row)?;
        }
        if rows.last().is_none_or(|last| last.seq >= until) {
            break;
        }
    }
    verifier.ends()?;
    verifier.artifacts()?;
    verifier.extra();
    verifier.integrity()?;
    Ok(verifier.report)
}

impl Verifier<'_> {
    fn row(&mut self, row: &Row) -> Result<(), Error> {
        let expected = self.seq + 1;
        if row.seq != expected {
            let at = format!("rows {expected} to {}", row.seq - 1);
            self.differs("missing", at, "rows of the journal are gone".to_owned(), row.run);
        }
        self.seq = row.seq;
        if chain::journal_hash(&self.report.head, &row.event_hash) != row.journal_hash {
            let detail = "the journal's chain does not lead here".to_owned();
            self.differs("out_of_order", place(row), detail, row.run);
        }
        self.report.head = row.journal_hash;
        self.begun += i64::from(row.run_seq == 1);
        if self.only.is_none_or(|run| run == row.run) {
            self.report.events += 1;
            self.fold(row)?;
        }
        Ok(())
    }

    fn fold(&mut self, row: &Row) -> Result<(), Error> {
        let folded = self.open.remove(&row.run).or_else(|| self.later.remove(&row.run));
        let mut folded = folded.unwrap_or_default();
        self.linked(row, &mut folded);
        let last = folded.last.replace(row.seq);
        if row.prev != last && !folded.broken {
            let detail = format!("it does not follow the run's row {last:?}");
            self.differs("edited", place(row), detail, row.run);
        }
        (folded.run_seq, folded.head) = (row.run_seq, row.event_hash);
        let event = match Event::decode(&row.event) {
            Ok(event) => event,
            Err(error) => {
                self.differs("edited", place(row), error.to_string(), row.run);
                folded.broken = true;
                self.open.insert(row.run, folded);
                return Ok(());
            }
        };
        if !folded.broken {
            match apply(folded.run.take(), &event, row.event_hash) {
                Ok(run) => {
                    self.shown(&run, &event.fact, row)?;
                    folded.run = Some(run);
                }
                Err(error) => {
                    self.differs("edited", place(row), error.to_string(), row.run);
                    folded.broken = true;
                }
            }
        }
        if matches!(event.fact, Fact::RunSealed { .. }) && !folded.broken {
            self.sealed(row.run, folded)
        } else {
            self.open.insert(row.run, folded);
            Ok(())
        }
    }

    /// Whether the row is the run's next, and its bytes those of its hash.
    fn linked(&mut self, row: &Row, folded: &mut Folded) {
        if row.run_seq != folded.run_seq + 1 {
            let kind = if row.run_seq > folded.run_seq + 1 { "missing" } else { "out_of_order" };
            let detail = format!("event {} was expected here", folded.run_seq + 1);
            self.differs(kind, place(row), detail, row.run);
            folded.broken = true;
        }
        if chain::event_hash(&folded.head, row.event.as_bytes()) != row.event_hash {
            let detail = "its bytes do not match their hash".to_owned();
            self.differs("edited", place(row), detail, row.run);
            folded.broken = true;
        }
    }

    /// A sealed run is compared with its row and forgotten, so that memory does not grow with
    /// the journal; where the row has gone on, more events must follow.
    fn sealed(&mut self, number: i64, folded: Folded) -> Result<(), Error> {
        let seq = self
            .reader
            .db
            .prepare_cached("SELECT seq FROM runs WHERE id = ?1")?
            .query_row([number], |row| row.get::<_, i64>(0))
            .optional()?;
        if seq.is_some_and(|seq| seq.unsigned_abs() > folded.run_seq) {
            self.later.insert(number, folded);
            return Ok(());
        }
        self.end(number, &folded)
    }

    /// Compares a run's row with what its events came to.
    fn end(&mut self, number: i64, folded: &Folded) -> Result<(), Error> {
        self.report.runs += 1;
        let row = self
            .reader
            .db
            .prepare_cached("SELECT seq, last, head, status, outcome FROM runs WHERE id = ?1")?
            .query_row([number], |row| {
                Ok((
                    row.get::<_, i64>(0)?.unsigned_abs(),
                    row.get::<_, Option<i64>>(1)?.map(i64::unsigned_abs),
                    row.get::<_, Vec<u8>>(2)?,
                    row.get::<_, String>(3)?,
                    row.get::<_, Option<String>>(4)?,
                ))
            })
            .optional()?;
        let Some((seq, last, head, status, outcome)) = row else {
            let detail = "its events are there and its row is gone".to_owned();
            self.differs("missing", format!("the row of r{number}"), detail, number);
            return Ok(());
        };
        if let Some(last) = last.filter(|last| *last > self.until) {
            let sql = "SELECT EXISTS (SELECT 1 FROM events WHERE seq = ?1)";
            let there = self
                .reader
                .db
                .prepare_cached(sql)?
                .query_row([last.cast_signed()], |row| row.get::<_, bool>(0))?;
            if there {
                // Appended meanwhile.
                return Ok(());
            }
        }
        let have = folded.run_seq;
        if have < seq {
            let at = format!("r{number} events {} to {seq}", have + 1);
            self.differs("truncated", at, "the run's last events are gone".to_owned(), number);
        } else if have > seq {
            let at = format!("r{number} events {} to {have}", seq + 1);
            self.differs("extra", at, "events that no transition wrote".to_owned(), number);
        } else if head != folded.head.0 || last != folded.last {
            let detail = "its last event is not the recorded one".to_owned();
            self.differs("edited", format!("r{number}"), detail, number);
        }
        let Some(run) = folded.run.as_ref().filter(|_| !folded.broken && have == seq) else {
            return Ok(());
        };
        let (shown, says) = ((status.as_str(), outcome.as_deref()), run.status.word());
        if shown != (says, run.outcome.map(Outcome::word)) {
            let detail = format!("it shows {shown:?}, its events say {says}");
            self.differs("edited", format!("the row of r{number}"), detail, number);
        }
        Ok(())
    }

    /// The tables that follow from single facts: history and models.
    fn shown(&mut self, run: &Run, fact: &Fact, row: &Row) -> Result<(), Error> {
        let Fact::PhaseCompleted { phase, facts, .. } = fact else { return Ok(()) };
        let number = row.run;
        let at = || format!("r{number} revision {}", run.revision);
        if *phase == Phase::RecordProvenance {
            let sql = "SELECT outcome, event FROM history WHERE run = ?1 AND revision = ?2";
            let found: Option<(String, i64)> = self
                .reader
                .db
                .prepare_cached(sql)?
                .query_row(params![number, run.revision], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let outcome = run.outcome.map_or("", Outcome::word);
            self.history += 1;
            if found
                .is_none_or(|(shown, event)| shown != outcome || event.unsigned_abs() != row.seq)
            {
                let detail = "it is not what the run's events say".to_owned();
                self.differs("edited", format!("the history row of {}", at()), detail, number);
            }
        }
        let Facts::Learned(models) = facts else { return Ok(()) };
        for model in models {
            let sql = "SELECT count(*) FROM models WHERE run = ?1 AND revision = ?2 \
                       AND name = ?3 AND digest = ?4 AND promoted = ?5";
            let (name, digest, promoted) = (&model.name, model.digest.0, model.promoted);
            let params = params![number, run.revision, name, digest, promoted];
            let found: i64 =
                self.reader.db.prepare_cached(sql)?.query_row(params, |row| row.get(0))?;
            self.models += 1;
            if found != 1 {
                let detail = "it is not what the run's events say".to_owned();
                self.differs("edited", format!("the model {name} of {}", at()), detail, number);
            }
        }
        Ok(())
    }

    /// Rows of history and models that no event wrote. Told only of a whole journal that folds.
    fn extra(&mut self) {
        if self.only.is_some() || !self.report.differences.is_empty() {
            return;
        }
        let counts = "SELECT (SELECT count(*) FROM history), (SELECT count(*) FROM models), \
                      (SELECT max(seq) FROM events)";
        let counts = self.reader.db.query_row(counts, [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<i64>>(2)?))
        });
        let Ok((history, models, end)) = counts else { return };
        if end.unwrap_or(0).unsigned_abs() != self.until {
            return;
        }
        for (table, found, known) in
            [("history", history, self.history), ("models", models, self.models)]
        {
            if found != known {
                let detail = format!("it has {found} rows where the events wrote {known}");
                self.differs("extra", format!("the table {table}"), detail, 0);
            }
        }
    }

    fn count(&self, sql: &str) -> rusqlite::Result<i64> {
        self.reader.db.query_row(sql, [], |row| row.get(0))
    }

    /// The runs that are under way, and those of which nothing is left but the row.
    fn ends(&mut self) -> Result<(), Error> {
        let mut left = std::mem::take(&mut self.open);
        left.append(&mut self.later);
        for (number, folded) in left {
            self.end(number, &folded)?;
        }
        if self.count("SELECT count(*) FROM runs")? == self.begun {
            return Ok(());
        }
        let sql = "SELECT id, seq FROM runs WHERE id NOT IN (SELECT run FROM events)";
        let bare = self
            .reader
            .db
            .prepare(sql)?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<Vec<(i64, i64)>, _>>()?;
        for (run, seq) in bare {
            let at = format!("r{run} events 1 to {seq}");
            self.differs("truncated", at, "the run's last events are gone".to_owned(), run);
        }
        Ok(())
    }

    fn artifacts(&mut self) -> Result<(), Error> {
        let mut after: Option<[u8; 32]> = None;
        loop {
            // In chunks: a reader that stays keeps the write-ahead log from beginning anew.
            let sql =
                "SELECT digest, bytes FROM artifacts WHERE digest > ?1 ORDER BY digest LIMIT 256";
            let rows = self
                .reader
                .db
                .prepare_cached(sql)?
                .query_map([after.as_ref().map_or(&[][..], |digest| &digest[..])], |row| {
                    Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, Vec<u8>>(1)?))
                })?
                .collect::<Result<Vec<_>, _>>()?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            after = Some(*last);
            for (digest, bytes) in rows {
                self.report.artifacts += 1;
                if Digest::of(&[&bytes]).0 != digest {
                    let at = format!("artifact {}", Digest(digest).short());
                    let detail = "its bytes are not those of its digest".to_owned();
                    self.differs("edited", at, detail, 0);
                }
            }
        }
    }

    fn integrity(&mut self) -> Result<(), Error> {
        let answer: String =
            self.reader.db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if answer != "ok" {
            self.differs("edited", "the database file".to_owned(), answer, 0);
        }
        Ok(())
    }

    fn differs(&mut self, kind: &'static str, at: String, detail: String, run: i64) {
        if self.only.is_some_and(|only| run != 0 && only != run) {
            return;
        }
        self.report.differences.push(Difference { store: "journal", kind, at, detail });
    }
}

fn place(row: &Row) -> String {
    format!("row {} (r{} event {})", row.seq, row.run, row.run_seq)
}
