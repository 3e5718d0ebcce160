//! The outside world: targets with a branch and a schema, on which effects stand. It counts what
//! was done to it, and refuses whoever comes with an older epoch than one that it has seen.

use super::plant::Plant;
use kaizen_engine::journal::{Binding, Effect};
use std::collections::{BTreeMap, BTreeSet};

/// A target: everything in it is part of what an approval binds to.
#[derive(Debug, Clone, Default)]
struct Place {
    base: u64,
    /// Runs whose up script stands.
    schema: BTreeSet<i64>,
    /// What others made of it.
    foreign: u64,
}

/// Why an effect could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    StaleEpoch,
    /// The branch is no longer where it was.
    Moved,
}

#[derive(Debug, Default)]
pub struct World {
    places: BTreeMap<String, Place>,
    /// Every effect that was done, and how often.
    done: BTreeMap<(i64, Effect), u32>,
    /// The newest epoch that was seen of a run.
    epochs: BTreeMap<i64, u64>,
    /// What was last read as a run's binding under an epoch.
    pub read: BTreeMap<(i64, u64), Binding>,
    /// What must never have happened.
    pub broken: Option<String>,
    plant: Option<Plant>,
    /// Counts what changes it, and what it was asked.
    pub changes: u64,
}

impl World {
    pub fn new(plant: Option<Plant>) -> World {
        World { plant, ..World::default() }
    }

    /// What an approval binds to, as it is now.
    pub fn binding(&self, target: &str) -> Binding {
        let place = self.places.get(target).cloned().unwrap_or_default();
        let schema = format!("{:?}+{}", place.schema, place.foreign);
        let base = format!("c{}", place.base);
        Binding([("base_commit".to_owned(), base), ("schema".to_owned(), schema)].into())
    }

    /// The same for a run that is about to announce its first effect.
    pub fn read_binding(&mut self, run: i64, epoch: u64, target: &str) -> Binding {
        let binding = self.binding(target);
        self.read.insert((run, epoch), binding.clone());
        binding
    }

    pub fn base(&self, target: &str) -> u64 {
        self.places.get(target).map_or(0, |place| place.base)
    }

    /// Somebody else's commit, or somebody else's change of the schema.
    pub fn changed_by_others(&mut self, target: &str, schema: bool) {
        let place = self.places.entry(target.to_owned()).or_default();
        // To and fro, so that a binding that was approved once comes back.
        if schema {
            place.foreign = (place.foreign + 1) % 2
        } else {
            place.base += 1
        }
        self.changes += 1;
    }

    /// Whether it was done. Whoever looks has been here: older epochs come too late.
    pub fn probe(&mut self, run: i64, effect: Effect, epoch: u64) -> bool {
        if self.plant != Some(Plant::ForgetsTheProbe) {
            self.seen(run, epoch);
        }
        self.is_done(run, effect)
    }

    pub fn perform(
        &mut self,
        run: i64,
        target: &str,
        effect: Effect,
        epoch: u64,
        base: u64,
    ) -> Result<(), Refused> {
        if self.epochs.get(&run).is_some_and(|seen| *seen > epoch) {
            return Err(Refused::StaleEpoch);
        }
        if self.plant == Some(Plant::ForgetsTheProbe) && self.is_done(run, effect) {
            // A marker row, a commit's id: the same again is nothing new.
            return Ok(());
        }
        if effect == Effect::Commit && self.base(target) != base {
            return Err(Refused::Moved);
        }
        self.seen(run, epoch);
        self.does(run, target, effect);
        Ok(())
    }

    /// A person does by hand what the engine could not.
    pub fn by_hand(&mut self, run: i64, target: &str, effect: Effect, epoch: u64) {
        self.seen(run, epoch);
        if !self.is_done(run, effect) {
            self.does(run, target, effect);
        }
    }

    fn does(&mut self, run: i64, target: &str, effect: Effect) {
        self.changes += 1;
        let times = self.done.entry((run, effect)).or_default();
        *times += 1;
        if *times > 1 {
            self.broken = Some(format!("{effect} of r{run} was done {times} times"));
        }
        let undoes = Effect::ALL.iter().copied().find(|e| e.undone_by() == Some(effect));
        if let Some(undoes) = undoes
            && !self.is_done(run, undoes)
        {
            self.broken = Some(format!("{effect} of r{run} undid what was not there"));
        }
        let place = self.places.entry(target.to_owned()).or_default();
        match effect {
            Effect::Commit | Effect::Revert => place.base += 1,
            Effect::Up => {
                place.schema.insert(run);
            }
            Effect::Down => {
                place.schema.remove(&run);
            }
            Effect::Worktree | Effect::Push | Effect::RevertWorktree | Effect::RevertPush => {}
        }
    }

    fn seen(&mut self, run: i64, epoch: u64) {
        let seen = self.epochs.entry(run).or_default();
        *seen = epoch.max(*seen);
    }

    pub fn is_done(&self, run: i64, effect: Effect) -> bool {
        self.done.contains_key(&(run, effect))
    }

    /// What was deployed and not taken back.
    pub fn standing(&self, run: i64) -> Vec<Effect> {
        let deployed = Effect::ALL.iter().copied().filter(|effect| self.is_done(run, *effect));
        deployed
            .filter(|effect| effect.undone_by().is_some_and(|undo| !self.is_done(run, undo)))
            .collect()
    }
}
