//! One query on its own: which sets of candidates make it faster.
//!
//! Singles and whole bundles are planned without data; what gives the same plan is the same, so
//! only the narrowest is kept. What remains is timed under a cap that shrinks with the best time
//! so far, and the best few are extended while that helps. Not in here: other queries.

use super::{
    Error,
    candidates::candidates,
    lab::{Lab, Timing},
    pool::Set,
    predicates,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// How many of the best sets are extended by one more index.
const BEAM: usize = 3;
/// How many of the best sets are stripped of what they do not need.
const REFINED: usize = 6;
/// How much faster an index for one literal alone must be than one for every value.
const ONE_VALUE: f64 = 1.5;
/// The most indexes that one query may need.
const DEEPEST: usize = 5;
/// Saving less than this share of a query's time is noise.
const WORTH: f64 = 0.03;
/// Below this share it is faster even where it takes as many steps.
const CLEARLY: f64 = 0.8;

/// A set of candidates and what the query costs with it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The candidates that its plan uses.
    pub set: Set,
    /// The cost.
    pub timing: Timing,
}

/// What came of exploring one query.
#[derive(Debug, Default)]
pub struct Explored {
    /// Sets that make it faster, fastest first.
    pub better: Vec<Outcome>,
    /// Candidates that the planner would use, of how many.
    pub usable: usize,
    /// Candidates in all.
    pub candidates: usize,
    /// Whether the time ran out.
    pub cut_short: bool,
    /// Why the query could not be taken apart, where it could not.
    pub unreadable: Option<String>,
}

/// Looks for sets that make `query` faster than `base`, until `until`.
///
/// # Errors
/// Where the query fails on the copy.
pub fn explore(
    lab: &mut Lab<'_>,
    query: usize,
    base: Timing,
    until: Instant,
) -> Result<Explored, Error> {
    let mut explored = Explored::default();
    let uses = match predicates::uses(&lab.query(query).sql, lab.pool.schema()) {
        Ok(uses) => uses,
        Err(reason) => {
            explored.unreadable = Some(reason.to_string());
            return Ok(explored);
        }
    };
    let mut ids = Vec::new();
    for definition in candidates(&uses, lab.pool.schema()) {
        if lab.is_sensible(&definition)? {
            ids.push(lab.pool.add(definition));
        }
    }
    explored.candidates = ids.len();
    let mut search = Search { lab, query, base, until, tried: BTreeMap::new(), cut_short: false };
    let singles = search.usable(&Set::new(), &ids)?;
    explored.usable = singles.len();
    let mut first = search.bundles(&ids)?;
    first.extend(singles);
    search.race(first)?;
    for _ in 1..DEEPEST {
        let best = search.best(BEAM);
        let mut next = Vec::new();
        for set in best {
            next.extend(search.usable(&set, &ids)?);
        }
        if !search.race(next)? {
            break;
        }
    }
    search.minimise()?;
    explored.cut_short = search.cut_short;
    explored.better = search.outcomes();
    Ok(explored)
}

struct Search<'s, 'a> {
    lab: &'s mut Lab<'a>,
    query: usize,
    base: Timing,
    until: Instant,
    tried: BTreeMap<Set, Option<Timing>>,
    cut_short: bool,
}

impl Search<'_, '_> {
    /// `with` extended by one of `ids`, where the planner then uses that one: one set per plan.
    fn usable(&mut self, with: &Set, ids: &[usize]) -> Result<Vec<Set>, Error> {
        let mut seen = BTreeSet::from([self.lab.signature(self.query, with)?.0]);
        let mut sets = Vec::new();
        for id in ids {
            if with.contains(id) || Instant::now() >= self.until {
                continue;
            }
            let mut set = with.clone();
            set.insert(*id);
            let (signature, used) = self.lab.signature(self.query, &set)?;
            if used.contains(id) && seen.insert(signature) {
                sets.push(used);
            }
        }
        Ok(sets)
    }

    /// What the planner picks when it may choose among many at once: pairs that help only
    /// together are found this way.
    fn bundles(&mut self, ids: &[usize]) -> Result<Vec<Set>, Error> {
        let pool = &self.lab.pool;
        let is_partial = |id: &&usize| pool.definition(**id).filter.is_some();
        let plain: Set = ids.iter().filter(|id| !is_partial(id)).copied().collect();
        let narrow: Set =
            plain.iter().filter(|id| pool.definition(**id).parts.len() <= 2).copied().collect();
        let single: Set =
            plain.iter().filter(|id| pool.definition(**id).parts.len() <= 1).copied().collect();
        let all: Set = ids.iter().copied().collect();
        let mut bundles = Vec::new();
        for set in [single, narrow, plain, all] {
            let used = self.lab.plan(self.query, &set)?.1;
            if !used.is_empty() && !bundles.contains(&used) {
                bundles.push(used);
            }
        }
        Ok(bundles)
    }

    /// Times what has not been timed. The first pass gives each a fraction of the query's own
    /// time, so that a hopeless plan does not eat the budget. `true`: a new best was found.
    fn race(&mut self, sets: Vec<Set>) -> Result<bool, Error> {
        let before = self.least();
        let generous = self.base.ms.max(1.0);
        for share in [0.01, 0.1, 0.5, 1.0] {
            for set in &sets {
                if self.tried.get(set).is_some_and(|known| known.is_none_or(|t| t.ended)) {
                    continue;
                }
                if Instant::now() >= self.until {
                    self.cut_short = true;
                    return Ok(self.least() < before * (1.0 - WORTH));
                }
                let cap = (self.least() * 1.5 + 2.0).min(generous * share + 2.0);
                let cap = Duration::from_secs_f64(cap / 1e3);
                let timing = self.lab.time(self.query, set, cap)?;
                self.tried.insert(set.clone(), timing);
            }
            if self.least() < generous * share {
                break;
            }
        }
        Ok(self.least() < before * (1.0 - WORTH))
    }

    /// Takes out of the best sets what they do not need.
    fn minimise(&mut self) -> Result<(), Error> {
        for mut set in self.best(REFINED) {
            for id in set.clone() {
                if set.len() < 2 || Instant::now() >= self.until {
                    break;
                }
                let mut without = set.clone();
                without.remove(&id);
                let known = self.tried.get(&set).copied().flatten();
                let Some(full) = known.filter(|timing| timing.ended) else { break };
                let used = self.lab.plan(self.query, &without)?.1;
                let cap = Duration::from_secs_f64((full.ms * 2.0 + 1.0) / 1e3);
                let timing = self.lab.time(self.query, &used, cap)?;
                if timing.is_some_and(|timing| timing.ended) {
                    self.tried.insert(used.clone(), timing);
                }
                if timing.is_some_and(|t| t.ended && t.ms <= full.ms * (1.0 + WORTH) + 0.002) {
                    set = used;
                }
            }
        }
        Ok(())
    }

    fn least(&self) -> f64 {
        let ended = self.tried.values().flatten().filter(|timing| timing.ended);
        ended.map(|timing| timing.ms).fold(self.base.ms, f64::min)
    }

    fn best(&self, count: usize) -> Vec<Set> {
        self.outcomes().into_iter().take(count).map(|outcome| outcome.set).collect()
    }

    /// What makes the query faster, fastest first; of what is about as fast, the narrowest first.
    fn outcomes(&self) -> Vec<Outcome> {
        // Counters screen: a little faster without doing less is noise.
        let base = self.base;
        let helps = |timing: &Timing| {
            let fewer = timing.steps.saturating_mul(100) < base.steps.saturating_mul(98);
            let share = if fewer { 1.0 - WORTH } else { CLEARLY };
            timing.ended && timing.ms < base.ms * share
        };
        let mut better: Vec<Outcome> = self
            .tried
            .iter()
            .filter_map(|(set, timing)| Some(Outcome { set: set.clone(), timing: (*timing)? }))
            .filter(|outcome| helps(&outcome.timing))
            .collect();
        let pool = &self.lab.pool;
        let width = |set: &Set| -> usize {
            set.iter().map(|id| pool.definition(*id).parts.len() + 1).sum()
        };
        better.sort_by(|a, b| {
            // The literal in the workload is one of many in real life.
            let handicap = |set: &Set| {
                if set.iter().any(|id| pool.is_for_one_value(*id)) { ONE_VALUE } else { 1.0 }
            };
            let step =
                |o: &Outcome| ((o.timing.ms * handicap(&o.set)).max(0.001).ln() / 0.08).round();
            step(a)
                .total_cmp(&step(b))
                .then_with(|| width(&a.set).cmp(&width(&b.set)))
                .then_with(|| a.timing.ms.total_cmp(&b.timing.ms))
        });
        better
    }
}
