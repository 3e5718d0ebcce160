//! Appending to the journal: both chains, the projections that follow from events, and reading a
//! run back.

use super::{
    connection::explain,
    error::Error,
    head::{Held, Shown},
    reader,
    transition::{Tx, signed},
};
use crate::{
    digest::Digest,
    journal::{Event, Fact, Facts, Live, Outcome, Phase, Run, Status, Timestamp, apply, chain},
};
use rusqlite::{OptionalExtension, params};
use std::sync::Arc;

/// Where an event belongs.
pub(super) struct Place {
    pub number: i64,
    pub run_seq: u64,
    /// The run's event before it, in the journal.
    pub prev: Option<u64>,
    pub epoch: u64,
}

impl Shown {
    /// What a run's row shows of it under this owner.
    pub(super) fn of(run: &Run, owner: Option<Arc<str>>) -> Shown {
        let due_at = match &run.status {
            Status::Live(Live::WaitingApproval { gate, .. }) => Some(gate.expires_at),
            Status::Sleeping { until, .. } => Some(*until),
            Status::Live(Live::Queued { .. } | Live::Running { .. } | Live::RollingBack { .. })
            | Status::Paused { .. }
            | Status::NeedsOperator { .. }
            | Status::Finished { .. } => None,
        };
        Shown {
            status: run.status.word(),
            outcome: run.outcome.map(Outcome::word),
            finished_at: run.finished_at,
            due_at,
            owner,
        }
    }
}

impl Held {
    /// What the run's row shows of it under this owner.
    pub(super) fn shows(&self, owner: Option<Arc<str>>) -> Shown {
        Shown::of(&self.run, owner)
    }
}

impl Tx<'_> {
    /// A run with its lease, as both are in this transaction.
    pub(super) fn held(&mut self, number: i64) -> Result<Held, Error> {
        if let Some(held) = self.known.runs.get(&number) {
            return Ok(held.clone());
        }
        let row = self
            .db
            .prepare_cached("SELECT owner, epoch, last FROM runs WHERE id = ?1")?
            .query_row([number], |row| {
                Ok((row.get::<_, Option<Arc<str>>>(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let (owner, epoch, last): (_, i64, Option<i64>) =
            row.ok_or_else(|| Error::NoSuchRun(format!("r{number}")))?;
        let run = Arc::new(reader::fold(self.db, number)?);
        let (epoch, last) = (epoch.unsigned_abs(), last.map(i64::unsigned_abs));
        Ok(Held { run, last, owner, epoch, shown: None })
    }

    /// Appends facts in order, advancing both chains.
    pub(super) fn append(
        &mut self,
        held: &mut Held,
        actor: &str,
        facts: Vec<Fact>,
    ) -> Result<(), Error> {
        if facts.is_empty() {
            return Ok(());
        }
        self.wrote = true;
        let number = held.run.created.number;
        let mut run = Run::clone(&held.run);
        for fact in facts {
            let target = run.target_epoch;
            let event = Event { run: None, at: self.now, actor: actor.to_owned(), fact };
            let (folded, last) =
                self.append_event(Some(run), number, held.last, held.epoch, &event)?;
            self.follow(&folded, target.is_some(), &event.fact, last)?;
            held.last = Some(last);
            run = folded;
        }
        held.run = Arc::new(run);
        Ok(())
    }

    /// One event: folded, chained, stored. Returns the run with it, and its place in the journal.
    pub(super) fn append_event(
        &mut self,
        run: Option<Run>,
        number: i64,
        prev: Option<u64>,
        epoch: u64,
        event: &Event,
    ) -> Result<(Run, u64), Error> {
        let previous = run.as_ref().map_or(Digest::ZERO, |run| run.head);
        let stored = event.encode()?;
        let hash = chain::event_hash(&previous, stored.as_bytes());
        let folded = apply(run, event, hash)?;
        let place = Place { number, run_seq: folded.seq, prev, epoch };
        let seq = self.put_event(&place, &stored, &hash)?;
        Ok((folded, seq))
    }

    /// The stored bytes of an event. Returns its place in the journal.
    pub(super) fn put_event(
        &mut self,
        place: &Place,
        stored: &str,
        hash: &Digest,
    ) -> Result<u64, Error> {
        let head = &mut self.known.head;
        head.seq += 1;
        head.hash = chain::journal_hash(&head.hash, hash);
        head.at = self.now;
        self.db
            .prepare_cached(include_str!("sql/insert_event.sql"))?
            .execute(params![
                signed(head.seq),
                place.number,
                signed(place.run_seq),
                place.prev.map(signed),
                signed(place.epoch),
                stored,
                hash.0,
                head.hash.0,
            ])
            .map_err(|e| explain(self.path, e))?;
        Ok(head.seq)
    }

    /// What follows from the event at `seq`, which made `folded` of a run that held its target (or
    /// not) before.
    pub(super) fn follow(
        &self,
        folded: &Run,
        held_target: bool,
        fact: &Fact,
        seq: u64,
    ) -> Result<(), Error> {
        let number = folded.created.number;
        if held_target && folded.target_epoch.is_none() {
            let sql = "UPDATE target_leases SET run = NULL WHERE target = ?1 AND run = ?2";
            self.db.prepare_cached(sql)?.execute(params![folded.created.target, number])?;
        }
        self.project(number, folded, fact, seq)
    }

    /// Tables that follow from single facts; `seq` is the event's place in the journal.
    fn project(&self, number: i64, run: &Run, fact: &Fact, seq: u64) -> Result<(), Error> {
        self.put_models(number, run.revision, fact)?;
        self.put_history(number, run, fact, seq)
    }

    /// The versions that a run has learnt.
    pub(super) fn put_models(&self, number: i64, revision: u32, fact: &Fact) -> Result<(), Error> {
        let Fact::PhaseCompleted { facts: Facts::Learned(models), .. } = fact else {
            return Ok(());
        };
        let at = self.now.to_string();
        for model in models {
            self.db.prepare_cached(include_str!("sql/insert_model.sql"))?.execute(params![
                model.name,
                model.digest.0,
                model.promoted,
                number,
                revision,
                at,
            ])?;
        }
        Ok(())
    }

    /// The history row of a run that has been recorded.
    pub(super) fn put_history(
        &self,
        number: i64,
        run: &Run,
        fact: &Fact,
        seq: u64,
    ) -> Result<(), Error> {
        if matches!(fact, Fact::PhaseCompleted { phase: Phase::RecordProvenance, .. }) {
            let outcome = run.outcome.map_or("", Outcome::word);
            self.db
                .prepare_cached("INSERT INTO history VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![number, run.revision, outcome, signed(seq)])?;
        }
        Ok(())
    }

    /// Writes the run's row where it no longer shows how the run stands.
    pub(super) fn show(&mut self, held: &mut Held, owner: Option<Arc<str>>) -> Result<(), Error> {
        let shows = held.shows(owner);
        if held.shown.as_ref() == Some(&shows) {
            return Ok(());
        }
        self.wrote = true;
        let text = |at: Timestamp| at.to_string();
        self.db.prepare_cached(include_str!("sql/update_run.sql"))?.execute(params![
            held.run.created.number,
            shows.status,
            shows.outcome,
            shows.finished_at.map(text),
            shows.due_at.map(text),
            shows.owner.as_deref(),
        ])?;
        held.shown = Some(shows);
        Ok(())
    }
}
