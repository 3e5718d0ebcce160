//! Getting the intact part out of a damaged journal: the longest run of events from the first on
//! whose chains, bytes and folds all fit, copied byte for byte into a new journal. What follows
//! from events (runs, history, models, leases of targets) is made anew by the code that made it.
//!
//! The damaged journal is opened read-only and left as it is. Not copied: what operators left in
//! the inbox of a driver, and the journal's id, since another journal may go on from the old one.

mod damaged;
mod pruned;

use super::{
    append::Place,
    connection,
    error::Error,
    head::{Held, Known},
    transition::{Tx, signed},
};
use crate::{
    digest::Digest,
    journal::{
        Event, Fact, Run, Timestamp, apply, chain,
        replay::{Broken, Row},
        retention,
    },
};
use damaged::{Damaged, Found};
use pruned::Gone;
use rusqlite::Connection;
use serde::Serialize;
use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Events in one commit.
const BATCH: u64 = 1_000;

/// What could be got back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Salvaged {
    /// Events in the new journal.
    pub events: u64,
    /// Events that could be read in the damaged one, whether they fit or not.
    pub seen: u64,
    /// Runs in the new journal, and how many of them have not ended.
    pub runs: u64,
    pub unfinished: u64,
    /// Artifacts whose bytes are those of their digest, and how many could be read.
    pub artifacts: u64,
    pub artifacts_seen: u64,
    /// Artifacts that the events name and that are not among them.
    pub artifacts_missing: u64,
    /// Runs that lost bodies to retention, and the event that says so to the damage: an event of
    /// this salvage says so anew, by what the damaged journal's history holds of them.
    pub accounted: u64,
    /// Such runs of which it holds nothing: their rows are there, and cannot be folded.
    pub unaccounted: u64,
    /// The first thing that did not fit; null: everything did.
    pub stopped_at: Option<String>,
    /// The last hash of the new journal.
    pub head: Digest,
}

/// Copies what is intact of the journal `from` into a new journal `to`.
///
/// # Errors
/// Where `to` is there already or cannot be written, where `from` is no journal, and where not even
/// its first event is intact; no `to` is left then.
pub fn salvage(from: &Path, to: &Path) -> Result<Salvaged, Error> {
    // A log that lies there would be taken for the new journal's.
    for taken in [to.to_owned(), beside(to, "-wal"), beside(to, "-shm")] {
        if taken.exists() {
            return Err(Error::Exists(taken));
        }
    }
    let damaged = Damaged::open(from)?;
    // Nobody must take half of it for a journal.
    let part = beside(to, ".part");
    remove(&part);
    let salvaged = copy(&damaged, &part).and_then(|salvaged| {
        let io = |source| Error::Io { path: to.to_owned(), source };
        fs::rename(&part, to).map_err(io)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
        // The name is durable only once its folder is.
        File::open(folder.unwrap_or(Path::new("."))).and_then(|f| f.sync_all()).map_err(io)?;
        Ok(salvaged)
    });
    remove(&part);
    salvaged
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn remove(part: &Path) {
    for ending in ["", "-wal", "-shm", ".lock"] {
        let _ = fs::remove_file(beside(part, ending));
    }
}

fn copy(damaged: &Damaged, part: &Path) -> Result<Salvaged, Error> {
    // Nobody else knows of it: there is no turn to wait for.
    let (db, _) = connection::open_writer(part)?;
    let mut salvage = Salvage {
        db: &db,
        path: part,
        known: Known::default(),
        named: BTreeSet::new(),
        gone: HashMap::new(),
        report: Salvaged::default(),
    };
    salvage.events(damaged)?;
    if salvage.report.events == 0 {
        let why = salvage.report.stopped_at.unwrap_or_else(|| "it has no events".to_owned());
        return Err(Error::Corrupt(format!("nothing of it can be got back: {why}")));
    }
    salvage.account(damaged)?;
    salvage.artifacts(damaged)?;
    salvage.rows()?;
    let report = salvage.report;
    // The last connection takes the write-ahead log away with it.
    db.close().map_err(|(_, error)| connection::explain(part, error))?;
    Ok(report)
}

/// An event that fits: the run with it, and the run before it.
struct Fit {
    event: Event,
    run: Run,
    before: Option<Held>,
}

struct Salvage<'a> {
    db: &'a Connection,
    path: &'a Path,
    known: Known,
    /// Artifacts that the copied events name.
    named: BTreeSet<Digest>,
    /// Runs with bodies gone, until the event comes that accounts for them.
    gone: HashMap<i64, Gone>,
    report: Salvaged,
}

impl Salvage<'_> {
    fn events(&mut self, damaged: &Damaged) -> Result<(), Error> {
        self.execute("BEGIN IMMEDIATE")?;
        for found in damaged.events() {
            self.report.seen += u64::from(matches!(found, Found::Row(..)));
            if self.report.stopped_at.is_some() {
                continue;
            }
            let why = match found {
                Found::Row(row, epoch) => match self.one(&row, epoch)? {
                    Ok(()) => continue,
                    Err(why) => why,
                },
                Found::Damaged(why) | Found::Nothing(why) => why,
            };
            self.report.stopped_at = Some(why);
        }
        self.execute("COMMIT")
    }

    /// Copies the event in a row; why not, where it does not fit what came before.
    fn one(&mut self, row: &Row, epoch: Option<u64>) -> Result<Result<(), String>, Error> {
        if chain::journal_hash(&self.known.head.hash, &row.event_hash) != row.journal_hash {
            return Ok(Err(format!("{}: the journal's chain does not lead here", at(row))));
        }
        if row.is_pruned() || self.gone.contains_key(&row.run) {
            return self.pruned(row, epoch);
        }
        match self.fits(row)? {
            Ok(fit) => Ok(Ok(self.take(row, epoch, fit)?)),
            Err(why) => Ok(Err(why)),
        }
    }

    /// The event in a row with its run; why not, where it does not fit what came before.
    fn fits(&mut self, row: &Row) -> Result<Result<Fit, String>, Error> {
        let before = self.held(row.run)?;
        let run = before.as_ref().map(|held| &held.run);
        let (seq, hash) = run.map_or((0, Digest::ZERO), |run| (run.seq, run.head));
        let event = match row.check(seq, &hash) {
            Ok(event) => event,
            Err(broken) => return Ok(Err(broken.to_string())),
        };
        let run = match apply(run.map(|run| Run::clone(run)), &event, row.event_hash) {
            Ok(run) => run,
            Err(source) => {
                let broken = Broken::Illegal { seq: row.seq, run: row.run, source };
                return Ok(Err(broken.to_string()));
            }
        };
        if run.created.number != row.run {
            return Ok(Err(format!("{}: it is an event of r{}", at(row), run.created.number)));
        }
        Ok(Ok(Fit { event, run, before }))
    }

    /// Copies an event that fits, with what follows from it.
    fn take(&mut self, row: &Row, epoch: Option<u64>, fit: Fit) -> Result<(), Error> {
        let Fit { event, run, before } = fit;
        let number = row.run;
        retention::artifacts(&event.fact, &mut self.named);
        let epoch = plausible(epoch, before.as_ref().map_or(1, |held| held.epoch));
        let mut tx = self.tx(event.at);
        match &before {
            None => tx.insert_run(run.id, &run.created, None)?,
            Some(held) if held.epoch != epoch => {
                tx.set_epoch(number, epoch)?;
            }
            Some(_) => {}
        }
        if let Fact::TargetAcquired { target, epoch } = &event.fact {
            tx.put_lease(target, Some(number), signed(*epoch))?;
        }
        let last = before.as_ref().and_then(|held| held.last);
        let place = Place { number, run_seq: run.seq, prev: last, epoch };
        let seq = tx.put_event(&place, &row.event, &row.event_hash)?;
        let held_target = before.as_ref().is_some_and(|held| held.run.target_epoch.is_some());
        tx.follow(&run, held_target, &event.fact, seq)?;
        if run.compacted.is_some() {
            tx.mark_compacted(&run)?;
        }
        let mut held =
            Held { run: Arc::new(run), last: Some(seq), owner: None, epoch, shown: None };
        if held.run.sealed {
            // Read again where it was reopened, so that memory does not grow with the journal.
            tx.show(&mut held, None)?;
            self.known.runs.remove(&number);
        } else {
            self.known.runs.insert(number, held);
        }
        self.took(seq)
    }

    /// Counts an event that was copied.
    fn took(&mut self, seq: u64) -> Result<(), Error> {
        self.report.events = seq;
        if seq.is_multiple_of(BATCH) {
            self.execute("COMMIT")?;
            self.execute("BEGIN IMMEDIATE")?;
        }
        Ok(())
    }

    /// The run as it was copied so far.
    fn held(&mut self, number: i64) -> Result<Option<Held>, Error> {
        match self.tx(self.known.head.at).held(number) {
            Ok(held) => Ok(Some(held)),
            Err(Error::NoSuchRun(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn artifacts(&mut self, damaged: &Damaged) -> Result<(), Error> {
        let at = self.known.head.at;
        self.execute("BEGIN IMMEDIATE")?;
        for (digest, bytes) in damaged.artifacts() {
            self.report.artifacts_seen += 1;
            if Digest::of(&[&bytes]) == digest {
                self.tx(at).put_artifact(&bytes)?;
                if !self.named.remove(&digest) {
                    // Retention was about to look whether anything names it.
                    self.tx(at).put_unneeded(&digest)?;
                }
                self.report.artifacts += 1;
            }
        }
        self.report.artifacts_missing = self.named.len() as u64;
        self.execute("COMMIT")
    }

    /// The rows of the runs that are under way show how they stand; nobody drives them.
    fn rows(&mut self) -> Result<(), Error> {
        let at = self.known.head.at;
        self.execute("BEGIN IMMEDIATE")?;
        let numbers: Vec<i64> = self.known.runs.keys().copied().collect();
        for number in numbers {
            let mut tx = self.tx(at);
            let mut held = tx.held(number)?;
            tx.show(&mut held, None)?;
        }
        self.execute("COMMIT")?;
        self.report.unaccounted = self.gone.len() as u64;
        for number in self.gone.keys() {
            // Nothing is left to drive: only what had ended is ever compacted.
            self.db.execute("UPDATE runs SET status = 'finished' WHERE id = ?1", [number])?;
        }
        let count = |sql| self.db.query_row(sql, [], |row| row.get::<_, i64>(0));
        self.report.runs = count("SELECT count(*) FROM runs")?.unsigned_abs();
        let sql = "SELECT count(*) FROM runs WHERE status <> 'finished'";
        self.report.unfinished = count(sql)?.unsigned_abs();
        self.report.head = self.known.head.hash;
        Ok(())
    }

    fn tx(&mut self, now: Timestamp) -> Tx<'_> {
        Tx::new(self.db, self.path, &mut self.known, now)
    }

    fn execute(&self, sql: &str) -> Result<(), Error> {
        self.db.execute_batch(sql).map_err(|e| connection::explain(self.path, e))
    }
}

fn at(row: &Row) -> String {
    format!("row {} (r{} event {})", row.seq, row.run, row.run_seq)
}

/// No chain covers the epochs: one that falls, or leaps, is not believed.
fn plausible(read: Option<u64>, before: u64) -> u64 {
    const LEAP: u64 = 1 << 20;
    read.filter(|epoch| (before..before.saturating_add(LEAP)).contains(epoch)).unwrap_or(before)
}
