//! A process that drives one run at a time, one micro-step after the other. Between any two it may
//! die, stall, or be overtaken: what it holds in its hands is lost or out of date then.

use super::{
    schedule::{Breach, Sim},
    store::Fate,
    transition::Error,
    world::Refused,
};
use kaizen_engine::{
    digest::Digest,
    error::Class,
    journal::{
        Command, Due, Effect, EffectState, Facts, Payload, Phase, Run, due,
        event::{Failure, Generated, How, Judged},
    },
    json::Json,
};
use serde_json::{Value, json};
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
    Probe { effect: Effect, perform: bool },
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
            Next::ProbeAfter(effect, failure) => {
                Some(self.probe_after(&driving, effect, failure))
            }
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
                if self.plant == Some(super::plant::Plant::SkipsTheProbe) {
                    return Some(Next::Perform(effect));
                }
                Some(Next::Probe { effect, perform })
            }
            Due::Probe(effect) => Some(Next::Probe { effect, perform: false }),
            Due::VerifyRollback => Some(Next::Verify),
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

    fn phase(&mut self, run: &Run, phase: Phase, attempt: u32) -> Next {
        let spent_ms = self.rng.below(40);
        let fails = |class| {
            let failure = failure("step", class);
            Next::Commit(vec![Command::Fail {
                phase,
                attempt,
                spent_ms,
                failure,
                retry_after_ms: 10_000,
            }])
        };
        if self.rng.chance(self.faults.phase_retries) {
            self.counts.add("phases that failed for now");
            return fails(Class::Retry);
        }
        if self.rng.chance(self.faults.phase_fails) {
            self.counts.add("phases that failed for good");
            return fails(self.rng.pick(&[Class::Operator, Class::Bug]));
        }
        let facts = self.facts(run, phase);
        let output = Payload::Inline(Json::of(&json!({ "of": phase })).unwrap());
        let complete = Command::Complete { phase, attempt, spent_ms, output, facts };
        let body = Payload::Inline(Json::of(&json!({ "n": 1 })).unwrap());
        let note = Command::Note { topic: "seen".to_owned(), body };
        Next::Commit(if self.rng.chance(100) { vec![note, complete] } else { vec![complete] })
    }

    fn facts(&mut self, run: &Run, phase: Phase) -> Facts {
        match phase {
            Phase::Analyze | Phase::Design if self.rng.chance(self.faults.no_change) => {
                Facts::NoChange("nothing to gain".to_owned())
            }
            Phase::Analyze | Phase::Design | Phase::Deploy | Phase::RecordProvenance => {
                Facts::Plain
            }
            Phase::Generate => self.generated(run),
            Phase::Evaluate => {
                let keep = !self.rng.chance(self.faults.worse);
                Facts::Judged(Judged { keep, reasons: Vec::new() })
            }
            Phase::UpdateWeights => Facts::Learned(Vec::new()),
        }
    }

    fn generated(&mut self, run: &Run) -> Facts {
        let all = [Effect::Commit, Effect::Worktree, Effect::Push, Effect::Up];
        let effects = match self.rng.below(4) {
            0 => all.to_vec(),
            1 => vec![Effect::Up],
            2 => vec![Effect::Commit, Effect::Up],
            _ => all.into_iter().filter(|_| self.rng.chance(700)).collect(),
        };
        let human = self.rng.chance(200);
        Facts::Generated(Arc::new(Generated {
            title: "an index".to_owned(),
            kind: "index".to_owned(),
            risk: "low".to_owned(),
            digest: Digest::of(&[b"change"]),
            effects,
            needs_human: human.then(|| "it drops a column".to_owned()).into_iter().collect(),
            preflight_improved: true,
            probability: 0.95,
            binding: self.world.binding(&run.created.target),
        }))
    }

    fn plan(&mut self, driving: &Driving, effect: Effect) -> Next {
        let (run, number) = (&driving.run, driving.number);
        if self.rng.chance(self.faults.plan_fails) {
            self.counts.add("plans that failed");
            let class = self.rng.pick(&[Class::Retry, Class::Operator]);
            return match class {
                Class::Operator if !run.has_effects() && self.rng.chance(500) => {
                    ask(None, "tracked_changes")
                }
                _ => self.effect_failed(driving, effect, class),
            };
        }
        let target = &run.created.target;
        let mut now = None;
        if !run.has_effects() {
            let read = self.world.read_binding(number, driving.epoch, target);
            let skips = self.plant == Some(super::plant::Plant::SkipsTheBinding);
            now = Some(if skips { run.gate.as_ref().unwrap().binding.clone() } else { read });
        }
        let plan = json!({ "base": self.world.base(target) });
        Next::Commit(vec![Command::Announce { effect, plan, now }])
    }

    fn probe(&mut self, driving: &Driving, effect: Effect, perform: bool) -> Next {
        match self.look_for(driving, effect) {
            Found::Done => settled(effect, How::Adopted),
            Found::NotDone if perform => Next::Perform(effect),
            Found::NotDone => {
                let failure = failure("not_done", Class::Operator);
                Next::Commit(vec![Command::NotDone { effect, failure }])
            }
            Found::Unreachable => self.sleep("unreachable"),
            Found::Unknown => ask(Some(effect), "unknown_effect"),
        }
    }

    fn perform(&mut self, driving: &Driving, effect: Effect) -> Result<Next, Breach> {
        let class = self.rng.pick(&[Class::Retry, Class::Operator]);
        if self.rng.chance(self.faults.perform_fails) {
            self.counts.add("effects that failed");
            return Ok(self.effect_failed(driving, effect, class));
        }
        let Some(EffectState::Announced { plan, .. }) = driving.run.effects.get(&effect) else {
            return Err(self.breach(format!("{effect} is performed without its announcement")));
        };
        let (base, target) = (plan["base"].as_u64().unwrap(), &driving.run.created.target);
        match self.world.perform(driving.number, target, effect, driving.epoch, base) {
            Ok(()) => {
                self.counts.add("effects performed");
                self.performed(driving.number, effect)?;
            }
            Err(Refused::StaleEpoch) => {
                self.counts.add("effects refused for their epoch");
                return Ok(self.effect_failed(driving, effect, Class::Operator));
            }
            Err(Refused::Moved) => {
                self.counts.add("commits on a branch that had moved");
                return Ok(self.effect_failed(driving, effect, Class::Operator));
            }
        }
        if self.rng.chance(self.faults.lost_answer) {
            self.counts.add("answers lost");
            return Ok(self.effect_failed(driving, effect, class));
        }
        Ok(settled(effect, How::Performed))
    }

    /// An effect could not be planned or done.
    fn effect_failed(&mut self, driving: &Driving, effect: Effect, class: Class) -> Next {
        let announced =
            matches!(driving.run.effects.get(&effect), Some(EffectState::Announced { .. }));
        let failure = failure("effect", class);
        if class == Class::Retry {
            self.sleep("not now")
        } else if effect.undone_by().is_none() {
            ask(Some(effect), "undoing")
        } else if announced {
            Next::ProbeAfter(effect, failure)
        } else {
            Next::Commit(vec![Command::NotDone { effect, failure }])
        }
    }

    fn probe_after(&mut self, driving: &Driving, effect: Effect, failure: Failure) -> Next {
        match self.look_for(driving, effect) {
            Found::Done => settled(effect, How::Adopted),
            Found::NotDone => Next::Commit(vec![Command::NotDone { effect, failure }]),
            Found::Unreachable => self.sleep("unreachable"),
            Found::Unknown => ask(Some(effect), "unknown_effect"),
        }
    }

    fn look_for(&mut self, driving: &Driving, effect: Effect) -> Found {
        if self.rng.chance(self.faults.unreachable) {
            self.counts.add("probes that reached nothing");
            return Found::Unreachable;
        }
        let done = self.world.probe(driving.number, effect, driving.epoch);
        if self.rng.chance(self.faults.unknown) {
            self.counts.add("probes that could not tell");
            return Found::Unknown;
        }
        if done {
            self.counts.add("effects adopted");
        }
        if done { Found::Done } else { Found::NotDone }
    }

    fn verify(&mut self) -> Next {
        if self.rng.chance(self.faults.plan_fails) {
            self.counts.add("rollbacks that did not compare");
            return match self.rng.pick(&[Class::Retry, Class::Operator]) {
                Class::Retry => self.sleep("busy"),
                Class::Operator | Class::Bug => ask(None, "schema_differs"),
            };
        }
        Next::Commit(vec![Command::RolledBack { report: Value::Null }])
    }

    fn sleep(&mut self, why: &str) -> Next {
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
        let said = self.write(Some(at), fate, |tx| tx.transition(number, epoch, &me, Vec::new()))?;
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

    fn fate(&mut self) -> Fate {
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

    /// What becomes of a person's own command.
    pub fn fate_of_a_person(&mut self) -> Fate {
        self.fate()
    }
}

enum Found {
    Done,
    NotDone,
    Unreachable,
    Unknown,
}

fn failure(code: &str, class: Class) -> Failure {
    Failure { code: code.to_owned(), message: format!("{code} happened"), class }
}

fn settled(effect: Effect, how: How) -> Next {
    Next::Commit(vec![Command::Settled { effect, how, receipt: json!({ "did": effect }) }])
}

fn ask(effect: Option<Effect>, code: &str) -> Next {
    let failure = failure(code, Class::Operator);
    Next::Commit(vec![Command::AskOperator { effect, failure, look_at: Vec::new() }])
}
