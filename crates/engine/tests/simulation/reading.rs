//! Reading the simulated disk from its bytes alone: every frame sealed, every row in both chains,
//! every event folded. Recovery reads all of it; the auditor reads on where it stopped.

use super::frame::{self, Change, StoredEvent};
use kaizen_engine::{
    digest::Digest,
    journal::{
        Run, Timestamp, apply, chain,
        replay::{self, Row},
    },
};
use std::{collections::BTreeMap, sync::Arc};

/// A run's lease, and where its last event stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lease {
    pub owner: Option<String>,
    pub epoch: u64,
    pub last: Option<u64>,
}

/// The end of the journal.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Head {
    pub seq: u64,
    pub hash: Digest,
    pub at: Timestamp,
}

/// An operator's command that was left for a driver.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    pub run: i64,
    pub actor: String,
    pub command: String,
    pub answer: Option<String>,
}

/// The tables of the journal.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tables {
    pub runs: BTreeMap<i64, Arc<Run>>,
    pub leases: BTreeMap<i64, Lease>,
    /// Who holds a target (`None`: free), and the epoch, which only grows.
    pub targets: BTreeMap<String, (Option<i64>, u64)>,
    pub inbox: Vec<Asked>,
    pub head: Head,
}

impl Tables {
    /// A change that is no event.
    pub fn change(&mut self, change: &Change) {
        match change.clone() {
            Change::Event(_) => {}
            Change::Lease { run, owner, epoch } => {
                let lease = self.leases.entry(run).or_default();
                (lease.owner, lease.epoch) = (owner, epoch);
            }
            Change::Target { target, run, epoch } => {
                self.targets.insert(target, (run, epoch));
            }
            Change::Asked { run, actor, command, .. } => {
                self.inbox.push(Asked { run, actor, command, answer: None });
            }
            Change::Answered { id, answer } => self.inbox[id].answer = Some(answer),
        }
    }

    /// An event as it was stored, checked against everything before it.
    fn event(&mut self, stored: &StoredEvent, row: &Row) -> Result<(), String> {
        let number = stored.run;
        let before = self.runs.get(&number).cloned();
        let (seq, head) = before.as_ref().map_or((0, Digest::ZERO), |run| (run.seq, run.head));
        let event = row.check(seq, &head).map_err(|broken| broken.to_string())?;
        let journal = chain::journal_hash(&self.head.hash, &stored.event_hash);
        if (stored.seq, stored.journal_hash) != (self.head.seq + 1, journal) {
            return Err(format!("row {} is not in the journal's chain", stored.seq));
        }
        let lease = self.leases.entry(number).or_default();
        if (stored.epoch, stored.prev) != (lease.epoch, lease.last) {
            return Err(format!(
                "row {} was appended under epoch {} after {:?}, but the lease is {lease:?}",
                stored.seq, stored.epoch, stored.prev
            ));
        }
        if event.at < self.head.at {
            return Err(format!("row {} happened before the row before it", stored.seq));
        }
        lease.last = Some(stored.seq);
        self.head = Head { seq: stored.seq, hash: journal, at: event.at };
        let before = before.map(Arc::unwrap_or_clone);
        let run =
            apply(before, &event, stored.event_hash).map_err(|illegal| illegal.to_string())?;
        self.runs.insert(number, Arc::new(run));
        Ok(())
    }
}

/// What has been read, and how far.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    pub tables: Tables,
    pub rows: Vec<Row>,
    /// Where the next frame begins.
    pub at: usize,
    pub seal: Digest,
}

impl Reading {
    /// Everything up to the first frame that is torn, and why it is.
    pub fn of(bytes: &[u8]) -> (Reading, Option<String>) {
        let mut reading = Reading::default();
        loop {
            match reading.next(bytes) {
                Ok(Some(_)) => {}
                Ok(None) => return (reading, None),
                Err(why) => return (reading, Some(why)),
            }
        }
    }

    /// The next frame's changes; `None` at the end. An error leaves everything as it was.
    pub fn next(&mut self, bytes: &[u8]) -> Result<Option<Vec<Change>>, String> {
        let Some(frame) = frame::decode(bytes, self.at, &self.seal)? else { return Ok(None) };
        let mut tables = self.tables.clone();
        let mut rows = Vec::new();
        for change in &frame.changes {
            if let Change::Event(stored) = change {
                let row = stored.row();
                tables.event(stored, &row)?;
                rows.push(row);
            } else {
                tables.change(change);
            }
        }
        self.rows.extend(rows);
        (self.tables, self.at, self.seal) = (tables, frame.end, frame.seal);
        Ok(Some(frame.changes))
    }

    /// The engine's own replay of every run's rows says the same.
    pub fn replayed(&self) -> Result<(), String> {
        for (number, run) in &self.tables.runs {
            let rows = self.rows.iter().filter(|row| row.run == *number);
            let replayed = replay::replay(rows).map_err(|broken| broken.to_string())?;
            if replayed.as_ref() != Some(&**run) {
                return Err(format!("r{number}: replay gives another run than the fold"));
            }
        }
        Ok(())
    }
}
