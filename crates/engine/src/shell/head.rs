//! What a writer keeps between transactions: the end of the journal, and folded runs.

use super::error::Error;
use crate::{
    digest::Digest,
    journal::{Event, Run, Timestamp, chain},
};
use rusqlite::{Connection, OptionalExtension};
use std::collections::HashMap;

/// Folded runs of this process, so that a transition need not read the whole run again.
#[derive(Default)]
pub(super) struct Cache(pub(super) HashMap<i64, Run>);

impl Cache {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// The end of the journal.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    pub seq: u64,
    pub hash: Digest,
    /// When its last event happened.
    pub at: Timestamp,
}

impl Head {
    /// Reads it, after checking that the last row is what the rows before it lead to: an edited
    /// end is better found before more is written on top of it.
    pub(super) fn read(db: &Connection) -> Result<Head, Error> {
        let ends = db
            .prepare(include_str!("sql/end.sql"))?
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
        if let Some(end) = ends {
            end.check()?;
        }
        Head::default().refresh(db)
    }

    /// Reads it anew where another process has written meanwhile.
    pub(super) fn refresh(&self, db: &Connection) -> Result<Head, Error> {
        let sql = "SELECT seq, journal_hash, event FROM events ORDER BY seq DESC LIMIT 1";
        let last = db.prepare_cached(sql)?.query_row([], |row| {
            let seq = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
            if seq == self.seq {
                return Ok(None);
            }
            Ok(Some((seq, row.get::<_, [u8; 32]>(1)?, row.get::<_, String>(2)?)))
        });
        match last.optional()? {
            None | Some(None) => Ok(self.clone()),
            Some(Some((seq, hash, event))) => {
                Ok(Head { seq, hash: Digest(hash), at: Event::decode(&event)?.at })
            }
        }
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
    fn check(&self) -> Result<(), Error> {
        let event_before = self.event_before.unwrap_or(Digest::ZERO);
        let journal_before = self.journal_before.unwrap_or(Digest::ZERO);
        let event = chain::event_hash(&event_before, self.event.as_bytes());
        let journal = chain::journal_hash(&journal_before, &self.event_hash);
        if (event, journal) == (self.event_hash, self.journal_hash) {
            return Ok(());
        }
        Err(Error::Corrupt(format!("its last row ({}) does not match its hashes", self.seq)))
    }
}
