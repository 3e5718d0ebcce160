//! What must hold after every step, judged from the stored bytes and from the world alone: the
//! auditor reads every frame itself and believes no driver.

use super::{frame::Change, reading::Reading, store::Store, world::World};
use kaizen_engine::{
    digest::Digest,
    journal::{
        Binding, Command, Decision, Due, Effect, EffectState, Event, Fact, Live, Method, Outcome,
        Run, Status, due,
    },
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub struct Auditor {
    pub reading: Reading,
    /// Who was given which lease.
    given: BTreeMap<(i64, u64), Option<String>>,
    /// The approvals since a run last asked.
    approvals: BTreeMap<i64, Vec<Decision>>,
    /// The lease under which a run announced its first effect.
    announced: BTreeMap<i64, u64>,
    /// The tokens of commands that have happened.
    happened: BTreeSet<String>,
    /// The event hashes of each run.
    hashes: BTreeMap<i64, Vec<Digest>>,
    // What somebody was told.
    applied: Vec<String>,
    queued: Vec<(usize, String)>,
    heads: BTreeMap<i64, (u64, Digest)>,
    world_seen: u64,
}

impl Auditor {
    pub fn check(&mut self, store: &Store, world: &World) -> Result<(), String> {
        if let Some(broken) = &world.broken {
            return Err(broken.clone());
        }
        let mut touched = self.read(store)?;
        let (stored, held) = (&self.reading.tables, &store.tables);
        if (&stored.head, &stored.leases, &stored.targets, &stored.inbox)
            != (&held.head, &held.leases, &held.targets, &held.inbox)
        {
            return Err("what is stored is not what is in memory".to_owned());
        }
        for number in &touched {
            if stored.runs.get(number) != held.runs.get(number) {
                return Err(format!("r{number}: the stored bytes fold to another run"));
            }
        }
        if world.changes != self.world_seen {
            self.world_seen = world.changes;
            touched = stored.runs.keys().copied().collect();
        }
        for number in touched {
            self.holds_of(&self.reading.tables.runs[&number], world)
                .map_err(|why| format!("r{number}: {why}"))?;
        }
        self.targets()?;
        self.acknowledged()
    }

    /// Reads the new frames; the runs that they are about.
    fn read(&mut self, store: &Store) -> Result<BTreeSet<i64>, String> {
        let mut touched = BTreeSet::new();
        loop {
            let before = self.reading.tables.head.seq;
            match self.reading.next(&store.bytes) {
                Ok(Some(changes)) => {
                    for change in changes {
                        self.learn(change, &mut touched)?;
                    }
                }
                Ok(None) => return Ok(touched),
                // The end may be torn until somebody opens the journal again.
                Err(_) if store.suspect => return Ok(touched),
                Err(why) => return Err(format!("the journal is broken after row {before}: {why}")),
            }
        }
    }

    fn learn(&mut self, change: Change, touched: &mut BTreeSet<i64>) -> Result<(), String> {
        match change {
            Change::Event(stored) => {
                touched.insert(stored.run);
                self.hashes.entry(stored.run).or_default().push(stored.event_hash);
                let fact = Event::decode(&stored.event).unwrap().fact;
                self.happened.extend(token_of_fact(&fact).map(str::to_owned));
                let approvals = self.approvals.entry(stored.run).or_default();
                match fact {
                    Fact::ApprovalRequested { .. } => approvals.clear(),
                    Fact::Approved { decision } => approvals.push(decision),
                    Fact::EffectAnnounced { .. } => {
                        self.announced.entry(stored.run).or_insert(stored.epoch);
                    }
                    _ => {}
                }
            }
            Change::Lease { run, owner, epoch } => {
                self.given.entry((run, epoch)).or_insert(owner);
            }
            Change::Answered { id, answer } => {
                let command = serde_json::from_str(&self.reading.tables.inbox[id].command).unwrap();
                let token = token(&command).unwrap_or_default();
                if answer == "done" && !self.happened.contains(token) {
                    return Err(format!("{token} was answered and has not happened"));
                }
            }
            Change::Target { .. } | Change::Asked { .. } => {}
        }
        Ok(())
    }

    /// What holds of a run, whatever happened to it.
    fn holds_of(&self, run: &Run, world: &World) -> Result<(), String> {
        let number = run.created.number;
        let open = run.effects.values().filter(|s| matches!(s, EffectState::Announced { .. }));
        if open.count() > 1 {
            return Err("two effects are under way".to_owned());
        }
        for effect in Effect::ALL.iter().copied() {
            let there = world.is_done(number, effect);
            let fits = match run.effects.get(&effect) {
                Some(EffectState::Announced { .. }) => true,
                Some(EffectState::Done { .. }) => there,
                Some(EffectState::Failed { .. }) => !there,
                // A person may have undone it by hand.
                None => !there || effect.undone_by().is_none(),
            };
            if !fits {
                let state = run.effects.get(&effect);
                return Err(format!("{effect} is {state:?}; in the world: {there}"));
            }
        }
        if run.created.dry_run && !run.effects.is_empty() {
            return Err("a dry run announced an effect".to_owned());
        }
        if let Status::Finished { outcome } = run.status {
            let standing = world.standing(number);
            if outcome != Outcome::Kept && !standing.is_empty() {
                return Err(format!("it ended as {outcome} and {standing:?} stand in the world"));
            }
            if outcome == Outcome::Kept && standing != run.standing_effects() {
                return Err(format!("kept, and of its effects only {standing:?} stand"));
            }
            if run.target_epoch.is_some() || run.unresolved().is_some() {
                return Err("it ended with a target or with an open effect".to_owned());
            }
        }
        let whom = match &run.status {
            Status::Live(Live::WaitingApproval { .. })
            | Status::Paused { .. }
            | Status::NeedsOperator { .. } => true,
            Status::Live(_) | Status::Sleeping { .. } | Status::Finished { .. } => false,
        };
        if due(run, run.updated_at) == Due::Person && !whom {
            return Err("it waits for a person and does not say for whom".to_owned());
        }
        Ok(())
    }

    /// A target is held by at most one run, and both sides say so.
    fn targets(&self) -> Result<(), String> {
        let tables = &self.reading.tables;
        let mut holders = BTreeMap::new();
        for (number, run) in &tables.runs {
            let Some(epoch) = run.target_epoch else { continue };
            let target = &run.created.target;
            if let Some((other, _)) = holders.insert(target, (number, epoch)) {
                return Err(format!("{target} is held by r{other} and by r{number}"));
            }
        }
        for (target, (number, epoch)) in &holders {
            if tables.targets.get(*target) != Some(&(Some(**number), *epoch)) {
                return Err(format!("r{number} holds {target}, which does not say so"));
            }
        }
        for (target, (holder, _)) in &tables.targets {
            if holder.as_ref() != holders.get(target).map(|held| held.0) {
                return Err(format!("{target} says that {holder:?} holds it"));
            }
        }
        Ok(())
    }

    /// Nothing of what somebody was told is lost.
    fn acknowledged(&self) -> Result<(), String> {
        if let Some(token) = self.applied.iter().find(|token| !self.happened.contains(*token)) {
            return Err(format!("{token} was acknowledged and is lost"));
        }
        for (id, command) in &self.queued {
            let asked = self.reading.tables.inbox.get(*id);
            if asked.map(|asked| &asked.command) != Some(command) {
                return Err(format!("what was left in the inbox is lost: {command}"));
            }
        }
        for (number, (seq, head)) in &self.heads {
            let at = usize::try_from(*seq - 1).unwrap();
            if self.hashes.get(number).and_then(|hashes| hashes.get(at)) != Some(head) {
                return Err(format!("event {seq} of r{number} was acknowledged and is lost"));
            }
        }
        Ok(())
    }

    /// A person was told that a command has happened.
    pub fn told_applied(&mut self, command: &Command) {
        self.applied.extend(token(command).map(str::to_owned));
    }

    /// A person was told that a command waits in the inbox.
    pub fn told_queued(&mut self, id: usize, command: &Command) {
        self.queued.push((id, serde_json::to_string(command).unwrap()));
    }

    /// A driver was told that its transition is in the journal.
    pub fn told_driver(&mut self, run: &Run) {
        self.heads.insert(run.created.number, (run.seq, run.head));
    }

    /// An append was accepted: by the one who has the lease, and under the newest epoch.
    pub fn accepted(&self, number: i64, epoch: u64, by: &str) -> Result<(), String> {
        let newest = self.reading.tables.leases[&number].epoch;
        let given = self.given.get(&(number, epoch)).and_then(Option::as_deref);
        if newest != epoch || given != Some(by) {
            return Err(format!(
                "r{number}: an append of {by} under epoch {epoch} was accepted; the newest is \
                 {newest}, and {epoch} was given to {given:?}"
            ));
        }
        Ok(())
    }

    /// An effect was performed: approved by enough people for what it was about to change.
    pub fn performed(&self, number: i64, effect: Effect, world: &World) -> Result<(), String> {
        let run = &self.reading.tables.runs[&number];
        if run.created.dry_run {
            return Err(format!("{effect} of the dry run r{number} was performed"));
        }
        let state = run.effects.get(&effect);
        if !matches!(state, Some(EffectState::Announced { .. })) {
            return Err(format!("{effect} of r{number} was performed although it is {state:?}"));
        }
        if effect.undone_by().is_none() {
            return Ok(());
        }
        let policy = &run.created.approval;
        let under = self.announced.get(&number).copied().unwrap_or_default();
        let binding = world.read.get(&(number, under)).map(Binding::digest);
        let given = self.approvals.get(&number).map_or(&[][..], Vec::as_slice);
        let named = |who: &String| policy.approvers.is_empty() || policy.approvers.contains(who);
        let alone = policy.quorum <= 1 && !policy.separation_of_duties;
        let people: BTreeSet<&str> = given
            .iter()
            .filter(|decision| Some(decision.digest) == binding)
            .filter(|d| match d.method {
                // Who wrote the workflow named the kinds beside the approvers.
                Method::Policy => alone && !policy.auto_kinds.is_empty(),
                Method::PreApproved => alone && named(&d.who),
                Method::Cli | Method::Unverified => named(&d.who),
            })
            .filter(|d| !(policy.separation_of_duties && d.who == run.created.started_by))
            .filter(|d| d.method != Method::Unverified || policy.quorum <= 1)
            .map(|decision| decision.who.as_str())
            .collect();
        if people.len() < policy.quorum as usize {
            return Err(format!(
                "{effect} of r{number} was performed with the approval of {people:?} only, of {}",
                policy.quorum
            ));
        }
        Ok(())
    }

    /// At the end: every command in the inbox has its answer, and all of it replays.
    pub fn at_the_end(&self) -> Result<(), String> {
        let open = self.reading.tables.inbox.iter().find(|asked| asked.answer.is_none());
        if let Some(open) = open {
            return Err(format!("r{} never answered {}", open.run, open.command));
        }
        self.reading.replayed()
    }
}

/// What tells a person's command apart from every other.
pub fn token(command: &Command) -> Option<&str> {
    match command {
        Command::Approve { decision } | Command::Reject { decision } => Some(&decision.reason),
        Command::Pause { reason }
        | Command::Cancel { reason }
        | Command::Rollback { reason, .. }
        | Command::Resolve { reason, .. } => Some(reason),
        _ => None,
    }
}

fn token_of_fact(fact: &Fact) -> Option<&str> {
    match fact {
        Fact::Approved { decision } | Fact::Rejected { decision } => Some(&decision.reason),
        Fact::Paused { reason }
        | Fact::CancelRequested { reason }
        | Fact::RollbackRequested { reason }
        | Fact::OperatorResolved { reason, .. } => Some(reason),
        _ => None,
    }
}
