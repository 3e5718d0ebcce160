//! Pairs, early stop, verdict and probability together, on changes of known effect.
//!
//! Kept in 400 simulated evaluations each (minimum 10 %, even prior): 0, 0 and 0 % of changes that
//! save -20, 0 and 5 %; 2.8 % at 8, 9.5 % at 9, 21 % at 10, 69 % at 12; 99 % and more from 15 on.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Limits, Measured, Objective, Prior, clear, estimate, judge, posterior};
use crate::payload::{Check, CheckResult, Estimate, Evidence, Verdict};
use rand::{Rng, SeedableRng, rngs::SmallRng};

/// Percent by which one execution differs from the next, as a standard deviation.
const NOISE: f64 = 0.04;

const RUNS: u64 = 40;

fn noise(rng: &mut SmallRng) -> f64 {
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    NOISE * (-2.0 * u.ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
}

fn measured(effect_pct: f64, pairs: usize, seed: u64) -> Estimate {
    let mut rng = SmallRng::seed_from_u64(seed);
    let truth = (1.0 - effect_pct / 100.0).ln();
    let pair = |rng: &mut SmallRng| truth + noise(rng) - noise(rng);
    estimate(&(0..pairs).map(|_| pair(&mut rng)).collect::<Vec<_>>(), seed).unwrap()
}

/// Share of evaluations that end in keeping a change with this true effect.
fn kept(effect_pct: f64) -> f64 {
    let limits = Limits::default();
    let keeps = |seed: &u64| {
        let looks = [5, 10, 15].map(|pairs| measured(effect_pct, pairs, *seed));
        let decided = looks.iter().find(|e| clear(e, limits.min_improvement_pct).is_some());
        let mut evidence = Evidence {
            checks: vec![Check {
                name: "results".into(),
                result: CheckResult::Passed,
                detail: String::new(),
            }],
            improvement: Some(*decided.unwrap_or(&looks[2])),
            control: Some(measured(0.0, 15, seed + 10_000)),
            queries: Vec::new(),
            size: None,
            pairs: 15,
            verdict: Verdict::Inconclusive,
            reasons: Vec::new(),
        };
        let objective = Objective::WorkloadTime;
        let Evidence { checks, queries, .. } = &evidence;
        let (improvement, control) = (evidence.improvement, evidence.control);
        let all = Measured { checks, improvement, control, queries, size: None, objective };
        (evidence.verdict, _) = judge(&all, &limits);
        let prior = Prior { probability: 0.5, basis: String::new() };
        evidence.verdict == Verdict::Improved
            && posterior(&prior, &evidence, objective, &limits).posterior >= 0.75
    };
    (0..RUNS).filter(keeps).count() as f64 / RUNS as f64
}

#[test]
fn clear_wins_stay_and_what_is_clearly_under_the_minimum_does_not() {
    for effect in [-20.0, 0.0, 5.0] {
        assert_eq!(kept(effect), 0.0, "{effect} % saved");
    }
    for effect in [20.0, 50.0] {
        assert!(kept(effect) >= 0.95, "{effect} % saved: {}", kept(effect));
    }
}
