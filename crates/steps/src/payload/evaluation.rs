//! What was measured, before deployment (preflight) and after it (evaluate).

use super::analysis::Counters;
use crate::evidence::Probability;
use kaizen_engine::{
    journal::{Facts, Phase, event::Judged},
    step::Output,
};
use serde::{Deserialize, Serialize};

/// What was measured about one change. The same shape for preflight and evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Each check: passed, failed or not measurable.
    pub checks: Vec<Check>,
    /// The improvement of the kind's objective (workload time, or size for a redundant index).
    pub improvement: Option<Estimate>,
    /// A against A, measured alike: what the machine's noise alone looks like.
    pub control: Option<Estimate>,
    /// Query by query, slowest first.
    pub queries: Vec<QueryEvidence>,
    /// Database size and the cost of writing, before and after.
    pub size: Option<SizeEvidence>,
    /// Pairs measured before the verdict was clear.
    pub pairs: u32,
    pub verdict: Verdict,
    /// Why, one sentence each.
    pub reasons: Vec<String>,
}

/// Evaluate's output: what was measured after the deployment, and what follows from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    pub evidence: Evidence,
    /// The probability of success with this evidence, and its parts.
    pub probability: Probability,
    pub keep: bool,
    /// Why, one sentence each.
    pub reasons: Vec<String>,
}

impl Output for Evaluation {
    const PHASE: Phase = Phase::Evaluate;

    fn facts(&self) -> Facts {
        Facts::Judged(Judged { keep: self.keep, reasons: self.reasons.clone() })
    }
}

/// A percentage with its 95 % bootstrap confidence interval. Positive: better.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub pct: f64,
    pub lo: f64,
    pub hi: f64,
}

impl Estimate {
    /// `97.3 % less`, `12.0 % more`, `195.3 × as much`: percentages stop speaking beyond doubling.
    #[must_use]
    pub fn words(saved_pct: f64) -> String {
        match saved_pct {
            saved if saved <= -100.0 => format!("{:.1} × as much", 1.0 - saved / 100.0),
            saved if saved < 0.0 => format!("{:.1} % more", -saved),
            // There is a zero below zero.
            saved => format!("{:.1} % less", saved + 0.0),
        }
    }
}

impl std::fmt::Display for Estimate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The smaller difference first, whichever way it goes.
        let (from, to) = if self.hi <= 0.0 { (self.hi, self.lo) } else { (self.lo, self.hi) };
        let [pct, from, to] = [self.pct, from, to].map(Estimate::words);
        write!(f, "{pct} (95 % interval {from} to {to})")
    }
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub result: CheckResult,
    /// What was seen, for people.
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    Passed,
    Failed,
    NotMeasurable,
}

/// One query with the change undone (before) and with it (after).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryEvidence {
    pub name: String,
    pub weight: f64,
    pub before_ms: f64,
    pub after_ms: f64,
    pub before: Counters,
    pub after: Counters,
    /// Percent of time saved, with its interval; `None` where it was not timed.
    pub improvement: Option<Estimate>,
    /// Whether the plan changed.
    pub plan_changed: bool,
    /// What a metric is measured in; `None`: a query, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// A metric of which more is better.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub higher_is_better: bool,
}

/// What the change costs to keep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SizeEvidence {
    pub before_bytes: u64,
    pub after_bytes: u64,
    /// Milliseconds to write the same sample of rows, median of the pairs; `None`: no table to
    /// write to.
    pub write_before_ms: Option<f64>,
    pub write_after_ms: Option<f64>,
}

/// What the evidence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Correct, better by at least the minimum, no query slower than allowed.
    Improved,
    /// Correct, but better by less than the minimum.
    TooSmall,
    /// Some query or the writing got slower than allowed.
    Regressed,
    /// A test or a result is wrong.
    Incorrect,
    /// The machine's noise is too large to tell. Never passes.
    Inconclusive,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Verdict::Improved => "improved",
            Verdict::TooSmall => "too_small",
            Verdict::Regressed => "regressed",
            Verdict::Incorrect => "incorrect",
            Verdict::Inconclusive => "inconclusive",
        })
    }
}
