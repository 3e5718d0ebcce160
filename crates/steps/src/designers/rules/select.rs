//! The workload as a whole: from what helps single queries to one set that helps all.
//!
//! Sets are added while they save time and slow no query down, then everything that does not
//! contribute is dropped again. Not in here: the final judgement on a fresh copy
//! ([`super::verify`]).

use super::{
    Error,
    explore::Explored,
    lab::{Lab, Timing},
    pool::Set,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// An addition must save at least this share of what is left.
const WORTH_ADDING: f64 = 0.004;
/// A removal may cost up to this share of what is left.
const CHEAP_TO_DROP: f64 = 0.01;
/// The same where another index of the set begins alike.
const CHEAP_TO_MERGE: f64 = 0.03;
/// A query that takes at most this multiple of its best needs no further index.
const GOOD_ENOUGH: f64 = 1.05;
/// Rounds of adding and dropping.
const PASSES: usize = 3;
/// How many slowed queries may be helped by further indexes before a set is given up.
const REPAIRS: usize = 2;
/// Share of the allowed write cost that is planned with: another measurement may see more.
const WRITE_MARGIN: f64 = 0.85;
/// The best sets of each query that are considered.
const CHOICES: usize = 6;

/// Choosing for a whole workload.
pub struct Selection<'s, 'a> {
    /// The lab to measure in.
    pub lab: &'s mut Lab<'a>,
    /// What each query costs now; `None`: it could not be measured and does not count.
    pub base: &'s [Option<Timing>],
    /// Candidates that must not be used, as they turned out harmful.
    pub banned: Set,
    /// What was left out because it would slow a query down, by the query's name.
    pub obstacles: BTreeMap<String, Obstacle>,
}

/// Below this share of its time now, and with half the steps, no second look is needed.
const CLEARLY_FASTER: f64 = 0.4;
/// Nor above this multiple of it.
const CLEARLY_SLOWER: f64 = 4.0;

/// Rounds of measuring in turn: fewer where a query is long, as its time then varies less.
fn rounds(ms: f64) -> u32 {
    match ms {
        ms if ms > 20.0 => 2,
        _ => 3,
    }
}

/// What would slow one query down.
#[derive(Debug, Clone, Default)]
pub struct Obstacle {
    /// Each set of candidates that it would use to its disadvantage.
    pub sets: BTreeSet<Set>,
    /// The worst of them, for people.
    pub worst: String,
    /// What it would take with that.
    pub ms: f64,
}

/// A set that makes one query faster.
struct Choice {
    query: usize,
    set: Set,
    /// What the query takes with it alone.
    ms: f64,
}

/// What a set would mean for the workload.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Judged {
    /// Weighted milliseconds in all.
    Total(f64),
    /// It slows that query down.
    Slows(usize),
    /// The time ran out.
    Unknown,
}

impl Selection<'_, '_> {
    /// The set to propose; empty where nothing helps.
    ///
    /// # Errors
    /// Where a query fails on the copy.
    pub fn choose(&mut self, explored: &[Explored]) -> Result<Set, Error> {
        let nothing = Set::new();
        let mut best = (nothing.clone(), self.total(&nothing)?.unwrap_or(f64::INFINITY));
        for _ in 0..PASSES {
            let before = best.1;
            for Choice { query, set, ms } in self.options(explored) {
                if set.is_subset(&best.0) || Instant::now() >= self.lab.deadline {
                    continue;
                }
                if self.is_good_enough(query, &best.0, ms)? {
                    continue;
                }
                let with: Set = best.0.union(&set).copied().collect();
                // What is known about the present may have improved in the meantime.
                best.1 = self.total(&best.0)?.unwrap_or(best.1);
                if let Some(better) = self.attempt(&with, best.1, explored, REPAIRS)? {
                    best = better;
                }
            }
            best = self.prune(best)?;
            best = self.afford(best)?;
            if best.1 >= before * (1.0 - WORTH_ADDING) {
                break;
            }
        }
        Ok(best.0)
    }

    /// The set and its total, where that is below `total`. Where the set slows a query down, what
    /// makes that query faster is tried with it.
    fn attempt(
        &mut self,
        set: &Set,
        total: f64,
        explored: &[Explored],
        repairs: usize,
    ) -> Result<Option<(Set, f64)>, Error> {
        let query = match self.judge(set)? {
            Judged::Total(sum) => {
                let worth = sum < total * (1.0 - WORTH_ADDING) && self.is_affordable(set)?;
                return Ok(worth.then(|| (set.clone(), sum)));
            }
            Judged::Unknown => return Ok(None),
            Judged::Slows(query) => query,
        };
        if repairs == 0 {
            return Ok(None);
        }
        for outcome in explored[query].better.iter().take(CHOICES) {
            let with: Set = set.union(&outcome.set).copied().collect();
            if with == *set || !with.is_disjoint(&self.banned) {
                continue;
            }
            if let Some(better) = self.attempt(&with, total, explored, repairs - 1)? {
                return Ok(Some(better));
            }
        }
        Ok(None)
    }

    fn is_affordable(&mut self, set: &Set) -> Result<bool, Error> {
        let allowed = self.lab.input.limits.max_write_cost_pct * WRITE_MARGIN;
        Ok(self.lab.dearer_pct(set)?.is_none_or(|pct| pct <= allowed))
    }

    /// Drops what gives least for what it costs to keep, until writing is cheap enough.
    fn afford(&mut self, (mut set, mut total): (Set, f64)) -> Result<(Set, f64), Error> {
        let allowed = self.lab.input.limits.max_write_cost_pct * WRITE_MARGIN;
        while self.lab.dearer_together_pct(&set)?.is_some_and(|pct| pct > allowed) {
            let dear = self.lab.dearer_pct(&set)?.unwrap_or(0.0);
            let mut least: Option<(f64, Set, f64)> = None;
            for id in &set {
                let mut without = set.clone();
                without.remove(id);
                let Some(sum) = self.total(&without)? else { continue };
                let saved = (dear - self.lab.dearer_pct(&without)?.unwrap_or(0.0)).max(0.1);
                let price = (sum - total).max(0.0) / saved;
                if least.as_ref().is_none_or(|known| price < known.0) {
                    least = Some((price, without, sum));
                }
            }
            let Some((_, without, sum)) = least else { return Ok((Set::new(), f64::INFINITY)) };
            (set, total) = (without, sum);
        }
        Ok((set, total))
    }

    /// Each query's best sets, by what they would save on that query, greatest first.
    fn options(&self, explored: &[Explored]) -> Vec<Choice> {
        let mut options = Vec::new();
        for (query, explored) in explored.iter().enumerate() {
            let Some(base) = self.base[query] else { continue };
            let allowed = explored.better.iter().filter(|o| o.set.is_disjoint(&self.banned));
            for outcome in allowed.take(CHOICES) {
                let saved = self.lab.query(query).weight * (base.ms - outcome.timing.ms);
                let ms = outcome.timing.ms;
                options.push((saved, Choice { query, set: outcome.set.clone(), ms }));
            }
        }
        options.sort_by(|a, b| b.0.total_cmp(&a.0));
        options.into_iter().map(|(_, choice)| choice).collect()
    }

    /// Whether the query is about as fast already with what is chosen.
    fn is_good_enough(&mut self, query: usize, chosen: &Set, ms: f64) -> Result<bool, Error> {
        Ok(match self.cost(query, chosen)? {
            Judged::Total(now) => now <= ms * GOOD_ENOUGH,
            Judged::Slows(_) | Judged::Unknown => false,
        })
    }

    /// Drops what does not contribute, widest first.
    fn prune(&mut self, (mut set, mut total): (Set, f64)) -> Result<(Set, f64), Error> {
        total = self.total(&set)?.unwrap_or(total);
        let mut ids: Vec<usize> = set.iter().copied().collect();
        ids.sort_by_key(|id| std::cmp::Reverse(self.lab.pool.definition(*id).parts.len()));
        for id in ids {
            let mut without = set.clone();
            without.remove(&id);
            let definition = self.lab.pool.definition(id);
            let extended = without.iter().any(|other| {
                let other = self.lab.pool.definition(*other);
                other.extends(definition) || definition.extends(other)
            });
            let may_cost = if extended { CHEAP_TO_MERGE } else { CHEAP_TO_DROP };
            if let Some(sum) = self.total(&without)?
                && sum <= total * (1.0 + may_cost)
            {
                (set, total) = (without, sum);
            }
        }
        Ok((set, total))
    }

    /// Weighted milliseconds of the whole workload; `None` where a query gets slower than
    /// allowed, or the time ran out.
    ///
    /// # Errors
    /// Where a query fails on the copy.
    pub fn total(&mut self, set: &Set) -> Result<Option<f64>, Error> {
        Ok(match self.judge(set)? {
            Judged::Total(sum) => Some(sum),
            Judged::Slows(_) | Judged::Unknown => None,
        })
    }

    fn judge(&mut self, set: &Set) -> Result<Judged, Error> {
        let mut sum = 0.0;
        for query in 0..self.lab.queries() {
            if self.base[query].is_none() {
                continue;
            }
            match self.cost(query, set)? {
                Judged::Total(ms) => sum += self.lab.query(query).weight * ms,
                other => return Ok(other),
            }
        }
        Ok(Judged::Total(sum))
    }

    /// Milliseconds of one query.
    fn cost(&mut self, query: usize, set: &Set) -> Result<Judged, Error> {
        let Some(now) = self.lab.now(query)? else { return Ok(Judged::Unknown) };
        if self.lab.plan(query, set)?.0 == self.lab.plan(query, &Set::new())?.0 {
            return Ok(Judged::Total(now.ms));
        }
        if self.lab.known_ratio(query, set)?.is_none() {
            let cap = Duration::from_secs_f64((now.ms * CLEARLY_SLOWER + 5.0) / 1e3);
            let Some(timing) = self.lab.time(query, set, cap)? else { return Ok(Judged::Unknown) };
            if !timing.ended && !now.ended {
                return Ok(Judged::Total(now.ms));
            }
            if !timing.ended || timing.ms > now.ms * CLEARLY_SLOWER + 1.0 {
                return Ok(self.slows(query, set, timing.ms));
            }
            let fewer = timing.steps.saturating_mul(2) <= now.steps || !now.ended;
            if timing.ms <= now.ms * CLEARLY_FASTER && fewer {
                return Ok(Judged::Total(timing.ms));
            }
        }
        // Close: measured at different times, the two say little. Side by side they do.
        let Some(ratio) = self.lab.ratio(query, set, rounds(now.ms))? else {
            return Ok(Judged::Unknown);
        };
        // Half of what is allowed, so that a second look, or a second run, still passes.
        let allowed = 1.0 + self.lab.input.limits.max_regression_pct / 200.0;
        if ratio > allowed {
            return Ok(self.slows(query, set, now.ms * ratio));
        }
        Ok(Judged::Total(now.ms * ratio))
    }

    /// Remembers what stood in the way, for the notes.
    fn slows(&mut self, query: usize, set: &Set, ms: f64) -> Judged {
        if let Ok((_, used)) = self.lab.plan(query, set) {
            let name = self.lab.query(query).name.clone();
            let obstacle = self.obstacles.entry(name).or_default();
            obstacle.sets.insert(used.clone());
            if ms > obstacle.ms {
                (obstacle.ms, obstacle.worst) = (ms, self.lab.pool.describe_set(&used));
            }
        }
        Judged::Slows(query)
    }
}
