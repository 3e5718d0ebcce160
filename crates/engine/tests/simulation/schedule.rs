//! A schedule: what one seed makes of a few runs, some processes, people, a clock and a world. At
//! its end the faults stop, and every run has to end or to say whom it waits for.

use super::{
    counts::Counts,
    driver::{Next, Process},
    faults::Faults,
    invariants::Auditor,
    people::Message,
    plant::Plant,
    rng::Rng,
    store::{Around, Fate, Store},
    transition::{Error, Tx},
    world::World,
};
use kaizen_engine::journal::{Command, Due, Effect, Run, Timestamp, due, event::How};
use std::sync::Arc;

const START: Timestamp = Timestamp(1_800_000_000_000_000);
pub const HOUR: i64 = 3_600_000_000;

/// An invariant that did not hold.
#[derive(Debug, Clone)]
pub struct Breach {
    pub seed: u64,
    pub step: u64,
    pub what: String,
}

pub struct Sim {
    pub seed: u64,
    pub step: u64,
    pub rng: Rng,
    pub clock: Timestamp,
    pub store: Store,
    pub world: World,
    pub audit: Auditor,
    pub processes: Vec<Process>,
    pub mail: Vec<Message>,
    pub faults: Faults,
    pub plant: Option<Plant>,
    pub counts: Counts,
    /// What happened, where somebody wants to read it.
    pub trace: Option<Vec<String>>,
    /// How many runs are still to be started.
    pub to_start: u64,
    targets: u64,
    names: u64,
    tokens: u64,
}

impl Sim {
    pub fn new(seed: u64, plant: Option<Plant>, traced: bool) -> Sim {
        let mut rng = Rng::new(seed);
        let faults = Faults::draw(&mut rng);
        let (to_start, targets, processes) = (2 + rng.below(3), 1 + rng.below(2), 2 + rng.below(2));
        let processes = (1..=processes).map(|n| Process::new(format!("p{n}"))).collect::<Vec<_>>();
        Sim {
            seed,
            step: 0,
            rng,
            clock: START,
            store: Store::default(),
            world: World::new(plant),
            audit: Auditor::default(),
            names: processes.len() as u64,
            processes,
            mail: Vec::new(),
            faults,
            plant,
            counts: Counts::default(),
            trace: traced.then(Vec::new),
            to_start,
            targets,
            tokens: 0,
        }
    }

    /// All of it. The trace and the counts stay in the simulation.
    pub fn run(&mut self) -> Result<(), Breach> {
        let steps = 150 + self.rng.below(450);
        while self.step < steps || self.to_start > 0 {
            self.chaos()?;
            self.check()?;
        }
        self.calm_down()?;
        self.come_to_rest()?;
        self.says_whom_it_waits_for()?;
        for _ in 0..60 {
            if self.store.tables.runs.values().all(|run| due(run, self.clock) == Due::End) {
                break;
            }
            self.everybody_answers()?;
            self.check()?;
            self.come_to_rest()?;
        }
        self.everything_ended()
    }

    fn chaos(&mut self) -> Result<(), Breach> {
        self.step += 1;
        self.counts.add("steps");
        self.clock.0 += i64::try_from(self.rng.below(2_000_000)).unwrap();
        self.weather();
        match self.rng.below(100) {
            0..72 => {
                let at = self.rng.index(self.processes.len());
                self.turn(at)
            }
            72..82 => {
                self.think();
                Ok(())
            }
            82..95 => self.deliver(),
            _ => self.start_a_run(),
        }
    }

    /// What happens to everybody.
    fn weather(&mut self) {
        if self.rng.chance(self.faults.clock_jump) {
            let hours = i64::try_from(self.rng.below(30)).unwrap();
            let back = self.rng.chance(500);
            self.counts.add(if back { "clock jumps back" } else { "clock jumps forward" });
            self.clock.0 += if back { -hours } else { hours } * HOUR;
            self.tell(|| format!("the clock jumps by {hours} hours, back: {back}"));
        }
        if self.rng.chance(self.faults.others) {
            let (target, schema) = (self.any_target(), self.rng.chance(500));
            self.counts.add("changes by others");
            self.tell(|| format!("others change {target}"));
            self.world.changed_by_others(&target, schema);
        }
        if self.rng.chance(self.faults.power_loss) {
            self.counts.add("power losses");
            self.tell(|| "the power fails".to_owned());
            for at in 0..self.processes.len() {
                self.kill(at);
            }
            self.store.power_loss(self.plant, &mut self.rng);
        }
    }

    /// A process has its turn.
    fn turn(&mut self, at: usize) -> Result<(), Breach> {
        let process = &mut self.processes[at];
        if !process.alive {
            if self.rng.chance(300) {
                self.restart(at);
            }
            return Ok(());
        }
        if process.stalled > 0 {
            process.stalled -= 1;
            return Ok(());
        }
        // Where most is at stake most is tried.
        let times = if self.holds_an_effect(at) { 5 } else { 1 };
        if self.rng.chance(times * self.faults.crash) {
            self.counts.add(self.where_it_is(at));
            self.kill(at);
            return Ok(());
        }
        if self.rng.chance(times * self.faults.stall) {
            let seems_dead = self.rng.chance(600);
            self.processes[at].stalled = 1 + self.rng.below(40);
            self.processes[at].looks_dead |= seems_dead;
            self.counts.add(if seems_dead { "stalls taken for a death" } else { "stalls" });
            self.tell(|| format!("{at} stalls, and looks dead: {seems_dead}"));
            return Ok(());
        }
        if self.processes[at].drives.is_some() {
            return self.advance(at);
        }
        let mut claimable = self.claimable();
        if self.rng.chance(950) {
            // Whoever looks first knows that there is a driver; the others are told.
            claimable.retain(|number| !self.is_driven(*number));
        }
        if claimable.is_empty() || self.rng.chance(200) {
            return Ok(());
        }
        let number = self.rng.pick(&claimable);
        self.claim(at, number)
    }

    /// Whether it is about to do an effect, or has done one that nobody knows of.
    fn holds_an_effect(&self, at: usize) -> bool {
        let next = self.processes[at].drives.as_ref().map(|driving| &driving.next);
        match next {
            Some(Next::Perform(_)) => true,
            Some(Next::Commit(commands)) => {
                matches!(commands.first(), Some(Command::Settled { how: How::Performed, .. }))
            }
            _ => false,
        }
    }

    /// Where a process dies between two micro-steps.
    fn where_it_is(&self, at: usize) -> &'static str {
        match self.processes[at].drives.as_ref().map(|driving| &driving.next) {
            None => "crashes of an idle process",
            Some(Next::Look | Next::AskTarget | Next::Release) => "crashes after a load",
            Some(Next::Phase(..) | Next::Verify) => "crashes before a phase",
            Some(Next::Plan(_)) => "crashes before a plan",
            Some(Next::Probe { .. } | Next::ProbeAfter(..)) => "crashes before a probe",
            Some(Next::Perform(_)) => "crashes before an effect",
            Some(Next::Commit(commands)) => match commands.first() {
                Some(Command::Settled { how: How::Performed, .. }) => "crashes after an effect",
                Some(Command::Announce { .. }) => "crashes before an announcement",
                _ => "crashes before another commit",
            },
        }
    }

    /// Runs for which something is due that needs no person.
    pub fn claimable(&self) -> Vec<i64> {
        let waits = |run: &Run| match due(run, self.clock.max(run.updated_at)) {
            Due::Person | Due::End | Due::Sleep(_) => true,
            Due::RunPhase { .. }
            | Due::StopForBudget { .. }
            | Due::AskApproval
            | Due::AcquireTarget
            | Due::Announce(_)
            | Due::Settle(_)
            | Due::Probe(_)
            | Due::VerifyRollback
            | Due::Expire
            | Due::Wake => false,
        };
        let runs = self.store.tables.runs.iter();
        runs.filter(|(_, run)| !waits(run)).map(|(number, _)| *number).collect()
    }

    fn is_driven(&self, number: i64) -> bool {
        let owner = &self.store.tables.leases[&number].owner;
        let lives = |id: &String| {
            self.processes.iter().any(|process| process.is_seen_alive() && process.id == *id)
        };
        owner.as_ref().is_some_and(lives)
    }

    /// One transaction. `None`: whoever asked did not live to hear.
    pub fn write<T>(
        &mut self,
        by: Option<usize>,
        fate: Fate,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, Error>,
    ) -> Result<Option<Result<T, Error>>, Breach> {
        let alive = self.processes.iter().filter(|process| process.is_seen_alive());
        let alive = alive.map(|process| process.id.clone()).collect();
        let around = Around { clock: self.clock, alive, plant: self.plant };
        let answer = self.store.write(&around, fate, &mut self.rng, work);
        let answer = answer.map_err(|what| self.breach(what))?;
        if answer.dies {
            self.tell(|| format!("and dies: {fate:?}"));
            self.counts.add(match fate {
                Fate::DiesBefore => "crashes in a commit, before it",
                Fate::DiesWithin(_) => "crashes in a commit, torn",
                Fate::DiesAfter => "crashes in a commit, after it",
                Fate::Good | Fate::Fails => "",
            });
            if let Some(at) = by {
                self.kill(at);
            }
        }
        Ok(answer.said)
    }

    /// After every step: the journal, the world and what people were told agree.
    pub fn check(&mut self) -> Result<(), Breach> {
        self.audit.check(&self.store, &self.world).map_err(|what| self.breach(what))
    }

    /// A driver's append was accepted.
    pub fn accepted(&mut self, number: i64, epoch: u64, me: &str, run: &Run) -> Result<(), Breach> {
        self.check()?;
        self.audit.told_driver(run);
        self.audit.accepted(number, epoch, me).map_err(|what| self.breach(what))
    }

    pub fn performed(&mut self, number: i64, effect: Effect) -> Result<(), Breach> {
        self.audit.performed(number, effect, &self.world).map_err(|what| self.breach(what))
    }

    pub fn breach(&self, what: String) -> Breach {
        Breach { seed: self.seed, step: self.step, what }
    }

    pub fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>4} {} {}", self.step, self.clock, what()));
        }
    }

    pub fn any_run(&mut self) -> Option<Arc<Run>> {
        let runs: Vec<_> = self.store.tables.runs.values().cloned().collect();
        (!runs.is_empty()).then(|| runs[self.rng.index(runs.len())].clone())
    }

    pub fn new_token(&mut self) -> String {
        self.tokens += 1;
        format!("reason {}", self.tokens)
    }

    /// The same machine, another process.
    pub fn restart(&mut self, at: usize) {
        self.names += 1;
        self.processes[at] = Process::new(format!("p{}", self.names));
        self.tell(|| format!("{at} is new"));
    }

    fn kill(&mut self, at: usize) {
        self.tell(|| format!("{at} dies"));
        let process = &mut self.processes[at];
        (process.alive, process.drives) = (false, None);
    }

    pub fn any_target(&mut self) -> String {
        format!("t{}", self.rng.below(self.targets))
    }

    pub fn standing(&self) -> String {
        let runs = self.store.tables.runs.values();
        runs.map(|run| format!("{} {:?}; ", run.name(), run.status)).collect()
    }
}
