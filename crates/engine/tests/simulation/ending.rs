//! The end of a schedule: no fault any more, and whatever is due is done. Then every run has ended
//! or says whom it waits for; and once everybody has answered, every run has ended.

use super::{
    faults::Faults,
    schedule::{Breach, HOUR, Sim},
    store::Fate,
};
use kaizen_engine::journal::{Due, Live, Run, Status, Timestamp, due};
use std::sync::Arc;

/// More than any schedule needs to come to rest, so that one that never does is found.
const PATIENCE: u32 = 6_000;

impl Sim {
    /// From here on nothing goes wrong any more: what is on its way arrives, the dead are replaced.
    pub fn calm_down(&mut self) -> Result<(), Breach> {
        self.tell(|| "all is calm".to_owned());
        self.faults = Faults::default();
        if self.rng.chance(300) {
            self.clock.0 -= i64::try_from(self.rng.below(48)).unwrap() * HOUR;
        }
        for message in std::mem::take(&mut self.mail) {
            self.receive(message, Fate::Good)?;
            self.check()?;
        }
        for at in 0..self.processes.len() {
            self.restart(at);
        }
        Ok(())
    }

    /// Processes do what is due until nothing is, or until all that is waits for something.
    pub fn come_to_rest(&mut self) -> Result<(), Breach> {
        for _ in 0..PATIENCE {
            self.step += 1;
            self.counts.add("steps");
            let busy = (0..self.processes.len()).find(|at| self.processes[*at].drives.is_some());
            if let Some(at) = busy {
                self.advance(at)?;
            } else if let Some(number) =
                self.claimable().into_iter().find(|number| !self.waits_for_target(*number))
            {
                self.claim(0, number)?;
            } else if let Some(until) = self.next_waking() {
                self.clock = self.clock.max(until);
            } else {
                return self.check();
            }
            self.check()?;
        }
        Err(self.breach(format!("nothing comes to rest: {}", self.standing())))
    }

    fn next_waking(&self) -> Option<Timestamp> {
        let until = |run: &Arc<Run>| match run.status {
            Status::Sleeping { until, .. } => Some(until),
            Status::Live(_)
            | Status::Paused { .. }
            | Status::NeedsOperator { .. }
            | Status::Finished { .. } => None,
        };
        self.store.tables.runs.values().filter_map(until).min()
    }

    /// Whether another run holds its target, and it says so where it can.
    fn waits_for_target(&self, number: i64) -> bool {
        let run = &self.store.tables.runs[&number];
        if due(run, self.clock.max(run.updated_at)) != Due::AcquireTarget {
            return false;
        }
        let holder = self.store.tables.targets.get(&run.created.target).and_then(|held| held.0);
        let says = match &run.status {
            Status::Live(Live::Queued { behind, .. }) => *behind == holder,
            Status::Live(Live::RollingBack { .. }) => true,
            Status::Live(Live::Running { .. } | Live::WaitingApproval { .. })
            | Status::Sleeping { .. }
            | Status::Paused { .. }
            | Status::NeedsOperator { .. }
            | Status::Finished { .. } => false,
        };
        says && holder.is_some_and(|holder| holder != number)
    }

    pub fn says_whom_it_waits_for(&mut self) -> Result<(), Breach> {
        for (number, run) in &self.store.tables.runs {
            let waits = match due(run, self.clock.max(run.updated_at)) {
                Due::Person | Due::End => true,
                _ => self.waits_for_target(*number),
            };
            if !waits {
                return Err(self.breach(format!("r{number} waits for nobody: {}", self.standing())));
            }
        }
        Ok(())
    }

    pub fn everything_ended(&mut self) -> Result<(), Breach> {
        for run in self.store.tables.runs.values() {
            let Status::Finished { outcome } = run.status else {
                return Err(self.breach(format!(
                    "{} does not end: {}",
                    run.name(),
                    self.standing()
                )));
            };
            self.counts.add(outcome.word());
        }
        self.audit.at_the_end().map_err(|what| self.breach(what))?;
        self.counts.add_many("events", self.store.tables.head.seq);
        self.counts.add_many("torn ends given away by the seal", self.store.dropped_by_seal);
        self.counts.add_many("torn ends given away by the chain", self.store.dropped_by_chain);
        Ok(())
    }
}
