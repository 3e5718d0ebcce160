//! The measured search from beginning to end, within its budget.
//!
//! Baseline, each query on its own, the workload as a whole, the choice alone on a fresh copy;
//! and again without what turned out harmful. Only when no index helps any more, redundant ones.

use super::{
    Error, Input,
    explore::{Explored, explore},
    judge::Run,
    lab::{Lab, Timing},
    pool::Set,
    redundant,
    verify::Subject,
};
use crate::payload::{Proposal, QueryStatus, Source};
use std::{collections::BTreeMap, time::Instant};

/// Shares of the budget after which exploring and choosing end; the rest is for judging.
const EXPLORING: f64 = 0.5;
const CHOOSING: f64 = 0.75;
/// A query below this share of the workload's time is not worth an index of its own. Once the
/// dear ones are fast, its share is greater, and the next run looks at it.
const NEGLIGIBLE: f64 = 0.000_3;

/// The measured strategy.
///
/// # Errors
/// Where the snapshot cannot be read, copied or measured.
pub fn design(input: &Input<'_>, progress: &dyn Fn(&str)) -> Result<Proposal, Error> {
    let started = Instant::now();
    let end = started + input.budget;
    let searching = started + input.budget.mul_f64(EXPLORING);
    let mut notes = Vec::new();
    let mut lab = Lab::new(input, searching)?;
    progress(&format!("timing {} queries on a copy", lab.queries()));
    let base = baseline(&mut lab, &mut notes)?;
    let explored = explore_all(&mut lab, &base, searching, progress, &mut notes)?;
    // Choosing measures little that is new, and is worth nothing unfinished.
    lab.deadline = started + input.budget.mul_f64(CHOOSING);
    let obstacles = BTreeMap::new();
    let mut run = Run { lab: &mut lab, base: &base, end, notes, obstacles, progress };
    let mut candidates = run.indexes(&explored)?;
    run.explain();
    let mut notes = run.notes;
    if candidates.is_empty() {
        progress("looking for redundant indexes");
        let queries = measurable(&base);
        let schema = lab.pool.schema();
        candidates.extend(redundant::design(input, schema, &queries, end, &mut notes)?);
    }
    if candidates.is_empty() {
        notes.push(format!(
            "tried {} candidate indexes on {} queries: none is left that saves {:.0} % of the \
             workload's time within the limits",
            lab.pool.len(),
            lab.queries(),
            input.limits.min_improvement_pct
        ));
    }
    candidates.truncate(input.limits.max_changes.max(1));
    Ok(Proposal { candidates, source: Source::Rules, notes, shown: Vec::new() })
}

fn baseline(lab: &mut Lab<'_>, notes: &mut Vec<String>) -> Result<Vec<Option<Timing>>, Error> {
    let mut base = Vec::new();
    for query in 0..lab.queries() {
        let timeout = lab.input.limits.timeout;
        if let Some(ms) = known_endless(lab, query) {
            let endless = Timing { ms, steps: 0, ended: false };
            lab.remember(query, endless)?;
            base.push(Some(endless));
            continue;
        }
        match lab.time(query, &Set::new(), timeout) {
            Ok(timing) => base.push(timing),
            Err(error) => {
                notes.push(format!("{} was left out: {error}", lab.query(query).name));
                base.push(None);
            }
        }
    }
    Ok(base)
}

/// The milliseconds after which the analysis gave the query up: no need to wait for that again.
fn known_endless(lab: &Lab<'_>, query: usize) -> Option<f64> {
    let name = &lab.query(query).name;
    let profile = lab.input.analysis.queries.iter().find(|profile| profile.name == *name)?;
    match profile.status {
        QueryStatus::TimedOut(ms) => u32::try_from(ms).ok().map(f64::from),
        QueryStatus::Stable | QueryStatus::Unstable(_) => None,
    }
}

pub(super) fn measurable(base: &[Option<Timing>]) -> Vec<Subject> {
    let subject = |(query, timing): (usize, &Option<Timing>)| {
        let timing = timing.as_ref()?;
        Some(Subject { query, endless_ms: (!timing.ended).then_some(timing.ms) })
    };
    base.iter().enumerate().filter_map(subject).collect()
}

/// Explores the queries, dearest first; each gets a share of what time is left by its cost.
fn explore_all(
    lab: &mut Lab<'_>,
    base: &[Option<Timing>],
    until: Instant,
    progress: &dyn Fn(&str),
    notes: &mut Vec<String>,
) -> Result<Vec<Explored>, Error> {
    let cost = |query: usize| {
        base[query].map_or(0.0, |timing| timing.ms * lab.input.workload.queries[query].weight)
    };
    let costs: Vec<f64> = (0..base.len()).map(cost).collect();
    let mut order: Vec<usize> = measurable(base).iter().map(|subject| subject.query).collect();
    order.sort_by(|a, b| costs[*b].total_cmp(&costs[*a]));
    let mut explored: Vec<Explored> = base.iter().map(|_| Explored::default()).collect();
    let total: f64 = costs.iter().sum();
    let mut left = total;
    for (place, query) in order.iter().enumerate() {
        if base[*query].is_some_and(|timing| timing.ended) {
            lab.refresh(*query, lab.input.limits.timeout)?;
        }
        let Some(timing) = lab.now(*query)? else { continue };
        let remaining = until.saturating_duration_since(Instant::now());
        let even = 1.0 / count(order.len() - place);
        let share = if left > 0.0 { (costs[*query] / left).max(even) } else { even };
        left -= costs[*query];
        let name = &lab.query(*query).name;
        if costs[*query] < NEGLIGIBLE * total {
            notes.push(format!("{name}: not explored, it is less than 0.03 % of the workload"));
            continue;
        }
        if remaining.is_zero() {
            notes.push(format!("{name}: not explored, the time ran out"));
            continue;
        }
        progress(&format!("exploring {name} ({:.1} ms)", timing.ms));
        let found =
            explore(lab, *query, timing, Instant::now() + remaining.mul_f64(share.min(1.0)))?;
        note(lab, *query, timing, &found, notes);
        explored[*query] = found;
    }
    Ok(explored)
}

fn note(lab: &Lab<'_>, query: usize, base: Timing, found: &Explored, notes: &mut Vec<String>) {
    let name = &lab.query(query).name;
    let what = match (&found.unreadable, found.better.first()) {
        (Some(reason), _) => format!("no candidates: {reason}"),
        (None, None) => format!(
            "{} of {} candidates would be used, none is faster than {:.2} ms",
            found.usable, found.candidates, base.ms
        ),
        (None, Some(best)) => format!(
            "{:.2} -> {:.2} ms alone with {}",
            base.ms,
            best.timing.ms,
            lab.pool.describe_set(&best.set)
        ),
    };
    let short = if found.cut_short { " (the time ran out before all were tried)" } else { "" };
    notes.push(format!("{name}: {what}{short}"));
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n.max(1)).unwrap_or(u32::MAX))
}
