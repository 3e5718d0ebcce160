//! The simulated journal: bytes that survive a crash, tables in memory that do not, and whatever
//! may happen to a transaction on its way from one to the other.

use super::{
    frame::{self, Change, Tear},
    plant::Plant,
    reading::{Reading, Tables},
    rng::Rng,
    transition::{Error, Tx},
};
use kaizen_engine::{digest::Digest, journal::Timestamp};
use std::collections::BTreeSet;

/// What becomes of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Good,
    /// The disk refuses; whoever asked is told so.
    Fails,
    /// Whoever asked dies before anything was written,
    DiesBefore,
    /// or in the middle of it,
    DiesWithin(Tear),
    /// or after it, without having heard.
    DiesAfter,
}

/// What whoever asked hears, and whether that is the last thing.
pub struct Answer<T> {
    pub said: Option<Result<T, Error>>,
    pub dies: bool,
}

#[derive(Default)]
pub struct Store {
    pub bytes: Vec<u8>,
    /// How many of the bytes somebody has been told of.
    acknowledged: usize,
    pub tables: Tables,
    seal: Digest,
    /// Somebody died while writing: the end is looked at before anything else.
    pub suspect: bool,
    /// Tails that recovery dropped, by what gave them away.
    pub dropped_by_seal: u64,
    pub dropped_by_chain: u64,
}

impl Store {
    /// One transaction. An error: the journal itself is broken.
    pub fn write<T>(
        &mut self,
        around: &Around,
        fate: Fate,
        rng: &mut Rng,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, Error>,
    ) -> Result<Answer<T>, String> {
        self.recover(around.plant)?;
        let mut tx = Tx::new(self.tables.clone(), around);
        let result = work(&mut tx);
        let (tables, changes) = tx.done();
        let value = match result {
            Ok(value) if changes.is_empty() => {
                return Ok(Answer { said: Some(Ok(value)), dies: false });
            }
            Ok(value) => value,
            Err(error) => return Ok(Answer { said: Some(Err(error)), dies: false }),
        };
        let told_early = around.plant == Some(Plant::AcknowledgesBeforeTheCommit);
        Ok(match fate {
            Fate::Good => {
                self.append(tables, &changes);
                self.acknowledged = self.bytes.len();
                Answer { said: Some(Ok(value)), dies: false }
            }
            Fate::Fails => {
                if around.plant == Some(Plant::KeepsWhatWasNotWritten) {
                    self.tables = tables;
                }
                Answer { said: Some(Err(Error::Disk)), dies: false }
            }
            Fate::DiesBefore => Answer { said: told_early.then_some(Ok(value)), dies: true },
            Fate::DiesWithin(tear) => {
                let (torn, _) = frame::tear(&self.seal, &changes, tear, rng);
                self.bytes.extend(torn);
                self.suspect = true;
                Answer { said: told_early.then_some(Ok(value)), dies: true }
            }
            Fate::DiesAfter => {
                self.append(tables, &changes);
                self.suspect = true;
                Answer { said: told_early.then_some(Ok(value)), dies: true }
            }
        })
    }

    fn append(&mut self, tables: Tables, changes: &[Change]) {
        let (frame, seal) = frame::encode(&self.seal, changes);
        self.bytes.extend(frame);
        (self.tables, self.seal) = (tables, seal);
    }

    /// The machine loses power: only what was written stays.
    pub fn power_loss(&mut self, plant: Option<Plant>, rng: &mut Rng) {
        self.suspect = true;
        if plant == Some(Plant::DiskLies) && !self.bytes.is_empty() {
            self.bytes.truncate(self.bytes.len() - 1 - rng.index(self.bytes.len().min(40)));
        }
    }

    /// What every open does after a death: reads all of it, and drops a torn end.
    pub fn recover(&mut self, plant: Option<Plant>) -> Result<(), String> {
        if !std::mem::take(&mut self.suspect) {
            return Ok(());
        }
        let (reading, torn) = Reading::of(&self.bytes);
        if let Some(why) = torn {
            if reading.at < self.acknowledged {
                return Err(format!("recovery drops what was acknowledged: {why}"));
            }
            let sealed = frame::decode(&self.bytes, reading.at, &reading.seal).is_ok();
            if sealed && plant == Some(Plant::TrustsTheSeal) {
                return Ok(());
            }
            *if sealed { &mut self.dropped_by_chain } else { &mut self.dropped_by_seal } += 1;
            self.bytes.truncate(reading.at);
        }
        reading.replayed()?;
        if reading.tables != self.tables {
            return Err("what was stored is not what was committed".to_owned());
        }
        (self.tables, self.seal) = (reading.tables, reading.seal);
        Ok(())
    }
}

/// What a transaction sees beside the journal.
pub struct Around {
    pub clock: Timestamp,
    /// The owners whose lock is held.
    pub alive: BTreeSet<String>,
    pub plant: Option<Plant>,
}
