//! What a writer keeps between transactions: the end of the journal, and the runs that it drives.
//!
//! All of it holds only as long as no other process has written: `PRAGMA data_version` tells.

use super::error::Error;
use crate::{
    digest::Digest,
    journal::{Event, Run, Timestamp, chain},
};
use rusqlite::{Connection, OptionalExtension};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

/// What is known of the journal without reading it again.
#[derive(Default)]
pub(super) struct Known {
    /// `PRAGMA data_version` when it was last read.
    version: Option<i64>,
    pub head: Head,
    pub runs: HashMap<i64, Held>,
    /// Runs with unanswered commands in their inbox.
    pub inbox: HashSet<i64>,
    /// Owners of leases that are known to be dead.
    pub dead: HashSet<String>,
}

/// A run with its lease.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub run: Arc<Run>,
    /// Where its last event stands in the journal.
    pub last: Option<u64>,
    pub owner: Option<Arc<str>>,
    pub epoch: u64,
    /// What its row shows; `None`: not known.
    pub shown: Option<Shown>,
}

/// The part of a run's row that not every event changes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shown {
    pub status: &'static str,
    pub outcome: Option<&'static str>,
    pub finished_at: Option<Timestamp>,
    pub due_at: Option<Timestamp>,
    pub owner: Option<Arc<str>>,
}

/// The end of the journal.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    pub seq: u64,
    pub hash: Digest,
    /// When its last event happened.
    pub at: Timestamp,
}

impl Known {
    /// To be called within a write transaction: reads everything anew where another connection
    /// has written since the last time.
    pub(super) fn refresh(&mut self, db: &Connection) -> Result<(), Error> {
        let version =
            db.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get::<_, i64>(0))?;
        if self.version == Some(version) {
            return Ok(());
        }
        self.runs.clear();
        self.head = Head::read(db)?;
        self.inbox = db
            .prepare_cached("SELECT DISTINCT run FROM inbox WHERE answer IS NULL")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        self.version = Some(version);
        Ok(())
    }

    /// After a failed transaction nothing is known.
    pub(super) fn forget(&mut self) {
        *self = Known::default();
    }
}

impl Head {
    /// Reads it, after checking that the last row is what the rows before it lead to: an edited
    /// end is better found before more is written on top of it.
    pub(super) fn read(db: &Connection) -> Result<Head, Error> {
        let end = db
            .prepare_cached(include_str!("sql/end.sql"))?
            .query_row([], |row| {
                Ok(End {
                    seq: row.get(0)?,
                    event: row.get(1)?,
                    event_hash: Digest(row.get(2)?),
                    journal_hash: Digest(row.get(3)?),
                    event_before: row.get::<_, Option<[u8; 32]>>(4)?.map(Digest),
                    journal_before: row.get::<_, Option<[u8; 32]>>(5)?.map(Digest),
                })
            })
            .optional()?;
        end.map_or_else(|| Ok(Head::default()), |end| end.checked())
    }
}

/// The last row, with the hashes that it follows.
struct End {
    seq: i64,
    event: String,
    event_hash: Digest,
    journal_hash: Digest,
    event_before: Option<Digest>,
    journal_before: Option<Digest>,
}

impl End {
    fn checked(&self) -> Result<Head, Error> {
        let event_before = self.event_before.unwrap_or(Digest::ZERO);
        let journal_before = self.journal_before.unwrap_or(Digest::ZERO);
        let event = chain::event_hash(&event_before, self.event.as_bytes());
        let journal = chain::journal_hash(&journal_before, &self.event_hash);
        if (event, journal) != (self.event_hash, self.journal_hash) {
            return Err(Error::Corrupt(format!(
                "its last row ({}) does not match its hashes",
                self.seq
            )));
        }
        let at = Event::decode(&self.event)?.at;
        Ok(Head { seq: self.seq.unsigned_abs(), hash: self.journal_hash, at })
    }
}
