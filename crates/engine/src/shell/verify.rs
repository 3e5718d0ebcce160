//! Verifying the whole journal: both chains, every fold, every artifact.
//!
//! Goes on after a difference, so that each one is named. Reads in order and in chunks: what it
//! keeps in memory grows with the runs that are under way, not with the journal.

mod pruned;
mod reading;
mod shown;

use super::{error::Error, reader::Reader, retention::Runs};
use crate::{
    digest::Digest,
    journal::{Run, apply, chain, event::Fact, replay::Row, retention},
};
use reading::Decoded;
use rusqlite::OptionalExtension;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

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
    pub pruned: Pruned,
    pub differences: Vec<Difference>,
    /// The journal's last hash: what an anchor elsewhere would hold.
    pub head: Digest,
}

/// What retention took: events whose hash is all that is left, and an event says so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    pub events: u64,
    pub runs: Runs,
}

struct Verifier<'a> {
    reader: &'a Reader,
    only: Option<i64>,
    report: Report,
    /// Runs that are not sealed yet.
    open: BTreeMap<i64, Folded>,
    /// Runs that were sealed while their row had gone on: reopened later, or cut off.
    later: BTreeMap<i64, Folded>,
    /// Artifacts that the event in hand names.
    named: BTreeSet<Digest>,
    /// How many ended runs have bodies gone without an event, so far, that accounts for them.
    unaccounted: i64,
    seq: u64,
    /// The journal's end when this began. What others append meanwhile is not looked at.
    until: u64,
    /// Runs whose first event was seen, whichever run is verified.
    begun: i64,
    /// Rows that the events wrote into those tables.
    history: i64,
    /// By name, as their versions are counted.
    models: BTreeMap<String, i64>,
    /// Leases of targets that runs hold by their events.
    leases: i64,
}

#[derive(Default)]
struct Folded {
    run: Option<Run>,
    run_seq: u64,
    /// Where its last event stands in the journal.
    last: Option<u64>,
    head: Digest,
    broken: bool,
    /// Bodies are gone: what is left is folded once the event has come that accounts for them.
    gone: bool,
    /// Which revision the run is at then.
    revision: u32,
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
        named: BTreeSet::new(),
        unaccounted: 0,
        seq: 0,
        until: reader.events()?,
        begun: 0,
        history: 0,
        models: BTreeMap::new(),
        leases: 0,
    };
    let schema = verifier.schema()?;
    match verifier.everything() {
        Ok(()) => (),
        // What cannot be read because of it is named by it.
        Err(_) if !schema.is_empty() => (),
        Err(error) => return Err(error),
    }
    verifier.report.differences.extend(schema);
    Ok(verifier.report)
}

impl Verifier<'_> {
    fn everything(&mut self) -> Result<(), Error> {
        let (reader, until) = (Reader::open(self.reader.path())?, self.until);
        reading::ahead(reader, until, |row, event| self.row(row, event))?;
        self.ends()?;
        self.artifacts()?;
        self.extra();
        self.integrity()
    }

    fn row(&mut self, row: &Row, event: Decoded) -> Result<(), Error> {
        let expected = self.seq + 1;
        if row.seq < expected {
            let detail = format!("row {expected} or a later one was expected here");
            self.differs("out_of_order", place(row), detail, row.run);
            return Ok(());
        }
        if row.seq > expected {
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
            self.fold(row, event)?;
        }
        Ok(())
    }

    fn fold(&mut self, row: &Row, event: Decoded) -> Result<(), Error> {
        let folded = self.open.remove(&row.run).or_else(|| self.later.remove(&row.run));
        if folded.is_none() && row.run_seq > 1 && self.accounts(row, &event)? {
            return Ok(());
        }
        let mut folded = folded.unwrap_or_default();
        self.linked(row, &mut folded);
        let last = folded.last.replace(row.seq);
        if row.prev != last && !folded.broken {
            let detail = format!("it does not follow the run's row {last:?}");
            self.differs("edited", place(row), detail, row.run);
        }
        (folded.run_seq, folded.head) = (row.run_seq, row.event_hash);
        if row.is_pruned() {
            if let Some(run) = folded.run.take() {
                folded.revision = run.revision;
            }
            folded.gone = true;
            self.open.insert(row.run, folded);
            return Ok(());
        }
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                self.differs("edited", place(row), error.to_string(), row.run);
                folded.broken = true;
                self.open.insert(row.run, folded);
                return Ok(());
            }
        };
        self.artifacts_of(&event.fact, row)?;
        if folded.gone {
            return self.between(row, &event, folded);
        }
        if !folded.broken {
            match apply(folded.run.take(), &event, row.event_hash) {
                Ok(run) => {
                    self.models_of(row.run, run.revision, &event)?;
                    self.history_of(row.run, &run, &event.fact, row.seq)?;
                    folded.run = Some(run);
                }
                Err(error) => {
                    self.differs("edited", place(row), error.to_string(), row.run);
                    folded.broken = true;
                }
            }
        }
        let over = matches!(event.fact, Fact::RunSealed { .. } | Fact::RunCompacted(_));
        if over && !folded.broken {
            self.sealed(row.run, folded)
        } else {
            self.open.insert(row.run, folded);
            Ok(())
        }
    }

    /// Every artifact that the event names is there.
    fn artifacts_of(&mut self, fact: &Fact, row: &Row) -> Result<(), Error> {
        let mut named = std::mem::take(&mut self.named);
        retention::artifacts(fact, &mut named);
        while let Some(digest) = named.pop_first() {
            let sql = "SELECT EXISTS (SELECT 1 FROM artifacts WHERE digest = ?1)";
            let there: bool =
                self.reader.db.prepare_cached(sql)?.query_row([digest.0], |row| row.get(0))?;
            if there {
                continue;
            }
            // Retention may have taken both meanwhile.
            let now = self.reader.rows(None, row.seq - 1, 1)?;
            if !now.first().is_some_and(Row::is_pruned) {
                let at = format!("artifact {}", digest.short());
                self.differs("missing", at, format!("{} names it", place(row)), row.run);
            }
        }
        self.named = named;
        Ok(())
    }

    /// Whether the row is the run's next, and its bytes those of its hash.
    fn linked(&mut self, row: &Row, folded: &mut Folded) {
        if row.run_seq != folded.run_seq + 1 {
            let kind = if row.run_seq > folded.run_seq + 1 { "missing" } else { "out_of_order" };
            let detail = format!("event {} was expected here", folded.run_seq + 1);
            self.differs(kind, place(row), detail, row.run);
            folded.broken = true;
        }
        // What the chain says of a body that is gone is its hash, which the journal's chain covers.
        if !row.is_pruned()
            && chain::event_hash(&folded.head, row.event.as_bytes()) != row.event_hash
        {
            let detail = "its bytes do not match their hash".to_owned();
            self.differs("edited", place(row), detail, row.run);
            folded.broken = true;
        }
    }

    /// A sealed run is compared with its row and forgotten, so that memory does not grow with
    /// the journal; where the row has gone on, more events must follow.
    fn sealed(&mut self, number: i64, folded: Folded) -> Result<(), Error> {
        if self.row_seq(number)?.is_some_and(|seq| seq > folded.run_seq) {
            self.later.insert(number, folded);
            return Ok(());
        }
        self.end(number, &folded)
    }

    /// How many events the run's row says there are.
    fn row_seq(&self, number: i64) -> Result<Option<u64>, Error> {
        let seq = self
            .reader
            .db
            .prepare_cached("SELECT seq FROM runs WHERE id = ?1")?
            .query_row([number], |row| row.get::<_, i64>(0))
            .optional()?;
        Ok(seq.map(i64::unsigned_abs))
    }

    fn count(&self, sql: &str) -> rusqlite::Result<i64> {
        self.reader.db.query_row(sql, [], |row| row.get(0))
    }

    /// The runs that are under way, and those of which nothing is left but the row.
    fn ends(&mut self) -> Result<(), Error> {
        let mut left = std::mem::take(&mut self.open);
        left.append(&mut self.later);
        for (number, folded) in left {
            if folded.gone && !folded.broken {
                self.unannounced(number);
            }
            self.end(number, &folded)?;
        }
        if self.unaccounted != 0 {
            self.forgotten()?;
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
        // Not the quick one: a run that an index has lost is one that nobody resumes.
        let answer: String =
            self.reader.db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
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
