//! Two worktrees against each other: the benchmark in both, in turn and in random order, and once more
//! in the first, which says what chance alone does.

use super::benchmark::Metric;
use crate::{
    evidence::{Limits, Measured, Objective, clear, estimate, judge, log_ratio},
    payload::{Check, CheckResult, Counters, Estimate, Evidence, QueryEvidence},
};
use rand::{SeedableRng as _, rngs::SmallRng, seq::SliceRandom as _};
use std::time::Instant;

/// Rounds after which the verdict may be clear.
const LOOKS: [usize; 3] = [5, 10, 15];

/// The check that both worktrees told of the same metrics.
const METRICS: &str = "metrics";

/// Where the benchmark runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    Before,
    After,
    /// The same worktree as `Before`.
    Control,
}

/// How it is compared.
#[derive(Debug)]
pub struct Options {
    pub limits: Limits,
    pub seed: u64,
    /// No round begins after this, which the fourth may not reach.
    pub deadline: Instant,
    /// Checks made before.
    pub checks: Vec<Check>,
}

/// One round: what each lane said, metric by metric.
struct Round {
    before: Vec<Metric>,
    after: Vec<Metric>,
    control: Vec<Metric>,
}

/// What `measure` says of both, judged. Its own failure before the change is the caller's error; after
/// it, a failed check.
///
/// # Errors
/// What `measure` answers for [`Lane::Before`] and [`Lane::Control`].
pub fn compare<E: std::fmt::Display>(
    measure: &dyn Fn(Lane) -> Result<Vec<Metric>, E>,
    mut options: Options,
    progress: &dyn Fn(&str),
) -> Result<Evidence, E> {
    let mut rng = SmallRng::seed_from_u64(options.seed);
    let mut rounds: Vec<Round> = Vec::new();
    let mut notes = Vec::new();
    // The first run of each pays for what later ones find in caches.
    let first = measure(Lane::Before)?;
    let warm = match measure(Lane::After) {
        Ok(metrics) => same(&first, &metrics),
        Err(error) => Err(error.to_string()),
    };
    if let Err(why) = warm {
        options.checks.push(failed(why));
        return Ok(finish(&rounds, options, notes));
    }
    'looks: for upto in LOOKS {
        while rounds.len() < upto {
            if Instant::now() >= options.deadline {
                notes.push(format!(
                    "the time for measuring was spent after {} rounds",
                    rounds.len()
                ));
                break 'looks;
            }
            progress(&format!("round {} of at most {}", rounds.len() + 1, LOOKS[2]));
            match round(measure, &first, &mut rng)? {
                Ok(round) => rounds.push(round),
                Err(why) => {
                    options.checks.push(failed(why));
                    return Ok(finish(&rounds, options, notes));
                }
            }
        }
        if is_clear(&rounds, &options) {
            break;
        }
    }
    let detail = format!("{} of them, the same before and after", first.len());
    options.checks.push(Check { name: METRICS.into(), result: CheckResult::Passed, detail });
    Ok(finish(&rounds, options, notes))
}

fn failed(detail: String) -> Check {
    Check { name: METRICS.to_owned(), result: CheckResult::Failed, detail }
}

/// One round in random order; the inner error is the candidate's.
fn round<E: std::fmt::Display>(
    measure: &dyn Fn(Lane) -> Result<Vec<Metric>, E>,
    first: &[Metric],
    rng: &mut SmallRng,
) -> Result<Result<Round, String>, E> {
    let mut order = [Lane::Before, Lane::After, Lane::Control];
    order.shuffle(rng);
    let mut round = Round { before: Vec::new(), after: Vec::new(), control: Vec::new() };
    for lane in order {
        let metrics = match (lane, measure(lane)) {
            (_, Ok(metrics)) => metrics,
            (Lane::After, Err(error)) => return Ok(Err(error.to_string())),
            (_, Err(error)) => return Err(error),
        };
        if let Err(why) = same(first, &metrics) {
            return Ok(Err(why));
        }
        match lane {
            Lane::Before => round.before = metrics,
            Lane::After => round.after = metrics,
            Lane::Control => round.control = metrics,
        }
    }
    Ok(Ok(round))
}

/// A metric that is gone could hide what it would have said.
fn same(first: &[Metric], now: &[Metric]) -> Result<(), String> {
    let kind = |m: &Metric| (m.name.clone(), m.unit.clone(), m.better);
    if first.iter().map(kind).eq(now.iter().map(kind)) {
        return Ok(());
    }
    let names = |all: &[Metric]| all.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ");
    Err(format!("the benchmark told of {}, and now of {}", names(first), names(now)))
}

fn finish(rounds: &[Round], options: Options, mut notes: Vec<String>) -> Evidence {
    let (queries, improvement, control) = estimates(rounds, options.seed);
    let measured = Measured {
        checks: &options.checks,
        improvement,
        control,
        queries: &queries,
        size: None,
        objective: Objective::WorkloadTime,
    };
    let (verdict, mut reasons) = judge(&measured, &options.limits);
    reasons.append(&mut notes);
    let pairs = u32::try_from(rounds.len()).unwrap_or(u32::MAX);
    let checks = options.checks;
    Evidence { checks, improvement, control, queries, size: None, pairs, verdict, reasons }
}

type Estimates = (Vec<QueryEvidence>, Option<Estimate>, Option<Estimate>);

/// Metric by metric, then all of them: the mean of the log-ratios by weight, since units differ.
fn estimates(rounds: &[Round], seed: u64) -> Estimates {
    let metrics = rounds.first().map_or(&[][..], |round| &round.before);
    let ratios = |at: usize, of: fn(&Round) -> &Vec<Metric>| -> Vec<f64> {
        let pair = |round: &Round| log_ratio(round.before[at].cost(), of(round)[at].cost());
        rounds.iter().filter_map(pair).collect()
    };
    let middle = |at: usize, of: fn(&Round) -> &Vec<Metric>| -> f64 {
        let mut values: Vec<f64> = rounds.iter().map(|round| of(round)[at].value).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let queries = metrics.iter().enumerate().map(|(at, metric)| QueryEvidence {
        name: metric.name.clone(),
        weight: metric.weight,
        before_ms: middle(at, |round| &round.before),
        after_ms: middle(at, |round| &round.after),
        before: Counters::default(),
        after: Counters::default(),
        improvement: estimate(&ratios(at, |round| &round.after), seed.wrapping_add(at as u64 + 1)),
        // It is another program, whatever it does.
        plan_changed: true,
        unit: Some(metric.unit.clone()),
        higher_is_better: metric.better == super::Better::Higher,
    });
    let weights: Vec<f64> = metrics.iter().map(|metric| metric.weight).collect();
    let total = |of: fn(&Round) -> &Vec<Metric>| -> Vec<f64> {
        let all: Vec<Vec<f64>> = (0..weights.len()).map(|at| ratios(at, of)).collect();
        let sum: f64 = weights.iter().sum();
        (0..rounds.len())
            .filter_map(|round| {
                let parts = all.iter().zip(&weights).map(|(of, w)| Some(of.get(round)? * w));
                Some(parts.sum::<Option<f64>>()? / sum)
            })
            .collect()
    };
    (
        queries.collect(),
        estimate(&total(|round| &round.after), seed),
        estimate(&total(|round| &round.control), seed),
    )
}

/// Whether more rounds would change nothing.
fn is_clear(rounds: &[Round], options: &Options) -> bool {
    let limits = &options.limits;
    let (queries, total, control) = estimates(rounds, options.seed);
    let quiet = control.is_some_and(|c| c.pct.abs() <= limits.min_improvement_pct / 2.0);
    let worst = -limits.max_regression_pct;
    let settled: Vec<Option<bool>> =
        queries.iter().filter_map(|q| q.improvement).map(|seen| clear(&seen, worst)).collect();
    let harmless = settled.iter().all(|settled| *settled == Some(true));
    quiet
        && match total.and_then(|seen| clear(&seen, limits.min_improvement_pct)) {
            _ if settled.contains(&Some(false)) => true,
            Some(true) => harmless,
            Some(false) => true,
            None => false,
        }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::{super::Better, *};
    use crate::payload::Verdict;
    use rand::Rng as _;
    use std::{cell::RefCell, time::Duration};

    /// A benchmark of two metrics whose candidate takes `factor` of the first, with noise of 2 %.
    fn seen(factor: f64, better: Better, fail: Option<&str>) -> Evidence {
        let rng = RefCell::new(SmallRng::seed_from_u64(7));
        let measure = |lane: Lane| -> Result<Vec<Metric>, String> {
            if let (Lane::After, Some(why)) = (lane, fail) {
                return Err(why.to_owned());
            }
            let mut rng = rng.borrow_mut();
            let mut noisy = |value: f64| value * (1.0 + 0.02 * (rng.random::<f64>() - 0.5));
            let times = if lane == Lane::After { factor } else { 1.0 };
            let metric = |name: &str, value| Metric {
                name: name.to_owned(),
                value,
                unit: "ms".to_owned(),
                better,
                weight: 1.0,
            };
            Ok(vec![metric("a", noisy(10.0 * times)), metric("b", noisy(0.002))])
        };
        let check =
            Check { name: "tests".into(), result: CheckResult::Passed, detail: String::new() };
        let options = Options {
            limits: Limits { noise_floor_ms: 0.0, ..Limits::default() },
            seed: 1,
            deadline: Instant::now() + Duration::from_secs(60),
            checks: vec![check],
        };
        compare(&measure, options, &|_| {}).unwrap()
    }

    #[test]
    fn a_gain_is_seen_and_a_loss_is_too() {
        let gain = seen(0.5, Better::Lower, None);
        assert_eq!((gain.verdict, gain.pairs), (Verdict::Improved, 5));
        // Half of one of two: the geometric mean.
        assert!((gain.improvement.unwrap().pct - 29.3).abs() < 1.5, "{:?}", gain.improvement);
        assert_eq!(seen(1.3, Better::Lower, None).verdict, Verdict::Regressed);
        assert_eq!(seen(1.0, Better::Lower, None).verdict, Verdict::TooSmall);
        assert_eq!(seen(2.0, Better::Higher, None).verdict, Verdict::Improved);
        assert_eq!(seen(0.5, Better::Higher, None).verdict, Verdict::Regressed);
    }

    #[test]
    fn a_candidate_that_fails_or_tells_of_less_is_wrong() {
        let fails = seen(0.5, Better::Lower, Some("exit code 1: boom"));
        assert_eq!(fails.verdict, Verdict::Incorrect);
        assert!(fails.reasons[0].contains("boom"), "{:?}", fails.reasons);
        let metric = |name: &str| Metric {
            name: name.to_owned(),
            value: 1.0,
            unit: String::new(),
            better: Better::Lower,
            weight: 1.0,
        };
        let (both, one) = ([metric("a"), metric("b")], [metric("a")]);
        assert_eq!(same(&both, &one).unwrap_err(), "the benchmark told of a, b, and now of a");
    }
}
