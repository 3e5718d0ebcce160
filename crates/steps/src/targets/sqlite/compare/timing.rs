//! Timing in pairs: every query with and without the change, and without it against without it.
//!
//! In each pair the queries come in random order, and so do the three copies of each query; a
//! pair that the budget cuts short is left out whole. What the ratios mean is
//! [`crate::evidence`]'s.

use super::screen::{Screened, Seen};
use super::{Error, Lanes, Options};
use crate::evidence::{Objective, clear, estimate, log_ratio};
use crate::payload::{Estimate, QueryEvidence};
use crate::targets::sqlite::analyze::median;
use crate::targets::sqlite::measure::{self, Hash, Outcome, Run};
use rand::{SeedableRng as _, rngs::SmallRng, seq::SliceRandom as _};
use rusqlite::Connection;
use std::time::{Duration, Instant};

/// Pairs after which the verdict may be clear.
const LOOKS: [usize; 3] = [5, 10, 15];
/// Pairs of the control alone, where a hopeless query has settled the rest.
const CONTROL_PAIRS: usize = 3;
/// Short queries are repeated until a sample has taken about this long ...
const SAMPLE_MS: f64 = 4.0;
/// ... but no more often than this.
const MOST_REPEATS: usize = 40;

/// What timing came to.
pub(super) struct Timing {
    pub queries: Vec<QueryEvidence>,
    /// The workload's weighted time.
    pub total: Option<Estimate>,
    pub control: Option<Estimate>,
    pub pairs: u32,
    /// What people should know beside the verdict's reasons.
    pub notes: Vec<String>,
}

impl Timing {
    /// Where nothing was timed: what the screening saw.
    pub fn untimed(screened: &[Screened]) -> Timing {
        let queries = screened.iter().map(|query| evidence(query, &[], 0)).collect();
        Timing { queries, total: None, control: None, pairs: 0, notes: Vec::new() }
    }
}

/// One query's milliseconds in one pair.
#[derive(Clone, Copy)]
struct Triple {
    before: f64,
    after: f64,
    control: f64,
}

/// All completed pairs: `[pair][query]`.
type Pairs = Vec<Vec<Option<Triple>>>;

pub(super) fn time(
    lanes: &mut Lanes,
    screened: &[Screened],
    options: &Options,
    deadline: Instant,
    progress: &dyn Fn(&str),
) -> Result<Timing, Error> {
    let hopeless: Vec<&Screened> = screened.iter().filter(|query| query.is_hopeless()).collect();
    let looks: &[usize] = if hopeless.is_empty() { &LOOKS } else { &[CONTROL_PAIRS] };
    let mut rounds = Rounds {
        timeout: options.timeout,
        with_after: hopeless.is_empty(),
        deadline,
        rng: SmallRng::seed_from_u64(options.seed),
    };
    let mut pairs = Pairs::new();
    let mut notes: Vec<String> = hopeless.iter().map(|query| given_up(query)).collect();
    rounds.round(lanes, screened, &vec![true; screened.len()])?;
    'looks: for (look, &upto) in looks.iter().enumerate() {
        let timed: Vec<bool> = screened.iter().map(|q| look == 0 || !q.is_unchanged()).collect();
        while pairs.len() < upto {
            progress(&format!("pair {} of at most {}", pairs.len() + 1, looks[looks.len() - 1]));
            let Some(mut pair) = rounds.round(lanes, screened, &timed)? else {
                notes.push(format!("the time for measuring was spent after {} pairs", pairs.len()));
                break 'looks;
            };
            carry_over(&mut pair, &pairs);
            pairs.push(pair);
        }
        if is_clear(screened, &pairs, options) {
            break;
        }
    }
    Ok(finish(screened, &pairs, options, notes))
}

fn given_up(query: &Screened) -> String {
    let at_least = if query.after.ended() { "" } else { "at least " };
    format!(
        "`{}` was not timed further: one run took {:.1} ms before and {at_least}{:.1} ms after",
        query.query.name,
        query.before.ms(),
        query.after.ms()
    )
}

struct Rounds {
    timeout: Duration,
    with_after: bool,
    deadline: Instant,
    rng: SmallRng,
}

impl Rounds {
    /// One pair of every query; `None` where the deadline came first. A query not in `timed` is
    /// left out.
    fn round(
        &mut self,
        lanes: &mut Lanes,
        screened: &[Screened],
        timed: &[bool],
    ) -> Result<Option<Vec<Option<Triple>>>, Error> {
        let mut pair = vec![None; screened.len()];
        let mut order: Vec<usize> = (0..screened.len()).filter(|&at| timed[at]).collect();
        order.shuffle(&mut self.rng);
        for at in order {
            if Instant::now() >= self.deadline {
                return Ok(None);
            }
            pair[at] = self.triple(lanes, &screened[at])?;
        }
        Ok(Some(pair))
    }

    fn triple(&mut self, lanes: &mut Lanes, query: &Screened) -> Result<Option<Triple>, Error> {
        let never_ms = match (&query.before, &query.after) {
            (Seen::TimedOut(_), Seen::Done(_)) => Some(self.timeout.as_secs_f64() * 1e3),
            (Seen::Done(_), Seen::Done(_) | Seen::TimedOut(_)) => None,
            _ => return Ok(None),
        };
        // What was not run keeps the time that is known of it.
        let mut ms = [never_ms.unwrap_or(0.0), query.after.ms(), never_ms.unwrap_or(0.0)];
        let lanes = [&mut lanes.before, &mut lanes.after, &mut lanes.control];
        let timed = [never_ms.is_none(), self.with_after, never_ms.is_none()];
        let mut times = [Vec::new(), Vec::new(), Vec::new()];
        // Short queries are repeated lane by lane in turn, not one lane after the other: what
        // disturbs the machine for a moment then disturbs all three alike.
        for _ in 0..repeats(query) {
            let mut order = [0, 1, 2];
            order.shuffle(&mut self.rng);
            for lane in order.into_iter().filter(|lane| timed[*lane]) {
                times[lane].push(self.once(lanes[lane], query)?);
            }
        }
        for (lane, times) in times.iter_mut().enumerate().filter(|(_, times)| !times.is_empty()) {
            ms[lane] = median(times);
        }
        Ok(Some(Triple { before: ms[0], after: ms[1], control: ms[2] }))
    }

    /// One run, or the time after which it was interrupted.
    fn once(&self, conn: &mut Connection, query: &Screened) -> Result<f64, Error> {
        let run = Run { timeout: self.timeout, hash: Hash::None };
        Ok(match measure::execute(conn, &query.query.sql, &run)? {
            Outcome::Done(execution) => execution.ms(),
            Outcome::TimedOut { after } => after.as_secs_f64() * 1e3,
        })
    }
}

/// The same for all three copies, so that their samples are alike.
fn repeats(query: &Screened) -> usize {
    let slower = query.before.ms().max(query.after.ms()).max(1e-3);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let repeats = (SAMPLE_MS / slower).clamp(1.0, 1e3) as usize;
    repeats.min(MOST_REPEATS)
}

/// A query that is the same program on both copies is not timed again after the first look: it
/// goes on counting with one time for all three.
fn carry_over(pair: &mut [Option<Triple>], earlier: &Pairs) {
    for (at, slot) in pair.iter_mut().enumerate().filter(|(_, slot)| slot.is_none()) {
        let seen = earlier.iter().filter_map(|pair| pair[at]);
        let mut times: Vec<f64> = seen.flat_map(|t| [t.before, t.after, t.control]).collect();
        if !times.is_empty() {
            let ms = median(&mut times);
            *slot = Some(Triple { before: ms, after: ms, control: ms });
        }
    }
}

/// `ln(after / before)` and `ln(control / before)` of the workload's weighted time, pair by pair.
fn totals(screened: &[Screened], pairs: &Pairs) -> (Vec<f64>, Vec<f64>) {
    let total = |pair: &[Option<Triple>], of: fn(&Triple) -> f64, all: bool| -> f64 {
        let counted = screened.iter().zip(pair).filter(|(query, _)| all || query.before.ended());
        counted.filter_map(|(query, t)| Some(query.query.weight * of(t.as_ref()?))).sum()
    };
    let changes = pairs.iter().filter_map(|pair| {
        log_ratio(total(pair, |t| t.before, true), total(pair, |t| t.after, true))
    });
    // What never ended without the change is the same constant in both, and would hide noise.
    let controls = pairs.iter().filter_map(|pair| {
        log_ratio(total(pair, |t| t.before, false), total(pair, |t| t.control, false))
    });
    (changes.collect(), controls.collect())
}

fn is_clear(screened: &[Screened], pairs: &Pairs, options: &Options) -> bool {
    let limits = &options.limits;
    let Timing { queries, total, control, .. } = finish(screened, pairs, options, Vec::new());
    let quiet =
        control.is_some_and(|control| control.pct.abs() <= limits.min_improvement_pct / 2.0);
    if !quiet {
        return false;
    }
    let worst = -limits.max_regression_pct;
    // The same program on both copies is not timed again: more pairs would not settle it.
    let of_concern = |query: &&QueryEvidence| {
        let difference = (query.after_ms - query.before_ms).abs() * query.weight.max(1.0);
        let changed = query.plan_changed || query.before != query.after;
        changed && difference >= limits.noise_floor_ms
    };
    let regressions = queries.iter().filter(of_concern).filter_map(|query| query.improvement);
    let settled: Vec<Option<bool>> = regressions.map(|seen| clear(&seen, worst)).collect();
    let harmful = settled.contains(&Some(false));
    let harmless = settled.iter().all(|settled| *settled == Some(true));
    match (options.objective, total.and_then(|seen| clear(&seen, limits.min_improvement_pct))) {
        _ if harmful => true,
        (Objective::Size, _) => harmless,
        (Objective::WorkloadTime, Some(true)) => harmless,
        (Objective::WorkloadTime, Some(false)) => true,
        (Objective::WorkloadTime, None) => false,
    }
}

fn finish(screened: &[Screened], pairs: &Pairs, options: &Options, notes: Vec<String>) -> Timing {
    let (changes, controls) = totals(screened, pairs);
    let hopeless = screened.iter().any(Screened::is_hopeless);
    let total = if hopeless { once(screened) } else { estimate(&changes, options.seed) };
    let queries = screened.iter().enumerate().map(|(at, query)| {
        // Pairs in which a query was only carried over are no measurements of it.
        let timed = if query.is_unchanged() { LOOKS[0] } else { pairs.len() };
        let seen: Vec<Triple> = pairs.iter().take(timed).filter_map(|pair| pair[at]).collect();
        evidence(query, &seen, options.seed.wrapping_add(at as u64 + 1))
    });
    Timing {
        queries: queries.collect(),
        total,
        control: estimate(&controls, options.seed),
        pairs: u32::try_from(pairs.len()).unwrap_or(u32::MAX),
        notes,
    }
}

/// The workload's total from the screening: one run each, so that it is a point and no interval.
fn once(screened: &[Screened]) -> Option<Estimate> {
    let sum = |of: fn(&Seen) -> f64, after: bool| -> f64 {
        let side = |query: &Screened| of(if after { &query.after } else { &query.before });
        screened.iter().map(|query| query.query.weight * side(query)).sum()
    };
    point(sum(Seen::ms, false), sum(Seen::ms, true))
}

fn point(before_ms: f64, after_ms: f64) -> Option<Estimate> {
    let pct = (1.0 - log_ratio(before_ms, after_ms)?.exp()) * 100.0;
    Some(Estimate { pct, lo: pct, hi: pct })
}

fn evidence(query: &Screened, seen: &[Triple], seed: u64) -> QueryEvidence {
    let middle = |of: fn(&Triple) -> f64, otherwise: &Seen| {
        let mut times: Vec<f64> = seen.iter().map(of).collect();
        if times.is_empty() { otherwise.ms() } else { median(&mut times) }
    };
    let ratios: Vec<f64> =
        seen.iter().filter_map(|triple| log_ratio(triple.before, triple.after)).collect();
    let before_ms = middle(|t| t.before, &query.before);
    let after_ms = middle(|t| t.after, &query.after);
    let improvement =
        if query.is_hopeless() { point(before_ms, after_ms) } else { estimate(&ratios, seed) };
    QueryEvidence {
        name: query.query.name.clone(),
        weight: query.query.weight,
        before_ms,
        after_ms,
        before: query.before.counters(),
        after: query.after.counters(),
        improvement,
        plan_changed: query.plan_changed,
        unit: None,
        higher_is_better: false,
    }
}
