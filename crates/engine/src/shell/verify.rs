//! Verifying the whole journal: both chains, every fold, every artifact.
//!
//! Goes on after a difference, so that each one is named. Reads in order and in chunks: what it
//! keeps in memory grows with the runs that are under way, not with the journal.

mod shown;

use super::{error::Error, reader::Reader, retention::Runs};
use crate::{
    digest::Digest,
    journal::{
        Run, apply, chain,
        event::{Event, Fact},
        replay::{Broken, Row, left},
        retention,
    },
};
use rusqlite::OptionalExtension;
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
        loop {
            let (rows, before) = (self.reader.rows(None, self.seq, CHUNK)?, self.seq);
            let until = self.until;
            for row in rows.iter().take_while(|row| row.seq <= until) {
                self.row(row)?;
            }
            // In a damaged tree the rows after the last one may be rows before it.
            if self.seq == before {
                break;
            }
        }
        self.ends()?;
        self.artifacts()?;
        self.extra();
        self.integrity()
    }

    fn row(&mut self, row: &Row) -> Result<(), Error> {
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
            self.fold(row)?;
        }
        Ok(())
    }

    fn fold(&mut self, row: &Row) -> Result<(), Error> {
        let folded = self.open.remove(&row.run).or_else(|| self.later.remove(&row.run));
        if folded.is_none() && row.run_seq > 1 && self.accounts(row)? {
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
        let event = match Event::decode(&row.event) {
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
        if matches!(event.fact, Fact::RunSealed { .. }) && !folded.broken {
            self.sealed(row.run, folded)
        } else {
            self.open.insert(row.run, folded);
            Ok(())
        }
    }

    /// An event of a run with bodies gone. Once it has ended it is forgotten, so that memory does
    /// not grow with what retention took.
    fn between(&mut self, row: &Row, event: &Event, mut folded: Folded) -> Result<(), Error> {
        let fact = &event.fact;
        if matches!(fact, Fact::RunCompacted(_)) {
            return self.compacted(row, folded.broken);
        }
        folded.revision += u32::from(matches!(fact, Fact::RollbackRequested { .. }));
        self.models_of(row.run, folded.revision, event)?;
        // The one event that may follow then is the one that accounts for them.
        let ended = matches!(fact, Fact::RunSealed { .. }) && !folded.broken;
        if ended && self.row_seq(row.run)? == Some(folded.run_seq + 1) {
            self.unaccounted += 1;
        } else {
            self.open.insert(row.run, folded);
        }
        Ok(())
    }

    /// Whether this row accounts for what is gone of a run that was forgotten.
    fn accounts(&mut self, row: &Row) -> Result<bool, Error> {
        let event = Event::decode(&row.event);
        if !event.is_ok_and(|event| matches!(event.fact, Fact::RunCompacted(_))) {
            return Ok(false);
        }
        self.unaccounted -= 1;
        self.compacted(row, false)?;
        Ok(true)
    }

    /// A run is whole again: folded from what is left of it, up to the row that says what is gone.
    fn compacted(&mut self, row: &Row, broken: bool) -> Result<(), Error> {
        let mut rows = self.reader.rows(Some(row.run), 0, u32::MAX)?;
        rows.retain(|other| other.seq <= row.seq);
        let pruned = rows.iter().filter(|row| row.is_pruned()).count() as u64;
        let mut folded = Folded {
            run: None,
            run_seq: row.run_seq,
            last: Some(row.seq),
            head: row.event_hash,
            broken,
            gone: false,
            revision: 0,
        };
        match left(&rows) {
            Ok(Some(left)) => {
                for (run, event, seq) in &left.phases {
                    self.history_of(row.run, run, &event.fact, *seq)?;
                }
                self.report.pruned.events += pruned;
                self.report.pruned.runs.add(row.run);
                folded.run = Some(left.run);
            }
            // What is wrong with its rows has been told where they stand, but for this.
            Ok(None) => folded.broken = true,
            Err(broken) => {
                let kind = match broken {
                    Broken::Hash { .. } | Broken::Decode { .. } | Broken::Illegal { .. } => {
                        "edited"
                    }
                    Broken::Gap { .. } | Broken::Unannounced { .. } => "missing",
                };
                self.differs(kind, place(row), broken.to_string(), row.run);
                folded.broken = true;
            }
        }
        self.sealed(row.run, folded)
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

    /// Runs that were forgotten with bodies gone, and no event ever accounted for them.
    fn forgotten(&mut self) -> Result<(), Error> {
        let numbers: Vec<i64> = self
            .reader
            .db
            .prepare(include_str!("sql/gone.sql"))?
            .query_map([self.until.cast_signed()], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for number in numbers {
            self.unannounced(number);
        }
        Ok(())
    }

    fn unannounced(&mut self, number: i64) {
        let Err(Error::Broken(Broken::Unannounced { .. })) = self.reader.run(number) else {
            // Compacted meanwhile.
            return;
        };
        let detail = "bodies of its events are gone, and no event says that retention took them";
        self.differs("missing", format!("events of r{number}"), detail.to_owned(), number);
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
