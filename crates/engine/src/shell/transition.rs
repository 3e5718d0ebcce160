//! What may be done within one journal transaction: create, claim, decide and append, project.

use super::{
    connection::explain,
    error::Error,
    head::{Cache, Head},
    process, reader,
};
use crate::{
    digest::Digest,
    journal::{
        Command, Created, Due, Event, Fact, Facts, Live, Outcome, Payload, Phase, Run, Status,
        Timestamp, apply, chain, decide, due, event::VERSION,
    },
};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;
use uuid::Uuid;

/// One transition's view of the journal, within its savepoint.
pub struct Tx<'a> {
    db: &'a Connection,
    path: &'a Path,
    head: Head,
    cache: &'a mut Cache,
    now: Timestamp,
}

/// How an operator's command was taken.
#[derive(Debug, Clone)]
pub enum Operated {
    /// It has happened; the run as it is now.
    Applied(Box<Run>),
    /// A living driver will consume it with its next transition.
    Queued { driver: String },
}

impl<'a> Tx<'a> {
    pub(super) fn new(
        db: &'a Connection,
        path: &'a Path,
        head: Head,
        cache: &'a mut Cache,
        now: Timestamp,
    ) -> Tx<'a> {
        Tx { db, path, head, cache, now }
    }

    pub(super) fn into_head(self) -> Head {
        self.head
    }

    pub(super) fn path(&self) -> &Path {
        self.path
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
    ) -> Result<Run, Error> {
        let number = created.number;
        let at = self.now.to_string();
        self.db.prepare_cached(include_str!("sql/insert_run.sql"))?.execute(params![
            number,
            id.to_string(),
            created.workflow,
            created.target,
            created.dry_run,
            at,
            owner,
        ])?;
        let fact = Fact::RunCreated(Box::new(created));
        let run = self.append(None, id, number, 1, actor, vec![fact])?;
        self.project(&run, Some(owner))?;
        Ok(run)
    }

    /// Takes the run's lease: the new epoch fences whoever had it before.
    ///
    /// # Errors
    /// [`Error::Driven`] where its owner lives.
    pub fn claim(&mut self, number: i64, me: &str, actor: &str) -> Result<(Run, u64), Error> {
        let (owner, _) = self.lease(number)?;
        let dead = match owner {
            Some(owner) if owner == me => None,
            Some(owner) => match process::is_alive(self.path, &owner) {
                Some(driver) => return Err(Error::Driven { run: format!("r{number}"), driver }),
                None => Some(owner),
            },
            None => None,
        };
        let epoch = self.take_lease(number, Some(me))?;
        let mut run = self.load(number)?;
        let asked = matches!(run.status, Status::NeedsOperator { .. });
        if dead.is_some() || asked {
            let command = Command::Resume { after_crash_of: dead };
            run = self.decide_and_append(run, number, epoch, actor, command)?;
        } else if matches!(run.status, Status::Paused { .. }) {
            run = self.decide_and_append(run, number, epoch, actor, Command::Unpause)?;
        }
        run = self.consume_inbox(run, number, epoch)?;
        self.project(&run, Some(me))?;
        Ok((run, epoch))
    }

    /// A driver's transition: decide, append, consume the inbox, project; the lease is given
    /// back where nothing is left to drive.
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
    ) -> Result<Run, Error> {
        let (_, now) = self.lease(number)?;
        if now != epoch {
            return Err(Error::Fenced { run: format!("r{number}") });
        }
        for bytes in artifacts {
            self.put_artifact(bytes)?;
        }
        let mut run = self.load(number)?;
        for command in commands {
            run = self.decide_and_append(run, number, epoch, "kaizen", command)?;
        }
        let run = self.consume_inbox(run, number, epoch)?;
        let over = matches!(due(&run, self.now), Due::Person | Due::Sleep(_) | Due::End);
        self.project(&run, if over { None } else { Some(me) })?;
        Ok(run)
    }

    /// Gives the lease back, where this epoch still holds it.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub fn release(&mut self, number: i64, epoch: u64) -> Result<(), Error> {
        let sql = "UPDATE runs SET owner = NULL WHERE id = ?1 AND epoch = ?2";
        self.db.prepare_cached(sql)?.execute(params![number, signed(epoch)])?;
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
        let run = self.load(number)?;
        let (owner, _) = self.lease(number)?;
        let driver = owner.and_then(|owner| process::is_alive(self.path, &owner));
        if let Some(driver) = driver {
            // Refused now rather than later, where it is plain already.
            decide(&run, command.clone(), self.now)?;
            let command = serde_json::to_string(&command)?;
            let sql = "INSERT INTO inbox (run, actor, at, command) VALUES (?1, ?2, ?3, ?4)";
            let at = self.now.to_string();
            self.db.prepare_cached(sql)?.execute(params![number, actor, at, command])?;
            return Ok(Operated::Queued { driver });
        }
        let epoch = self.take_lease(number, None)?;
        // What was left for a driver that has died came first.
        let run = self.consume_inbox(run, number, epoch)?;
        let run = self.decide_and_append(run, number, epoch, actor, command)?;
        self.project(&run, None)?;
        Ok(Operated::Applied(Box::new(run)))
    }

    /// Tries to take the target's lease for a run.
    ///
    /// # Errors
    /// Where the journal cannot be written, or the run is fenced.
    pub fn acquire_target(&mut self, number: i64, epoch: u64, me: &str) -> Result<Run, Error> {
        let run = self.load(number)?;
        let target = run.created.target.clone();
        let held: Option<(Option<i64>, i64)> = self
            .db
            .prepare_cached("SELECT run, epoch FROM target_leases WHERE target = ?1")?
            .query_row([&target], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let command = match held {
            Some((Some(other), _)) if other != number => {
                Command::Queue { target, behind: Some(other) }
            }
            held => {
                let next = held.map_or(1, |(_, epoch)| epoch + 1);
                self.db
                    .prepare_cached(include_str!("sql/take_target.sql"))?
                    .execute(params![target, number, next])?;
                Command::Hold { target, epoch: next.unsigned_abs() }
            }
        };
        self.transition(number, epoch, me, vec![command], &[])
    }

    /// Stores bytes under their digest, once.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub fn put_artifact(&mut self, bytes: &[u8]) -> Result<Digest, Error> {
        let digest = Digest::of(&[bytes]);
        let sql = "INSERT INTO artifacts (digest, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        self.db.prepare_cached(sql)?.execute(params![digest.0, bytes])?;
        Ok(digest)
    }

    /// The run as it is in this transaction.
    ///
    /// # Errors
    /// Where there is none, or its events do not fold.
    pub fn load(&mut self, number: i64) -> Result<Run, Error> {
        let seq: Option<i64> = self
            .db
            .prepare_cached("SELECT seq FROM runs WHERE id = ?1")?
            .query_row([number], |row| row.get(0))
            .optional()?;
        let Some(seq) = seq else { return Err(Error::NoSuchRun(format!("r{number}"))) };
        if let Some(run) = self.cache.0.get(&number)
            && run.seq == seq.unsigned_abs()
        {
            return Ok(run.clone());
        }
        let run = reader::fold(self.db, number)?;
        self.cache.0.insert(number, run.clone());
        Ok(run)
    }

    fn lease(&self, number: i64) -> Result<(Option<String>, u64), Error> {
        self.db
            .prepare_cached("SELECT owner, epoch FROM runs WHERE id = ?1")?
            .query_row([number], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.unsigned_abs())))
            .optional()?
            .ok_or_else(|| Error::NoSuchRun(format!("r{number}")))
    }

    fn take_lease(&self, number: i64, owner: Option<&str>) -> Result<u64, Error> {
        let sql = "UPDATE runs SET owner = ?2, epoch = epoch + 1 WHERE id = ?1 RETURNING epoch";
        let epoch: i64 =
            self.db.prepare_cached(sql)?.query_row(params![number, owner], |row| row.get(0))?;
        Ok(epoch.unsigned_abs())
    }

    fn decide_and_append(
        &mut self,
        run: Run,
        number: i64,
        epoch: u64,
        actor: &str,
        command: Command,
    ) -> Result<Run, Error> {
        let facts = decide(&run, command, self.now)?;
        let id = run.id;
        if facts.is_empty() {
            return Ok(run);
        }
        self.append(Some(run), id, number, epoch, actor, facts)
    }

    /// Appends facts in order, advancing both chains.
    fn append(
        &mut self,
        mut run: Option<Run>,
        id: Uuid,
        number: i64,
        epoch: u64,
        actor: &str,
        facts: Vec<Fact>,
    ) -> Result<Run, Error> {
        for fact in facts {
            let (seq, previous) = run.as_ref().map_or((0, Digest::ZERO), |run| (run.seq, run.head));
            let event = Event {
                v: VERSION,
                run: id,
                seq: seq + 1,
                at: self.now,
                actor: actor.to_owned(),
                fact,
            };
            let stored = event.encode()?;
            let hash = chain::event_hash(&previous, stored.as_bytes());
            let folded = apply(run, &event, hash)?;
            self.head.seq += 1;
            self.head.hash = chain::journal_hash(&self.head.hash, &hash);
            self.head.at = self.now;
            self.db
                .prepare_cached(include_str!("sql/insert_event.sql"))?
                .execute(params![
                    signed(self.head.seq),
                    number,
                    signed(event.seq),
                    signed(epoch),
                    stored,
                    hash.0,
                    self.head.hash.0,
                ])
                .map_err(|e| explain(self.path, e))?;
            self.project_fact(number, &folded, &event.fact)?;
            run = Some(folded);
        }
        run.ok_or_else(|| Error::NoSuchRun(format!("r{number}")))
    }

    /// Tables that follow from single facts.
    fn project_fact(&self, number: i64, run: &Run, fact: &Fact) -> Result<(), Error> {
        let Fact::PhaseCompleted { phase, output, facts, .. } = fact else { return Ok(()) };
        let at = self.now.to_string();
        if let Facts::Learned(models) = facts {
            for model in models {
                self.db.prepare_cached(include_str!("sql/insert_model.sql"))?.execute(params![
                    model.name,
                    model.digest.0,
                    model.promoted,
                    number,
                    run.revision,
                    at,
                ])?;
            }
        }
        if *phase == Phase::RecordProvenance
            && let Payload::Inline(record) = output
        {
            let outcome = run.outcome.map_or("", Outcome::word);
            let sql = "INSERT INTO history VALUES (?1, ?2, ?3, ?4, ?5)";
            let record = record.to_string();
            self.db.prepare_cached(sql)?.execute(params![
                number,
                run.revision,
                outcome,
                record,
                at
            ])?;
        }
        Ok(())
    }

    /// What operators left while this run was driven.
    fn consume_inbox(&mut self, mut run: Run, number: i64, epoch: u64) -> Result<Run, Error> {
        let sql =
            "SELECT id, actor, command FROM inbox WHERE run = ?1 AND answer IS NULL ORDER BY id";
        let mut waiting = self.db.prepare_cached(sql)?;
        let rows = waiting
            .query_map([number], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<Vec<(i64, String, String)>, _>>()?;
        for (id, actor, command) in rows {
            // What cannot be read or may not happen is answered; it must not hold up the run.
            let decided = serde_json::from_str(&command)
                .map_err(|e| format!("the command cannot be read: {e}"))
                .and_then(|c| decide(&run, c, self.now).map_err(|refusal| refusal.to_string()));
            let answer = match decided {
                Ok(facts) if facts.is_empty() => "done".to_owned(),
                Ok(facts) => {
                    let uuid = run.id;
                    run = self.append(Some(run), uuid, number, epoch, &actor, facts)?;
                    "done".to_owned()
                }
                Err(why) => why,
            };
            let sql = "UPDATE inbox SET answer = ?2 WHERE id = ?1";
            self.db.prepare_cached(sql)?.execute(params![id, answer])?;
        }
        Ok(run)
    }

    /// The run's row, and the target's lease where the run no longer holds it.
    fn project(&mut self, run: &Run, owner: Option<&str>) -> Result<(), Error> {
        let number = run.created.number;
        let due_at = match &run.status {
            Status::Live(Live::WaitingApproval { gate, .. }) => Some(gate.expires_at),
            Status::Sleeping { until, .. } => Some(*until),
            _ => None,
        };
        self.db.prepare_cached(include_str!("sql/update_run.sql"))?.execute(params![
            number,
            run.status.word(),
            run.outcome.map(Outcome::word),
            run.updated_at.to_string(),
            run.finished_at.map(|at| at.to_string()),
            due_at.map(|at| at.to_string()),
            signed(run.seq),
            run.head.0,
            owner,
        ])?;
        if run.target_epoch.is_none() && !run.created.dry_run {
            let sql = "UPDATE target_leases SET run = NULL WHERE run = ?1";
            self.db.prepare_cached(sql)?.execute([number])?;
        }
        if matches!(run.status, Status::Finished { .. }) {
            self.cache.0.remove(&number);
        } else {
            self.cache.0.insert(number, run.clone());
        }
        Ok(())
    }
}

/// SQLite's integers are signed; ours never come near the edge.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
