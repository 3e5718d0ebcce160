//! What is known about a change before anything is measured, as numbers.
//!
//! Deliberately not here: improvement, counters after the change, or anything else that only a
//! measurement tells.

use crate::payload::{Kind, Source};
use serde::{Deserialize, Serialize};

/// What the plan of the slowest query that the change is meant for looks like before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlanPattern {
    /// `SCAN t`.
    FullScan,
    /// `AUTOMATIC … INDEX`: SQLite builds one for every execution.
    AutoIndex,
    /// `USE TEMP B-TREE`.
    Sort,
    /// An index answers it already.
    Covered,
    Other,
}

impl PlanPattern {
    /// What stands out most in a plan (`EXPLAIN QUERY PLAN`, one line a node).
    pub fn of(plan: &[String]) -> PlanPattern {
        let has = |words: &str| plan.iter().any(|line| line.contains(words));
        let scans = plan
            .iter()
            .any(|line| line.trim_start().starts_with("SCAN") && !line.contains("INDEX"));
        match () {
            () if has("AUTOMATIC") => PlanPattern::AutoIndex,
            () if scans => PlanPattern::FullScan,
            () if has("TEMP B-TREE") => PlanPattern::Sort,
            () if has("INDEX") => PlanPattern::Covered,
            () => PlanPattern::Other,
        }
    }
}

/// The features of one change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Features {
    pub kind: Kind,
    pub plan_pattern: PlanPattern,
    /// log10 of the touched tables' size in bytes.
    pub size_log10_bytes: f64,
    /// Share of writes in the workload, 0 to 1.
    pub write_share: f64,
    /// ln(1 + lines of the diff).
    pub diff_lines_log: f64,
    /// Who proposed it: `rules`, `file`, `run`, `model`, `agent`.
    pub designer: String,
    /// Share of earlier changes of this kind that stayed, 0 to 1; 0.5 where there were none.
    pub past_rate_of_kind: f64,
}

/// What came later has no mark of its own: a model fitted before it would read the marks behind it
/// wrongly.
const KINDS: [Kind; 9] = [
    Kind::Statistics,
    Kind::Index,
    Kind::DropIndex,
    Kind::Code,
    Kind::View,
    Kind::Trigger,
    Kind::Schema,
    Kind::Data,
    Kind::Unclassified,
];

const PATTERNS: [(PlanPattern, &str); 5] = [
    (PlanPattern::FullScan, "full_scan"),
    (PlanPattern::AutoIndex, "auto_index"),
    (PlanPattern::Sort, "sort"),
    (PlanPattern::Covered, "covered"),
    (PlanPattern::Other, "other"),
];

const DESIGNERS: [&str; 5] = ["rules", "file", "run", "model", "agent"];

/// Features that are measured and not counted: these are standardised before fitting.
pub(super) const NUMBERS: [&str; 4] =
    ["size_log10_bytes", "write_share", "diff_lines_log", "past_rate_of_kind"];

/// The names of the encoded features, in the order of [`encode`].
pub fn names() -> Vec<String> {
    let numbers = NUMBERS.iter().map(|name| (*name).to_owned());
    let kinds = KINDS.iter().map(|kind| format!("kind={kind}"));
    let patterns = PATTERNS.iter().map(|(_, name)| format!("plan={name}"));
    let designers = DESIGNERS.iter().map(|name| format!("designer={name}"));
    numbers.chain(kinds).chain(patterns).chain(designers).collect()
}

/// The features as finite numbers: four numbers, then one 0 or 1 per kind, plan pattern and
/// designer. A number that is none counts as 0; a designer nobody knows has no 1.
pub fn encode(features: &Features) -> Vec<f64> {
    let within =
        |value: f64, most: f64| if value.is_finite() { value.clamp(0.0, most) } else { 0.0 };
    let mark = |is: bool| if is { 1.0 } else { 0.0 };
    let mut encoded = vec![
        within(features.size_log10_bytes, 18.0),
        within(features.write_share, 1.0),
        within(features.diff_lines_log, 18.0),
        within(features.past_rate_of_kind, 1.0),
    ];
    encoded.extend(KINDS.iter().map(|kind| mark(*kind == features.kind)));
    encoded.extend(PATTERNS.iter().map(|(pattern, _)| mark(*pattern == features.plan_pattern)));
    encoded.extend(DESIGNERS.iter().map(|name| mark(*name == features.designer)));
    encoded
}

/// The designer's name as a feature and as a key of the weights.
pub fn designer_name(source: &Source) -> &'static str {
    match source {
        Source::Rules => "rules",
        Source::File(_) => "file",
        Source::Run(_) => "run",
        Source::Model(_) => "model",
        Source::Agent(_) => "agent",
    }
}
