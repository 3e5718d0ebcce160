//! A process that drives one run at a time, one micro-step after the other. Between any two it may
//! die, stall, or be overtaken: what it holds in its hands is lost or out of date then.

use super::{
    plant::Plant,
    schedule::{Breach, Sim},
    store::Fate,
    transition::Error,
    work::failure,
};
use kaizen_engine::{
    error::Class,
    journal::{Command, Due, Effect, Phase, Run, due, event::Failure},
};
use std::{sync::Arc, time::Duration};

/// An owner of leases.
#[derive(Debug, Clone)]
pub struct Process {
    pub id: String,
    pub alive: bool,
    /// Others find its lock free, rightly or not.
    pub looks_dead: bool,
    /// It does nothing for so many of its turns.
    pub stalled: u64,
    pub drives: Option<Driving>,
}

/// A run under a lease, as the process believes it to be, and what it is about to do.
#[derive(Debug, Clone)]
pub struct Driving {
    pub number: i64,
    pub epoch: u64,
    pub run: Arc<Run>,
    pub next: Next,
}

/// A micro-step.
#[derive(Debug, Clone)]
pub enum Next {
    Look,
    Phase(Phase, u32),
    Plan(Effect),
    Probe {
        effect: Effect,
        perform: bool,
    },
    Perform(Effect),
    /// Something failed after the effect was announced: what is there decides.
    ProbeAfter(Effect, Failure),
    Verify,
    Commit(Vec<Command>),
    /// A look at the target: a transition without a command.
    AskTarget,
    /// Nothing to do but to give the lease back.
    Release,
}

impl Process {
    pub fn new(id: String) -> Process {
        Process { id, alive: true, looks_dead: false, stalled: 0, drives: None }
    }

    /// Whether others find its lock held.
    pub fn is_seen_alive(&self) -> bool {
        self.alive && !self.looks_dead
    }
}

impl Sim {
    /// The next micro-step of a process that drives a run.
    pub fn advance(&mut self, at: usize) -> Result<(), Breach> {
        let Some(mut driving) = self.processes[at].drives.take() else { return Ok(()) };
        let next = std::mem::replace(&mut driving.next, Next::Look);
        self.tell(|| format!("{} r{}: {next:?}", at, driving.number));
        let next = match next {
            Next::Look => self.look(&driving.run),
            Next::Phase(phase, attempt) => Some(self.phase(&driving.run, phase, attempt)),
            Next::Plan(effect) => Some(self.plan(&driving, effect)),
            Next::Probe { effect, perform } => Some(self.probe(&driving, effect, perform)),
            Next::Perform(effect) => Some(self.perform(&driving, effect)?),
            Next::ProbeAfter(effect, failure) => Some(self.probe_after(&driving, effect, failure)),
            Next::Verify => Some(self.verify()),
            Next::Commit(commands) => return self.commit(at, driving, commands),
            Next::AskTarget => return self.ask_target(at, driving),
            Next::Release => return self.release(at, &driving),
        };
        if let Some(next) = next {
            driving.next = next;
            self.processes[at].drives = Some(driving);
        }
        Ok(())
    }

    fn look(&mut self, run: &Run) -> Option<Next> {
        let commit = |command| Some(Next::Commit(vec![command]));
        match due(run, self.clock.max(run.updated_at)) {
            Due::RunPhase { phase, attempt } => Some(Next::Phase(phase, attempt)),
            Due::StopForBudget { phase, attempt } => {
                self.counts.add("budgets spent");
                let failure = failure("budget_spent", Class::Operator);
                commit(Command::Fail { phase, attempt, spent_ms: 0, failure, retry_after_ms: 0 })
            }
            Due::AskApproval => commit(Command::AskApproval),
            Due::AcquireTarget => Some(Next::AskTarget),
            Due::Announce(effect) => Some(Next::Plan(effect)),
            Due::Settle(effect) => {
                let perform = true;
                if self.plant == Some(Plant::SkipsTheProbe) {
                    return Some(Next::Perform(effect));
                }
                Some(Next::Probe { effect, perform })
            }
            Due::Probe(effect) => Some(Next::Probe { effect, perform: false }),
            Due::VerifyRollback => Some(Next::Verify),
            Due::Expire if self.plant == Some(Plant::ExpiresByTheDriversClock) => {
                commit(Command::Expire)
            }
            Due::Expire => Some(Next::Commit(Vec::new())),
            Due::Wake => {
                self.counts.add("wakings");
                commit(Command::Wake)
            }
            // It waits here for a while, or leaves the run to whoever comes.
            Due::Sleep(_) if self.rng.chance(800) => Some(Next::Look),
            Due::Sleep(_) => Some(Next::Release),
            Due::Person | Due::End => None,
        }
    }

    pub fn sleep(&mut self, why: &str) -> Next {
        self.counts.add("sleeps");
        let until = self.clock.plus(Duration::from_secs(30));
        Next::Commit(vec![Command::Sleep { until, why: why.to_owned() }])
    }

    fn commit(
        &mut self,
        at: usize,
        driving: Driving,
        commands: Vec<Command>,
    ) -> Result<(), Breach> {
        let (number, epoch) = (driving.number, driving.epoch);
        let me = self.processes[at].id.clone();
        let fate = self.fate();
        let said = self.write(Some(at), fate, |tx| tx.transition(number, epoch, &me, commands))?;
        match said {
            Some(Ok(run)) => {
                self.accepted(number, epoch, &me, &run)?;
                self.drives(at, Driving { run, next: Next::Look, ..driving });
                Ok(())
            }
            Some(Err(Error::Refused(refusal))) => {
                Err(self.breach(format!("a driver that does what is due was refused: {refusal}")))
            }
            Some(Err(error)) => self.stops(at, &error),
            None => Ok(()),
        }
    }

    fn ask_target(&mut self, at: usize, driving: Driving) -> Result<(), Breach> {
        let (number, epoch, before) = (driving.number, driving.epoch, driving.run.clone());
        let me = self.processes[at].id.clone();
        let fate = self.fate();
        let said =
            self.write(Some(at), fate, |tx| tx.transition(number, epoch, &me, Vec::new()))?;
        match said {
            Some(Ok(run)) => {
                self.accepted(number, epoch, &me, &run)?;
                let moved = run.target_epoch.is_some() || run.status != before.status;
                if !moved {
                    self.counts.add("looks at a target that another run held");
                }
                let next = if moved || self.rng.chance(300) { Next::Look } else { Next::Release };
                self.drives(at, Driving { run, next, ..driving });
                Ok(())
            }
            Some(Err(Error::Refused(refusal))) => {
                Err(self.breach(format!("asking for the target was refused: {refusal}")))
            }
            Some(Err(error)) => self.stops(at, &error),
            None => Ok(()),
        }
    }

    fn release(&mut self, at: usize, driving: &Driving) -> Result<(), Breach> {
        let (number, epoch) = (driving.number, driving.epoch);
        let fate = self.fate();
        let said = self.write(Some(at), fate, |tx| {
            tx.release(number, epoch);
            Ok(())
        })?;
        match said {
            Some(Err(error)) => self.stops(at, &error),
            Some(Ok(())) | None => Ok(()),
        }
    }

    /// What a process does whose transition did not come about.
    fn stops(&mut self, at: usize, error: &Error) -> Result<(), Breach> {
        match error {
            Error::Fenced => self.counts.add("appends fenced"),
            Error::Driven => self.counts.add("claims of a run that is driven"),
            Error::Disk => self.counts.add("failed writes"),
            Error::Refused(refusal) => return Err(self.breach(format!("refused: {refusal}"))),
        }
        // It ends, as a command does that failed; or lives on and tries the next thing.
        if self.rng.chance(500) {
            self.restart(at);
        }
        Ok(())
    }

    /// Takes a run's lease.
    pub fn claim(&mut self, at: usize, number: i64) -> Result<(), Breach> {
        self.tell(|| format!("{at} r{number}: claim"));
        let me = self.processes[at].id.clone();
        let fate = self.fate();
        let said = self.write(Some(at), fate, |tx| tx.claim(number, &me, "grace"))?;
        match said {
            Some(Ok((run, epoch, took_over))) => {
                if took_over {
                    self.counts.add("takeovers");
                }
                self.accepted(number, epoch, &me, &run)?;
                self.drives(at, Driving { number, epoch, run, next: Next::Look });
                Ok(())
            }
            Some(Err(error)) => self.stops(at, &error),
            None => Ok(()),
        }
    }

    fn drives(&mut self, at: usize, driving: Driving) {
        // The one who was answered may have died of it all the same.
        if self.processes[at].alive {
            self.processes[at].drives = Some(driving);
        }
    }

    /// What becomes of a transaction.
    pub fn fate(&mut self) -> Fate {
        use super::frame::Tear;
        if self.rng.chance(self.faults.disk) {
            return Fate::Fails;
        }
        if !self.rng.chance(self.faults.crash_in_commit) {
            return Fate::Good;
        }
        let tears = [Tear::Cut, Tear::Garbled, Tear::Unsealed];
        match self.rng.below(3) {
            0 => Fate::DiesBefore,
            1 => Fate::DiesWithin(self.rng.pick(&tears)),
            _ => Fate::DiesAfter,
        }
    }
}
