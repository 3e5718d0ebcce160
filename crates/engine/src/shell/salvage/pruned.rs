//! Runs that retention took bodies out of: what follows from their events is known only with the
//! event that accounts for what is gone, and that one may be lost to the damage.

use super::{Damaged, Salvage, at, plausible};
use crate::{
    digest::Digest,
    journal::{
        Compacted, Event, Fact, Phase, chain,
        replay::{Left, Row, left},
        retention,
    },
    shell::{append::Place, error::Error, head::Held, reader, transition::signed},
};
use std::{collections::BTreeSet, sync::Arc};

/// How far a run has come some of whose events are but hashes.
#[derive(Clone, Copy)]
pub(super) struct Gone {
    run_seq: u64,
    head: Digest,
    last: Option<u64>,
    epoch: u64,
    revision: u32,
}

impl Salvage<'_> {
    /// Copies an event of a run that lost bodies to retention: what followed from its events is
    /// known once the event has come that accounts for them.
    pub(super) fn pruned(
        &mut self,
        row: &Row,
        epoch: Option<u64>,
    ) -> Result<Result<(), String>, Error> {
        let number = row.run;
        let before = match self.gone.get(&number) {
            Some(gone) => *gone,
            None => match self.held(number)? {
                Some(held) => {
                    let Held { run, last, epoch, .. } = held;
                    let (run_seq, head, revision) = (run.seq, run.head, run.revision);
                    Gone { run_seq, head, last, epoch, revision }
                }
                None => return Ok(Err(format!("{}: the run's first body is gone", at(row)))),
            },
        };
        let event = match row.is_pruned() {
            true => row.follows(before.run_seq).map(|()| None),
            false => row.check(before.run_seq, &before.head).map(Some),
        };
        let event = match event {
            Ok(event) => event,
            Err(broken) => return Ok(Err(broken.to_string())),
        };
        let ends = matches!(event, Some(Event { fact: Fact::RunCompacted(_), .. }));
        let whole = if ends {
            let (mut rows, _) = reader::rows_of(self.db, number)?;
            rows.push(row.clone());
            match left(&rows) {
                Ok(whole) => whole,
                Err(broken) => return Ok(Err(broken.to_string())),
            }
        } else {
            None
        };
        self.known.runs.remove(&number);
        let now = event.as_ref().map_or(self.known.head.at, |event| event.at);
        if let Some(event) = &event {
            retention::artifacts(&event.fact, &mut self.named);
        }
        let epoch = plausible(epoch, before.epoch);
        let mut tx = self.tx(now);
        if epoch != before.epoch {
            tx.set_epoch(number, epoch)?;
        }
        if let Some(Event { fact: Fact::TargetAcquired { target, epoch }, .. }) = &event {
            // It was given back long ago; what stays is that later ones have a higher epoch.
            tx.put_lease(target, None, signed(*epoch))?;
        }
        let place = Place { number, run_seq: row.run_seq, prev: before.last, epoch };
        let seq = tx.put_event(&place, &row.event, &row.event_hash)?;
        if let Some(whole) = whole {
            self.whole(whole, seq, epoch)?;
        } else {
            let reopened =
                matches!(event, Some(Event { fact: Fact::RollbackRequested { .. }, .. }));
            let revision = before.revision + u32::from(reopened);
            if let Some(event) = &event {
                // In the order in which they were learnt: that is what counts their versions.
                tx.put_models(number, revision, &event.fact)?;
            }
            let (run_seq, head) = (row.run_seq, row.event_hash);
            self.gone.insert(number, Gone { run_seq, head, last: Some(seq), epoch, revision });
        }
        self.took(seq).map(Ok)
    }

    /// A compacted run is whole with the event at `seq`: what follows from the others is known now.
    fn whole(&mut self, whole: Left, seq: u64, epoch: u64) -> Result<(), Error> {
        let number = whole.run.created.number;
        self.gone.remove(&number);
        for (run, event, seq) in &whole.phases {
            self.tx(event.at).put_history(number, run, &event.fact, *seq)?;
        }
        let mut held =
            Held { run: Arc::new(whole.run), last: Some(seq), owner: None, epoch, shown: None };
        let mut tx = self.tx(self.known.head.at);
        tx.mark_compacted(&held.run)?;
        tx.show(&mut held, None)
    }

    /// Says anew what is gone of runs that had ended, where the event that said so is lost.
    pub(super) fn account(&mut self, damaged: &Damaged) -> Result<(), Error> {
        let numbers: BTreeSet<i64> = self.gone.keys().copied().collect();
        self.execute("BEGIN IMMEDIATE")?;
        for number in numbers {
            let Some((row, epoch, whole)) = self.accounts(number, damaged)? else { continue };
            let place = Place { number, run_seq: row.run_seq, prev: row.prev, epoch };
            let seq = self.tx(self.known.head.at).put_event(&place, &row.event, &row.event_hash)?;
            self.whole(whole, seq, epoch)?;
            self.report.accounted += 1;
        }
        self.execute("COMMIT")
    }

    /// The event that would say so, and the run with it; `None`: too little is known, or it had not
    /// ended.
    fn accounts(&self, number: i64, damaged: &Damaged) -> Result<Option<(Row, u64, Left)>, Error> {
        let Some(gone) = self.gone.get(&number).copied() else { return Ok(None) };
        let Some(outcomes) = damaged.outcomes(number) else { return Ok(None) };
        let (mut rows, _) = reader::rows_of(self.db, number)?;
        let (mut finished_at, mut spent) = (None, 0_u64);
        for event in rows.iter().filter_map(|row| Event::decode(&row.event).ok()) {
            if let Fact::PhaseCompleted { phase, spent_ms, .. } = event.fact {
                spent = spent.saturating_add(spent_ms);
                if phase == Phase::RecordProvenance {
                    finished_at = Some(event.at);
                }
            }
        }
        let Some(finished_at) = finished_at else { return Ok(None) };
        let pruned = rows.iter().filter(|row| row.is_pruned()).map(|row| row.run_seq).collect();
        let compacted = Compacted { pruned, outcomes, finished_at, spent_ms: spent, failure: None };
        let event = Event {
            run: None,
            at: self.known.head.at,
            actor: "kaizen journal salvage".to_owned(),
            fact: Fact::RunCompacted(Arc::new(compacted)),
        };
        let stored = event.encode()?;
        let row = Row {
            seq: self.known.head.seq + 1,
            run: number,
            run_seq: gone.run_seq + 1,
            prev: gone.last,
            event_hash: chain::event_hash(&gone.head, stored.as_bytes()),
            event: stored,
            journal_hash: Digest::ZERO,
        };
        rows.push(row.clone());
        Ok(left(&rows).ok().flatten().map(|whole| (row, gone.epoch, whole)))
    }
}
