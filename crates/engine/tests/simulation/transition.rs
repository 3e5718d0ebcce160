//! What the shell does within one transaction, in small and on tables in memory: create, claim,
//! transition, operate, release. The rules are the engine's: `decide`, `apply`, `due`, the chains.

use super::{
    frame::{Change, StoredEvent},
    plant::Plant,
    reading::{Head, Tables},
    store::Around,
};
use kaizen_engine::{
    digest::Digest,
    journal::{
        Command, Created, Due, Event, Fact, Refusal, Run, Status, Timestamp, apply, chain, decide,
        due, event::ENGINE,
    },
};
use std::sync::Arc;
use uuid::Uuid;

/// Why a transition did not come about.
#[derive(Debug, Clone, PartialEq)]
pub enum Error {
    Driven,
    Fenced,
    Refused(Refusal),
    Disk,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::Refused(refusal)
    }
}

/// How an operator's command was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operated {
    Applied,
    /// Left in the inbox, under this number.
    Queued(usize),
}

pub struct Tx<'a> {
    tables: Tables,
    changes: Vec<Change>,
    now: Timestamp,
    around: &'a Around,
}

impl<'a> Tx<'a> {
    pub fn new(tables: Tables, around: &'a Around) -> Tx<'a> {
        let now = match around.plant {
            Some(Plant::BelievesTheClock) => around.clock,
            _ => around.clock.max(tables.head.at),
        };
        Tx { tables, changes: Vec::new(), now, around }
    }

    pub fn done(self) -> (Tables, Vec<Change>) {
        (self.tables, self.changes)
    }

    pub fn create(&mut self, id: Uuid, created: Created, me: &str) -> Result<Arc<Run>, Error> {
        let number = created.number;
        let actor = created.started_by.clone();
        self.change(Change::Lease { run: number, owner: Some(me.to_owned()), epoch: 1 });
        let fact = Fact::RunCreated(Arc::new(created));
        self.append_event(number, &Event { run: Some(id), at: self.now, actor, fact });
        Ok(self.run(number))
    }

    pub fn claim(
        &mut self,
        number: i64,
        me: &str,
        actor: &str,
    ) -> Result<(Arc<Run>, u64, bool), Error> {
        let owner = self.tables.leases[&number].owner.clone();
        let dead = match owner {
            Some(owner) if owner == me => None,
            Some(owner) if self.around.alive.contains(&owner) => return Err(Error::Driven),
            owner => owner,
        };
        let took_over = dead.is_some();
        self.take_lease(number, Some(me));
        let status = self.run(number).status.clone();
        if dead.is_some() || matches!(status, Status::NeedsOperator { .. }) {
            self.decide(number, actor, Command::Resume { after_crash_of: dead })?;
        } else if matches!(status, Status::Paused { .. }) {
            self.decide(number, actor, Command::Unpause)?;
        }
        self.consume_inbox(number);
        self.expire(number)?;
        let epoch = self.tables.leases[&number].epoch;
        Ok((self.settle(number, Some(me)), epoch, took_over))
    }

    pub fn transition(
        &mut self,
        number: i64,
        epoch: u64,
        me: &str,
        commands: Vec<Command>,
    ) -> Result<Arc<Run>, Error> {
        let checks = self.around.plant != Some(Plant::SkipsTheEpochCheck);
        if checks && self.tables.leases[&number].epoch != epoch {
            return Err(Error::Fenced);
        }
        for command in commands {
            self.decide(number, ENGINE, command)?;
        }
        self.consume_inbox(number);
        self.expire(number)?;
        if due(&self.run(number), self.now) == Due::AcquireTarget {
            self.acquire_target(number)?;
        }
        Ok(self.settle(number, Some(me)))
    }

    pub fn operate(
        &mut self,
        number: i64,
        actor: &str,
        command: Command,
    ) -> Result<Operated, Error> {
        let owner = self.tables.leases[&number].owner.clone();
        if owner.is_some_and(|owner| self.around.alive.contains(&owner)) {
            decide(&self.run(number), command.clone(), self.now)?;
            let (id, actor) = (self.tables.inbox.len(), actor.to_owned());
            let command = serde_json::to_string(&command).unwrap();
            self.change(Change::Asked { id, run: number, actor, command });
            return Ok(Operated::Queued(id));
        }
        self.take_lease(number, None);
        self.consume_inbox(number);
        self.decide(number, actor, command)?;
        self.settle(number, None);
        Ok(Operated::Applied)
    }

    pub fn release(&mut self, number: i64, epoch: u64) {
        let lease = &self.tables.leases[&number];
        if lease.epoch == epoch && lease.owner.is_some() {
            self.change(Change::Lease { run: number, owner: None, epoch });
        }
    }

    fn expire(&mut self, number: i64) -> Result<(), Error> {
        let leaves_it = self.around.plant == Some(Plant::ExpiresByTheDriversClock);
        if !leaves_it && due(&self.run(number), self.now) == Due::Expire {
            self.decide(number, ENGINE, Command::Expire)?;
        }
        Ok(())
    }

    fn acquire_target(&mut self, number: i64) -> Result<(), Error> {
        let target = self.run(number).created.target.clone();
        let holder = self.tables.targets.get(&target).copied();
        let command = match holder {
            Some((Some(other), _))
                if other != number && self.around.plant != Some(Plant::TakesAnyTarget) =>
            {
                Command::Queue { target, behind: Some(other) }
            }
            holder => {
                let epoch = holder.map_or(1, |(_, epoch)| epoch + 1);
                self.change(Change::Target { target: target.clone(), run: Some(number), epoch });
                Command::Hold { target, epoch }
            }
        };
        self.decide(number, ENGINE, command)
    }

    fn take_lease(&mut self, number: i64, owner: Option<&str>) {
        let epoch = self.tables.leases[&number].epoch + 1;
        self.change(Change::Lease { run: number, owner: owner.map(str::to_owned), epoch });
    }

    fn consume_inbox(&mut self, number: i64) {
        for id in 0..self.tables.inbox.len() {
            let asked = self.tables.inbox[id].clone();
            if asked.run != number || asked.answer.is_some() {
                continue;
            }
            let command = serde_json::from_str(&asked.command).unwrap();
            let answer = match decide(&self.run(number), command, self.now) {
                Ok(_) if self.around.plant == Some(Plant::DropsTheInbox) => "done".to_owned(),
                Ok(facts) => {
                    self.append(number, &asked.actor, facts);
                    "done".to_owned()
                }
                Err(refusal) => refusal.to_string(),
            };
            self.change(Change::Answered { id, answer });
        }
    }

    fn decide(&mut self, number: i64, actor: &str, command: Command) -> Result<(), Error> {
        let facts = decide(&self.run(number), command, self.now)?;
        self.append(number, actor, facts);
        Ok(())
    }

    fn append(&mut self, number: i64, actor: &str, facts: Vec<Fact>) {
        for fact in facts {
            let held = self.run(number).target_epoch;
            let event = Event { run: None, at: self.now, actor: actor.to_owned(), fact };
            self.append_event(number, &event);
            let run = self.run(number);
            let target = run.created.target.clone();
            let lease = self.tables.targets.get(&target).copied();
            if let (Some(_), None, Some((Some(holder), epoch))) = (held, run.target_epoch, lease)
                && holder == number
            {
                self.change(Change::Target { target, run: None, epoch });
            }
        }
    }

    fn append_event(&mut self, number: i64, event: &Event) {
        let before = self.tables.runs.get(&number).map(|run| Run::clone(run));
        let previous = before.as_ref().map_or(Digest::ZERO, |run| run.head);
        let stored = event.encode().unwrap();
        let event_hash = chain::event_hash(&previous, stored.as_bytes());
        let run = apply(before, event, event_hash).expect("what was decided folds");
        let (seq, lease) = (self.tables.head.seq + 1, self.tables.leases.get_mut(&number).unwrap());
        let journal_hash = chain::journal_hash(&self.tables.head.hash, &event_hash);
        self.tables.head = Head { seq, hash: journal_hash, at: event.at };
        let (prev, epoch) = (lease.last.replace(seq), lease.epoch);
        self.changes.push(Change::Event(StoredEvent {
            seq,
            run: number,
            run_seq: run.seq,
            prev,
            epoch,
            event: stored,
            event_hash,
            journal_hash,
        }));
        self.tables.runs.insert(number, Arc::new(run));
    }

    fn settle(&mut self, number: i64, owner: Option<&str>) -> Arc<Run> {
        let run = self.run(number);
        let over = matches!(due(&run, self.now), Due::Person | Due::Sleep(_) | Due::End);
        let owner = owner.filter(|_| !over).map(str::to_owned);
        let lease = &self.tables.leases[&number];
        if lease.owner != owner {
            self.change(Change::Lease { run: number, owner, epoch: lease.epoch });
        }
        run
    }

    fn run(&self, number: i64) -> Arc<Run> {
        self.tables.runs[&number].clone()
    }

    fn change(&mut self, change: Change) {
        self.tables.change(&change);
        self.changes.push(change);
    }
}
