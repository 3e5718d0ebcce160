//! A schedule: what one seed makes of a few runs, some processes, people, a clock and a world. At
//! its end the faults stop, and every run has to end or to say whom it waits for.

use super::{
    counts::Counts,
    driver::{Next, Process},
    faults::Faults,
    invariants::Auditor,
    people::{Message, PEOPLE},
    plant::Plant,
    rng::Rng,
    store::{Around, Fate, Store},
    transition::{Error, Tx},
    world::World,
};
use kaizen_engine::{
    digest::Digest,
    journal::{
        ApprovalPolicy, Command, Created, Decision, Due, Effect, Live, Method, Run, Status,
        Timestamp, due, event::How, gate::OnExpiry,
    },
};
use std::sync::Arc;
use uuid::Uuid;

const START: Timestamp = Timestamp(1_800_000_000_000_000);
const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
/// More than any schedule needs to come to rest, so that one that never does is found.
const PATIENCE: u32 = 6_000;

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
    to_start: u64,
    targets: u64,
    names: u64,
    tokens: u64,
}

impl Sim {
    pub fn new(seed: u64, plant: Option<Plant>, traced: bool) -> Sim {
        let mut rng = Rng::new(seed);
        let faults = Faults::draw(&mut rng);
        let (to_start, targets, processes) =
            (2 + rng.below(3), 1 + rng.below(2), 2 + rng.below(2));
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
    fn claimable(&self) -> Vec<i64> {
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

    fn start_a_run(&mut self) -> Result<(), Breach> {
        let at = self.rng.index(self.processes.len());
        let process = &self.processes[at];
        if self.to_start == 0 || !process.alive || process.stalled > 0 || process.drives.is_some() {
            return Ok(());
        }
        let number = i64::try_from(self.store.tables.runs.len()).unwrap() + 1;
        let created = self.created(number);
        let id = Uuid::from_u128(u128::from(self.rng.next()) << 64 | u128::from(self.rng.next()));
        let me = self.processes[at].id.clone();
        self.tell(|| format!("{at} starts r{number}: {created:?}"));
        let said = self.write(Some(at), Fate::Good, |tx| tx.create(id, created, &me))?;
        if let Some(Ok(run)) = said {
            self.to_start -= 1;
            self.counts.add("runs");
            self.accepted(number, 1, &me, &run)?;
            let next = Next::Look;
            self.processes[at].drives = Some(super::driver::Driving { number, epoch: 1, run, next });
        }
        Ok(())
    }

    fn created(&mut self, number: i64) -> Created {
        let some = |yes: bool, names: &[&str]| {
            if yes { names.iter().map(|name| (*name).to_owned()).collect() } else { Vec::new() }
        };
        let approval = ApprovalPolicy {
            quorum: 1 + u32::from(self.rng.chance(400)),
            approvers: some(self.rng.chance(250), &["grace", "barbara"]),
            separation_of_duties: self.rng.chance(250),
            expires_after_ms: 1_000 * (60 + self.rng.below(86_400)),
            on_expiry: self.rng.pick(&[OnExpiry::Reject, OnExpiry::Park]),
            auto_kinds: some(self.rng.chance(150), &["index"]),
            auto_min_probability: 0.9,
        };
        let given = Decision {
            who: "ada".to_owned(),
            reason: self.new_token(),
            method: Method::Cli,
            os_user: "ada".to_owned(),
            host: "host".to_owned(),
            digest: Digest::ZERO,
        };
        Created {
            number,
            workflow: "index-tuning".to_owned(),
            workflow_path: "workflows/index-tuning.toml".to_owned(),
            definition: Digest::of(&[b"definition"]),
            policy: Digest::of(&[b"policy"]),
            engine: 1,
            kaizen: "0.1.0".to_owned(),
            dry_run: self.rng.chance(100),
            target: self.any_target(),
            from_run: None,
            change: None,
            started_by: self.rng.pick(&PEOPLE).to_owned(),
            approval,
            pre_approved: self.rng.chance(150).then_some(given),
            budget_ms: if self.rng.chance(150) { 60 } else { 300_000 },
            max_attempts: 3,
        }
    }

    /// From here on nothing goes wrong any more: what is on its way arrives, the dead are replaced.
    fn calm_down(&mut self) -> Result<(), Breach> {
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
    fn come_to_rest(&mut self) -> Result<(), Breach> {
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

    fn says_whom_it_waits_for(&mut self) -> Result<(), Breach> {
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

    fn everything_ended(&mut self) -> Result<(), Breach> {
        for run in self.store.tables.runs.values() {
            let Status::Finished { outcome } = run.status else {
                return Err(self.breach(format!("{} does not end: {}", run.name(), self.standing())));
            };
            self.counts.add(outcome.word());
        }
        self.audit.at_the_end().map_err(|what| self.breach(what))?;
        self.counts.add_many("events", self.store.tables.head.seq);
        self.counts.add_many("torn ends given away by the seal", self.store.dropped_by_seal);
        self.counts.add_many("torn ends given away by the chain", self.store.dropped_by_chain);
        Ok(())
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
    fn check(&mut self) -> Result<(), Breach> {
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

    fn any_target(&mut self) -> String {
        format!("t{}", self.rng.below(self.targets))
    }

    fn standing(&self) -> String {
        let runs = self.store.tables.runs.values();
        runs.map(|run| format!("{} {:?}; ", run.name(), run.status)).collect()
    }
}
