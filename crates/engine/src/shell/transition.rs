//! What may be done within one journal transaction: create, claim, decide and append.

use super::{
    error::Error,
    head::{Held, Known},
    process,
    relay::Delivery,
};
use crate::{
    digest::Digest,
    journal::{
        Command, Created, Due, Event, Fact, Refusal, Run, Status, Timestamp, decide,
        decide::untried, due, event,
    },
};
use rusqlite::{Connection, OptionalExtension, params};
use std::{path::Path, sync::Arc};
use uuid::Uuid;

/// One transition's view of the journal, within its savepoint.
pub struct Tx<'a> {
    pub(super) db: &'a Connection,
    pub(super) path: &'a Path,
    pub(super) known: &'a mut Known,
    pub(super) now: Timestamp,
    /// Whether anything has been written: if this transition fails, what is known is void.
    pub(super) wrote: bool,
}

/// How an operator's command was taken.
#[derive(Debug, Clone)]
pub enum Operated {
    /// It has happened; the run as it is now.
    Applied(Arc<Run>),
    /// A living driver will consume it with its next transition.
    Queued { driver: String },
}

impl<'a> Tx<'a> {
    pub(super) fn new(
        db: &'a Connection,
        path: &'a Path,
        known: &'a mut Known,
        now: Timestamp,
    ) -> Tx<'a> {
        Tx { db, path, known, now, wrote: false }
    }

    /// The time of this transition: never before the journal's last event.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// What the writing connection itself says of a pragma: the settings of another connection
    /// prove nothing of it.
    ///
    /// # Errors
    /// Where SQLite does not answer.
    pub fn pragma(&self, name: &str) -> Result<String, Error> {
        let value: rusqlite::types::Value =
            self.db.pragma_query_value(None, name, |row| row.get(0))?;
        Ok(match value {
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => format!("{other:?}"),
        })
    }

    /// Remembers how far a trail outside this host has been shipped.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub fn delivered(&mut self, delivery: &Delivery) -> Result<(), Error> {
        self.wrote = true;
        self.db.prepare_cached(include_str!("sql/delivered.sql"))?.execute(params![
            delivery.trail,
            delivery.place,
            delivery.seq.cast_signed(),
            delivery.journal_hash.0,
            delivery.at.to_string(),
            delivery.stopped,
        ])?;
        Ok(())
    }

    /// Forgets a trail that is gone for good.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub fn forget_delivery(&mut self, trail: &str) -> Result<(), Error> {
        self.wrote = true;
        self.db.prepare_cached("DELETE FROM deliveries WHERE trail = ?1")?.execute([trail])?;
        Ok(())
    }

    /// The number that the next run will have.
    ///
    /// # Errors
    /// Where the journal cannot be read.
    pub fn next_number(&self) -> Result<i64, Error> {
        let sql = "SELECT coalesce(max(id), 0) + 1 FROM runs";
        Ok(self.db.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }

    /// Creates a run, driven by `owner`. Returns it; its epoch is 1.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub fn create(
        &mut self,
        id: Uuid,
        created: Created,
        actor: &str,
        owner: &str,
    ) -> Result<Arc<Run>, Error> {
        self.wrote = true;
        let number = created.number;
        self.insert_run(id, &created, Some(owner))?;
        let fact = Fact::RunCreated(Arc::new(created));
        let event = Event { run: Some(id), at: self.now, actor: actor.to_owned(), fact };
        let (run, last) = self.append_event(None, number, None, 1, &event)?;
        let owner: Arc<str> = owner.into();
        let mut held =
            Held { run: Arc::new(run), last: Some(last), owner: None, epoch: 1, shown: None };
        held.shown = Some(held.shows(Some(owner.clone())));
        held.owner = Some(owner);
        let run = held.run.clone();
        self.known.runs.insert(number, held);
        Ok(run)
    }

    /// The row that its first event needs.
    pub(super) fn insert_run(
        &self,
        id: Uuid,
        created: &Created,
        owner: Option<&str>,
    ) -> Result<(), Error> {
        self.db.prepare_cached(include_str!("sql/insert_run.sql"))?.execute(params![
            created.number,
            id.to_string(),
            created.workflow,
            created.target,
            created.dry_run,
            self.now.to_string(),
            owner,
        ])?;
        Ok(())
    }

    /// Takes the run's lease: the new epoch fences whoever had it before.
    ///
    /// # Errors
    /// [`Error::Driven`] where its owner lives.
    pub fn claim(&mut self, number: i64, me: &str, actor: &str) -> Result<(Arc<Run>, u64), Error> {
        let mut held = self.held(number)?;
        let dead = match &held.owner {
            Some(owner) if **owner == *me => None,
            Some(owner) => match self.driver(owner) {
                Some(driver) => return Err(Error::Driven { run: format!("r{number}"), driver }),
                None => Some(owner.to_string()),
            },
            None => None,
        };
        self.take_lease(&mut held, Some(me.into()))?;
        let asked = matches!(held.run.status, Status::NeedsOperator { .. });
        if dead.is_some() || asked {
            let command = Command::Resume { after_crash_of: dead };
            self.decide_and_append(&mut held, actor, command)?;
        } else if matches!(held.run.status, Status::Paused { .. }) {
            self.decide_and_append(&mut held, actor, Command::Unpause)?;
        }
        self.consume_inbox(&mut held)?;
        self.expire(&mut held)?;
        let epoch = held.epoch;
        Ok((self.settle(held, Some(me))?, epoch))
    }

    /// A driver's transition: decide, append, consume the inbox, end a request whose time is over,
    /// take the target where it is due and free; the lease is given back where nothing is left to drive.
    ///
    /// # Errors
    /// [`Error::Fenced`] where another process has taken over, a refusal, or the store's trouble.
    pub fn transition(
        &mut self,
        number: i64,
        epoch: u64,
        me: &str,
        commands: Vec<Command>,
        artifacts: &[Vec<u8>],
    ) -> Result<Arc<Run>, Error> {
        let mut held = self.held(number)?;
        if held.epoch != epoch {
            return Err(Error::Fenced { run: format!("r{number}") });
        }
        for bytes in artifacts {
            self.put_artifact(bytes)?;
        }
        for command in commands {
            self.decide_and_append(&mut held, event::ENGINE, command)?;
        }
        self.consume_inbox(&mut held)?;
        self.expire(&mut held)?;
        if due(&held.run, self.now) == Due::AcquireTarget {
            self.acquire_target(&mut held)?;
        }
        self.settle(held, Some(me))
    }

    /// Gives the lease back, where this epoch still holds it.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub fn release(&mut self, number: i64, epoch: u64) -> Result<(), Error> {
        self.wrote = true;
        let sql = "UPDATE runs SET owner = NULL WHERE id = ?1 AND epoch = ?2";
        self.db.prepare_cached(sql)?.execute(params![number, signed(epoch)])?;
        self.known.runs.remove(&number);
        Ok(())
    }

    /// An operator's command: applied at once where nobody drives the run, else left in its inbox.
    ///
    /// # Errors
    /// A refusal, where the command cannot happen to the run as it is.
    pub fn operate(
        &mut self,
        number: i64,
        actor: &str,
        command: Command,
    ) -> Result<Operated, Error> {
        let mut held = self.held(number)?;
        let driver = held.owner.as_ref().and_then(|owner| self.driver(owner));
        if let Some(driver) = driver {
            // Refused now rather than later, where it is plain already.
            decide(&held.run, command.clone(), self.now)?;
            self.wrote = true;
            let command = serde_json::to_string(&command)?;
            let sql = "INSERT INTO inbox (run, actor, at, command) VALUES (?1, ?2, ?3, ?4)";
            let at = self.now.to_string();
            self.db.prepare_cached(sql)?.execute(params![number, actor, at, command])?;
            self.known.inbox.insert(number);
            return Ok(Operated::Queued { driver });
        }
        self.take_lease(&mut held, None)?;
        // What was left for a driver that has died came first.
        self.consume_inbox(&mut held)?;
        self.decide_and_append(&mut held, actor, command)?;
        Ok(Operated::Applied(self.settle(held, None)?))
    }

    /// Stores bytes under their digest, once.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub fn put_artifact(&mut self, bytes: &[u8]) -> Result<Digest, Error> {
        self.wrote = true;
        let digest = Digest::of(&[bytes]);
        let sql = "INSERT INTO artifacts (digest, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        self.db.prepare_cached(sql)?.execute(params![digest.0, bytes])?;
        Ok(digest)
    }

    /// The run as it is in this transaction.
    ///
    /// # Errors
    /// Where there is none, or its events do not fold.
    pub fn load(&mut self, number: i64) -> Result<Arc<Run>, Error> {
        Ok(self.held(number)?.run)
    }

    /// Ends a request that nobody can answer any more, by the time that answers are judged by: a
    /// driver's clock may be behind the journal, or have been set back since it looked.
    fn expire(&mut self, held: &mut Held) -> Result<(), Error> {
        if due(&held.run, self.now) == Due::Expire {
            self.decide_and_append(held, event::ENGINE, Command::Expire)?;
        }
        Ok(())
    }

    /// The target's lease for this run, or its place in the queue for it.
    fn acquire_target(&mut self, held: &mut Held) -> Result<(), Error> {
        let (number, target) = (held.run.created.number, held.run.created.target.clone());
        let holder: Option<(Option<i64>, i64)> = self
            .db
            .prepare_cached("SELECT run, epoch FROM target_leases WHERE target = ?1")?
            .query_row([&target], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let command = match holder {
            Some((Some(other), _)) if other != number => {
                Command::Queue { target, behind: Some(other) }
            }
            holder => {
                self.wrote = true;
                let next = holder.map_or(1, |(_, epoch)| epoch + 1);
                self.put_lease(&target, Some(number), next)?;
                Command::Hold { target, epoch: next.unsigned_abs() }
            }
        };
        self.decide_and_append(held, event::ENGINE, command)
    }

    /// The run (or nobody) has the target's lease under this epoch.
    pub(super) fn put_lease(
        &self,
        target: &str,
        number: Option<i64>,
        epoch: i64,
    ) -> Result<(), Error> {
        self.db
            .prepare_cached(include_str!("sql/take_target.sql"))?
            .execute(params![target, number, epoch])?;
        Ok(())
    }

    /// The run's lease is of this epoch.
    pub(super) fn set_epoch(&self, number: i64, epoch: u64) -> Result<(), Error> {
        let sql = "UPDATE runs SET epoch = ?2 WHERE id = ?1";
        self.db.prepare_cached(sql)?.execute(params![number, signed(epoch)])?;
        Ok(())
    }

    pub(super) fn take_lease(
        &mut self,
        held: &mut Held,
        owner: Option<Arc<str>>,
    ) -> Result<(), Error> {
        self.wrote = true;
        let number = held.run.created.number;
        let sql = "UPDATE runs SET owner = ?2, epoch = epoch + 1 WHERE id = ?1 RETURNING epoch";
        let epoch: i64 = self
            .db
            .prepare_cached(sql)?
            .query_row(params![number, owner.as_deref()], |row| row.get(0))?;
        held.epoch = epoch.unsigned_abs();
        if let Some(shown) = &mut held.shown {
            shown.owner.clone_from(&owner);
        }
        held.owner = owner;
        Ok(())
    }

    /// What a lease's owner says of its pid, where it lives. The dead stay dead.
    fn driver(&mut self, owner: &str) -> Option<String> {
        if self.known.dead.contains(owner) {
            return None;
        }
        let driver = process::is_alive(self.path, owner);
        if driver.is_none() {
            self.known.dead.insert(owner.to_owned());
        }
        driver
    }

    /// What operators left while this run was driven.
    fn consume_inbox(&mut self, held: &mut Held) -> Result<(), Error> {
        let number = held.run.created.number;
        if !self.known.inbox.contains(&number) {
            return Ok(());
        }
        self.wrote = true;
        let sql =
            "SELECT id, actor, command FROM inbox WHERE run = ?1 AND answer IS NULL ORDER BY id";
        let rows = self
            .db
            .prepare_cached(sql)?
            .query_map([number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<Vec<(i64, String, String)>, _>>()?;
        for (id, actor, command) in rows {
            // What cannot be read or may not happen is answered; it must not hold up the run.
            let decided = serde_json::from_str(&command)
                .map_err(|e| format!("the command cannot be read: {e}"))
                .and_then(|c| {
                    decide(&held.run, c, self.now).map_err(|refused| refused.to_string())
                });
            let answer = match decided {
                Ok(facts) => {
                    self.append(held, &actor, facts)?;
                    "done".to_owned()
                }
                Err(why) => why,
            };
            let sql = "UPDATE inbox SET answer = ?2 WHERE id = ?1";
            self.db.prepare_cached(sql)?.execute(params![id, answer])?;
        }
        self.known.inbox.remove(&number);
        Ok(())
    }

    pub(super) fn decide_and_append(
        &mut self,
        held: &mut Held,
        actor: &str,
        command: Command,
    ) -> Result<(), Error> {
        let facts = untried(&held.run, command, self.now)?;
        let run = held.run.created.number;
        self.append(held, actor, facts).map_err(|error| match error {
            Error::Illegal(source) => Refusal::Illegal { run: format!("r{run}"), source }.into(),
            other => other,
        })
    }

    /// Ends a transition: the run's row shows how it stands, and whoever drives it keeps the lease
    /// only while something is left to drive.
    pub(super) fn settle(
        &mut self,
        mut held: Held,
        owner: Option<&str>,
    ) -> Result<Arc<Run>, Error> {
        let over = matches!(due(&held.run, self.now), Due::Person | Due::Sleep(_) | Due::End);
        let owner = owner.filter(|_| !over).map(|owner| match &held.owner {
            Some(held) if **held == *owner => held.clone(),
            _ => owner.into(),
        });
        self.show(&mut held, owner.clone())?;
        let (number, run) = (held.run.created.number, held.run.clone());
        held.owner = owner;
        if held.owner.is_some() {
            self.known.runs.insert(number, held);
        } else {
            // Nobody drives it: it is read again when somebody does.
            self.known.runs.remove(&number);
        }
        Ok(run)
    }
}

/// SQLite's integers are signed; ours never come near the edge.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
