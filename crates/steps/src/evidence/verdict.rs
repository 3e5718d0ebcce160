//! What the evidence says: one verdict with its reasons.
//!
//! The order of the rules is the order of trust: a wrong result settles everything; a machine too
//! noisy to repeat itself settles every timing; then harm; then help. Deliberately not here: the
//! single rules (`rules`), the probability of success, and what is done about the verdict.

use super::rules;
use crate::payload::{Check, Estimate, QueryEvidence, SizeEvidence, Verdict};
use serde::{Deserialize, Serialize};

/// What a kind of change promises to improve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The weighted time of the whole workload.
    WorkloadTime,
    /// Size and write cost: something redundant is removed.
    Size,
}

/// Everything that was measured about one change.
#[derive(Debug, Clone, Copy)]
pub struct Measured<'a> {
    pub checks: &'a [Check],
    /// The workload's time saved. Under [`Objective::Size`] it may be absent: size is counted, not
    /// estimated.
    pub improvement: Option<Estimate>,
    /// A against A.
    pub control: Option<Estimate>,
    pub queries: &'a [QueryEvidence],
    pub size: Option<SizeEvidence>,
    pub objective: Objective,
}

/// The policy's limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Least improvement of the objective, percent.
    pub min_improvement_pct: f64,
    /// Most that any one query may get slower, percent.
    pub max_regression_pct: f64,
    /// Most that writing may get dearer, percent.
    pub max_write_cost_pct: f64,
    /// Differences under this, per execution and times a weight above 1, are nobody's concern:
    /// a timer tick or one context switch makes a 0.02 ms query "twice as slow".
    pub noise_floor_ms: f64,
    /// Names of checks that policy lets be not measurable.
    pub may_be_absent: Vec<String>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            min_improvement_pct: 10.0,
            max_regression_pct: 10.0,
            max_write_cost_pct: 200.0,
            noise_floor_ms: 0.05,
            may_be_absent: Vec::new(),
        }
    }
}

/// The verdict and why, one sentence each, with the numbers.
pub fn judge(measured: &Measured<'_>, limits: &Limits) -> (Verdict, Vec<String>) {
    let ordered = [
        (Verdict::Incorrect, rules::failures(measured)),
        (Verdict::Inconclusive, rules::noise(measured, limits)),
        (Verdict::Regressed, rules::harm(measured, limits)),
        (Verdict::Inconclusive, rules::gaps(measured, limits)),
    ];
    for (verdict, reasons) in ordered {
        if !reasons.is_empty() {
            return (verdict, reasons);
        }
    }
    let (verdict, reason) = match measured.objective {
        Objective::WorkloadTime => rules::faster(measured, limits),
        Objective::Size => rules::smaller(measured),
    };
    (verdict, vec![reason])
}

/// Percent of the database's bytes saved. Counted, so that the interval is a point. `None` where
/// the size before is zero.
pub fn size_saved(size: &SizeEvidence) -> Option<Estimate> {
    let pct = rules::saved_pct(size.before_bytes, size.after_bytes)?;
    Some(Estimate { pct, lo: pct, hi: pct })
}
