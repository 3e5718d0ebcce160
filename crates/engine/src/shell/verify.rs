//! Verifying the whole journal: both chains, every fold, every artifact.
//!
//! Goes on after a difference, so that each one is named.

use super::{error::Error, reader::Reader};
use crate::{
    digest::Digest,
    journal::{
        Outcome, Payload, Phase, Run, apply, chain,
        event::{Event, Fact, Facts},
        replay::Row,
    },
};
use rusqlite::{OptionalExtension, params};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

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
    /// Runs that are not sealed yet: their fold, or `None` once broken.
    open: BTreeMap<i64, Folded>,
    /// Runs that were sealed, a reopened one once.
    sealed: BTreeSet<i64>,
    seq: u64,
    /// Rows that the events wrote into those tables.
    history: i64,
    models: i64,
}

#[derive(Default)]
struct Folded {
    run: Option<Run>,
    run_seq: u64,
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
        sealed: BTreeSet::new(),
        seq: 0,
        history: 0,
        models: 0,
    };
    loop {
        let rows = reader.rows(None, verifier.seq, CHUNK)?;
        let Some(last) = rows.last() else { break };
        let next = last.seq;
        for row in &rows {
            verifier.row(row);
        }
        verifier.seq = next;
    }
    verifier.ends()?;
    verifier.artifacts()?;
    verifier.projections()?;
    verifier.extra();
    verifier.integrity()?;
    Ok(verifier.report)
}

impl Verifier<'_> {
    fn row(&mut self, row: &Row) {
        let expected = self.seq + 1;
        if row.seq != expected {
            let at = format!("rows {expected} to {}", row.seq - 1);
            self.differs("missing", at, "rows of the journal are gone".to_owned(), row.run);
        }
        self.seq = row.seq;
        let at = format!("row {} (r{} event {})", row.seq, row.run, row.run_seq);
        if chain::journal_hash(&self.report.head, &row.event_hash) != row.journal_hash {
            let detail = "the journal's chain does not lead here".to_owned();
            self.differs("out_of_order", at.clone(), detail, row.run);
        }
        self.report.head = row.journal_hash;
        if self.only.is_none_or(|run| run == row.run) {
            self.report.events += 1;
            self.fold(row, at);
        }
    }

    fn fold(&mut self, row: &Row, at: String) {
        let mut folded = self.open.remove(&row.run).unwrap_or_else(|| self.reopened(row));
        if row.run_seq != folded.run_seq + 1 {
            let kind = if row.run_seq > folded.run_seq + 1 { "missing" } else { "out_of_order" };
            let detail = format!("event {} was expected here", folded.run_seq + 1);
            self.differs(kind, at.clone(), detail, row.run);
            folded.broken = true;
        }
        if chain::event_hash(&folded.head, row.event.as_bytes()) != row.event_hash {
            let detail = "its bytes do not match their hash".to_owned();
            self.differs("edited", at.clone(), detail, row.run);
            folded.broken = true;
        }
        (folded.run_seq, folded.head) = (row.run_seq, row.event_hash);
        match Event::decode(&row.event) {
            Err(error) => {
                self.differs("edited", at, error.to_string(), row.run);
                folded.broken = true;
            }
            Ok(event) => {
                let sealed = matches!(event.fact, Fact::RunSealed { .. });
                if !folded.broken {
                    match apply(folded.run.take(), &event, row.event_hash) {
                        Ok(run) => {
                            self.shown(&run, &event.fact, row.run);
                            folded.run = Some(run);
                        }
                        Err(error) => {
                            self.differs("edited", at, error.to_string(), row.run);
                            folded.broken = true;
                        }
                    }
                }
                if sealed && !folded.broken {
                    // Sealed: only its end is remembered, in the runs table, checked later.
                    self.sealed.insert(row.run);
                    return;
                }
            }
        }
        self.open.insert(row.run, folded);
    }

    /// The tables that follow from single facts: history and models.
    fn shown(&mut self, run: &Run, fact: &Fact, number: i64) {
        let Fact::PhaseCompleted { phase, output, facts, .. } = fact else { return };
        let at = format!("r{number} revision {}", run.revision);
        if let (Phase::RecordProvenance, Payload::Inline(record)) = (phase, output) {
            let sql = "SELECT count(*) FROM history \
                       WHERE run = ?1 AND revision = ?2 AND outcome = ?3 AND record = ?4";
            let outcome = run.outcome.map_or("", Outcome::word);
            let found = self.count(sql, params![number, run.revision, outcome, record.to_string()]);
            self.history += 1;
            if found != Some(1) {
                let detail = "it is not what the run's events say".to_owned();
                self.differs("edited", format!("the history row of {at}"), detail, number);
            }
        }
        let Facts::Learned(models) = facts else { return };
        for model in models {
            let sql = "SELECT count(*) FROM models WHERE run = ?1 AND revision = ?2 \
                       AND name = ?3 AND digest = ?4 AND promoted = ?5";
            let (name, digest, promoted) = (&model.name, model.digest.0, model.promoted);
            let found = self.count(sql, params![number, run.revision, name, digest, promoted]);
            self.models += 1;
            if found != Some(1) {
                let detail = "it is not what the run's events say".to_owned();
                self.differs("edited", format!("the model {name} of {at}"), detail, number);
            }
        }
    }

    fn count(&self, sql: &str, params: impl rusqlite::Params) -> Option<i64> {
        self.reader.db.prepare_cached(sql).and_then(|mut s| s.query_row(params, |r| r.get(0))).ok()
    }

    /// Rows of history and models that no event wrote. Told only of a whole journal that folds.
    fn extra(&mut self) {
        if self.only.is_some() || !self.report.differences.is_empty() {
            return;
        }
        for (table, known) in [("history", self.history), ("models", self.models)] {
            let found = self.count(&format!("SELECT count(*) FROM {table}"), []).unwrap_or(0);
            if found != known {
                let detail = format!("it has {found} rows where the events wrote {known}");
                self.differs("extra", format!("the table {table}"), detail, 0);
            }
        }
    }

    /// A run that was sealed and goes on: folded from its rows once more.
    fn reopened(&self, row: &Row) -> Folded {
        if row.run_seq == 1 {
            return Folded::default();
        }
        let before = self.reader.rows(Some(row.run), 0, u32::MAX >> 1).unwrap_or_default();
        let before: Vec<_> = before.into_iter().filter(|r| r.run_seq < row.run_seq).collect();
        match crate::journal::replay::replay(&before) {
            Ok(Some(run)) => {
                let (run_seq, head) = (run.seq, run.head);
                Folded { run: Some(run), run_seq, head, broken: false }
            }
            _ => Folded { broken: true, ..Folded::default() },
        }
    }

    /// The projection remembers how far each run had come: a cut-off tail shows there.
    fn ends(&mut self) -> Result<(), Error> {
        let sql = "SELECT r.id, r.seq, r.head, e.run_seq, e.event_hash FROM runs AS r \
                   LEFT JOIN events AS e ON e.run = r.id AND e.run_seq = \
                   (SELECT max(run_seq) FROM events WHERE run = r.id)";
        let mut statement = self.reader.db.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (run, seq): (i64, i64) = (row.get(0)?, row.get(1)?);
            let (head, last): (Vec<u8>, Option<i64>) = (row.get(2)?, row.get(3)?);
            let hash: Option<Vec<u8>> = row.get(4)?;
            let last = last.unwrap_or(0);
            if last < seq {
                let at = format!("r{run} events {} to {seq}", last + 1);
                self.differs("truncated", at, "the run's last events are gone".to_owned(), run);
            } else if last > seq {
                let at = format!("r{run} events {} to {last}", seq + 1);
                self.differs("extra", at, "events that no transition wrote".to_owned(), run);
            } else if hash.as_ref() != Some(&head) {
                let at = format!("r{run}");
                self.differs("edited", at, "its last hash is not the recorded one".to_owned(), run);
            }
        }
        let sql = "SELECT DISTINCT run FROM events WHERE run NOT IN (SELECT id FROM runs)";
        let mut statement = self.reader.db.prepare(sql)?;
        let orphans =
            statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        for run in orphans {
            let detail = "its events are there and its row is gone".to_owned();
            self.differs("missing", format!("the row of r{run}"), detail, run);
        }
        self.sealed.extend(self.open.keys());
        self.report.runs = self.sealed.len() as u64;
        Ok(())
    }

    fn artifacts(&mut self) -> Result<(), Error> {
        let mut statement = self.reader.db.prepare("SELECT digest, bytes FROM artifacts")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (digest, bytes): ([u8; 32], Vec<u8>) = (row.get(0)?, row.get(1)?);
            self.report.artifacts += 1;
            if Digest::of(&[&bytes]).0 != digest {
                let at = format!("artifact {}", Digest(digest).short());
                self.differs("edited", at, "its bytes are not those of its digest".to_owned(), 0);
            }
        }
        Ok(())
    }

    /// What `runs` and `history` show must be what the events say.
    fn projections(&mut self) -> Result<(), Error> {
        let numbers = match self.only {
            Some(run) => vec![run],
            None => self.reader.list(&super::reader::Filter::default())?,
        };
        for number in numbers {
            let Ok(run) = self.reader.run(number) else { continue };
            let sql = "SELECT status, outcome FROM runs WHERE id = ?1";
            let shown: Option<(String, Option<String>)> = self
                .reader
                .db
                .prepare_cached(sql)?
                .query_row([number], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let folded = (run.status.word().to_owned(), run.outcome.map(|o| o.word().to_owned()));
            if let Some(shown) = shown
                && shown != folded
            {
                let detail = format!("it shows {shown:?}, its events say {folded:?}");
                self.differs("edited", format!("the row of r{number}"), detail, number);
            }
        }
        Ok(())
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
