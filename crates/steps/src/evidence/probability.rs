//! The probability that a change succeeds: the predictor's prior, updated by what was measured.
//!
//! With the prior odds `p / (1 - p)`:
//!
//! ```text
//! m  = P(true improvement >= minimum)   = Φ((ln(1 - min/100) - centre) / error)
//! q  = min over queries of P(its slow-down <= limit) = Φ((ln(1 + max/100) - centre) / error)
//! LR = clamp(m·q / (1 - m·q), 1/50, 50)
//! posterior odds = prior odds × LR
//! ```
//!
//! `centre` and `error` are the mean and standard error of the log-ratio, read back from the
//! estimate and its 95 % interval (half its width / 1.96, which for few pairs is wider than the
//! t-quantile asks and so errs towards doubt). `m·q / (1 - m·q)` are the odds that the measurement
//! alone gives to somebody undecided, so it is the factor by which it moves anybody else. Queries
//! are correlated through the machine, so the worst one counts and not their product, which would
//! punish long workloads; queries whose difference does not matter (`rules::matters`) are left out.
//! The factor is bounded because one evaluation of 5 to 15 pairs can be wrong in ways that its
//! own interval does not see (a model error of one in fifty). Under `Size` the bytes are counted:
//! `m` is 1 where the database shrank, else 0.
//!
//! A verdict other than `Improved` caps the result: the rules have the last word, the probability
//! only adds doubt. Deliberately not here: the prior itself (`models`) and the threshold.

use super::rules;
use super::verdict::{Limits, Objective};
use crate::payload::{Estimate, Evidence, QueryEvidence, Verdict};
use serde::{Deserialize, Serialize};

/// The most that one evaluation moves the odds, either way: enough for the clearest evidence to
/// pass 0.75 against the least prior (0.05), so that a run of bad luck does not end all learning.
pub const MOST_LIKELIHOOD_RATIO: f64 = 100.0;

/// Upper bound where the evidence is wanting (`TooSmall`, `Inconclusive`).
pub const CAP_UNPROVEN: f64 = 0.25;

/// Upper bound where the evidence speaks against the change (`Regressed`, `Incorrect`).
pub const CAP_HARMFUL: f64 = 0.05;

/// What was thought before anything was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prior {
    /// Between 0 and 1; used between 0.05 and 0.95, so that no history is beyond argument.
    pub probability: f64,
    /// For people: `base rate: 7 of 9 attempts succeeded, prior Beta(1, 1)`.
    pub basis: String,
}

impl Prior {
    /// The mean of a Beta distribution with `a` successes and `b` failures imagined beforehand.
    pub fn beta(successes: u32, failures: u32, (a, b): (f64, f64)) -> Prior {
        let tried = successes + failures;
        Prior {
            probability: (f64::from(successes) + a) / (f64::from(tried) + a + b),
            basis: format!(
                "base rate: {successes} of {tried} attempts succeeded, prior Beta({a}, {b})"
            ),
        }
    }
}

/// The posterior and each part it is made of; shown and stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probability {
    pub prior: f64,
    pub prior_basis: String,
    /// The factor on the odds, between 1/50 and 50.
    pub likelihood_ratio: f64,
    pub posterior: f64,
    /// Named intermediate values, in the order of the formula.
    pub parts: Vec<(String, f64)>,
}

/// What remains where nothing was measured: the prior, within what is allowed without evidence.
#[must_use]
pub fn unmeasured(prior: &Prior) -> Probability {
    let believed = prior.probability.clamp(0.05, 0.95);
    Probability {
        prior: believed,
        prior_basis: prior.basis.clone(),
        likelihood_ratio: 1.0,
        posterior: believed.min(CAP_UNPROVEN),
        parts: vec![("prior".to_owned(), believed), ("cap_by_verdict".to_owned(), CAP_UNPROVEN)],
    }
}

/// Updates the prior by the evidence.
pub fn posterior(
    prior: &Prior,
    evidence: &Evidence,
    objective: Objective,
    limits: &Limits,
) -> Probability {
    let believed = prior.probability.clamp(0.05, 0.95);
    let enough = improved_enough(evidence, objective, limits);
    let harmless = no_query_slower(&evidence.queries, limits);
    let likelihood_ratio =
        odds(enough * harmless).clamp(1.0 / MOST_LIKELIHOOD_RATIO, MOST_LIKELIHOOD_RATIO);
    let updated = odds(believed) * likelihood_ratio;
    let uncapped = updated / (1.0 + updated);
    let cap = cap(evidence.verdict);
    Probability {
        prior: believed,
        prior_basis: prior.basis.clone(),
        likelihood_ratio,
        posterior: uncapped.min(cap),
        parts: vec![
            ("prior".to_owned(), believed),
            ("improvement_is_at_least_the_minimum".to_owned(), enough),
            ("no_query_is_slower_than_allowed".to_owned(), harmless),
            ("likelihood_ratio".to_owned(), likelihood_ratio),
            ("before_the_cap".to_owned(), uncapped),
            ("cap_by_verdict".to_owned(), cap),
        ],
    }
}

fn cap(verdict: Verdict) -> f64 {
    match verdict {
        Verdict::Improved => 1.0,
        Verdict::TooSmall | Verdict::Inconclusive => CAP_UNPROVEN,
        Verdict::Regressed | Verdict::Incorrect => CAP_HARMFUL,
    }
}

fn improved_enough(evidence: &Evidence, objective: Objective, limits: &Limits) -> f64 {
    match objective {
        Objective::WorkloadTime => match evidence.improvement {
            Some(estimate) => saves_at_least(&estimate, limits.min_improvement_pct),
            None => 0.0,
        },
        Objective::Size => match evidence.size {
            Some(size) if size.after_bytes < size.before_bytes => 1.0,
            Some(_) | None => 0.0,
        },
    }
}

/// P(no query is slower than allowed), by the query that is most in doubt. One that is the same
/// program as before (same plan, same counters) is in no doubt but for the noise of its timing.
fn no_query_slower(queries: &[QueryEvidence], limits: &Limits) -> f64 {
    queries
        .iter()
        .filter(|query| query.plan_changed || query.before != query.after)
        .filter(|query| rules::matters(query, limits))
        .filter_map(|query| query.improvement)
        .map(|estimate| saves_at_least(&estimate, -limits.max_regression_pct))
        .fold(1.0, f64::min)
}

/// P(true percentage saved >= `pct`) by the normal approximation on the log-ratio.
fn saves_at_least(estimate: &Estimate, pct: f64) -> f64 {
    // 100 % saved is an infinite log-ratio: the floor is a millionth.
    let log = |saved: f64| (1.0 - saved / 100.0).max(1e-6).ln();
    let error = ((log(estimate.lo) - log(estimate.hi)).abs() / (2.0 * 1.96)).max(1e-9);
    let distance = (log(pct) - log(estimate.pct)) / error;
    // A number that is none proves nothing.
    if distance.is_nan() { 0.0 } else { normal_cdf(distance) }
}

fn odds(probability: f64) -> f64 {
    let bounded = probability.clamp(1e-9, 1.0 - 1e-9);
    bounded / (1.0 - bounded)
}

/// Φ, with an error below 7.5e-8 (Abramowitz and Stegun 26.2.17).
fn normal_cdf(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let series = t
        * (0.319_381_53
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let density = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let tail = density * series;
    if z >= 0.0 { 1.0 - tail } else { tail }
}
