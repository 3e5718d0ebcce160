//! The rules for SQL Server: the earlier plan of a query that got slower with another, else an index that
//! the optimizer misses, else one that is redundant.
//!
//! Nothing is measured here: what a rule proposes is judged by whoever approves, and after deployment
//! by what Query Store sees. Deliberately not here: dropping what is merely unused on one replica.

mod missing;
mod plans;
mod redundant;

#[cfg(test)]
mod tests;

use crate::payload::{Candidate, Proposal, Source, server::ServerAnalysis};
use kaizen_engine::journal::Timestamp;

/// What a proposal must keep to.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub max_changes: usize,
    /// Days over which an index must have been seen unused.
    pub min_observed_days: f64,
    /// From when on a forced plan's time counts.
    pub now: Timestamp,
}

/// Designs at most `max_changes` change sets, best first; none where no rule applies, with notes that
/// say why. `rolled_back` are up scripts that were taken back before.
#[must_use]
pub fn design(analysis: &ServerAnalysis, limits: Limits, rolled_back: &[String]) -> Proposal {
    let mut notes = Vec::new();
    let mut candidates: Vec<Candidate> = plans::candidates(analysis, limits.now, &mut notes);
    if candidates.is_empty() {
        candidates = missing::candidates(analysis, &mut notes);
    }
    if candidates.is_empty() {
        candidates = redundant::candidates(analysis, limits, &mut notes);
    }
    candidates.retain(|candidate| {
        let up = candidate.change.up.as_deref().unwrap_or_default();
        let again = rolled_back.iter().any(|script| same(script, up));
        if again {
            notes.push(format!("{}: was rolled back before", candidate.change.title));
        }
        !again
    });
    candidates.truncate(limits.max_changes);
    if candidates.is_empty() {
        notes.push("no rule has anything to propose".to_owned());
    }
    Proposal { candidates, source: Source::Rules, notes, shown: Vec::new() }
}

/// The same statements, white space and case apart.
fn same(one: &str, other: &str) -> bool {
    let normal =
        |script: &str| script.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    normal(one) == normal(other)
}

/// A name in brackets.
fn quoted(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

fn table(schema: &str, name: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(name))
}

/// How an index is built: without keeping others off the table where the edition can, and where the
/// version can (2022) without a queue behind it while it waits for its short locks.
fn options(analysis: &ServerAnalysis) -> &'static str {
    let major = analysis.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    match (analysis.online_builds, major.unwrap_or(0) >= LOW_PRIORITY) {
        (false, _) => "WITH (MAXDOP = 2)",
        (true, false) => "WITH (ONLINE = ON, MAXDOP = 2)",
        (true, true) => {
            "WITH (ONLINE = ON (WAIT_AT_LOW_PRIORITY (MAX_DURATION = 5 MINUTES, ABORT_AFTER_WAIT = \
             SELF)), MAXDOP = 2)"
        }
    }
}

/// The version since which CREATE INDEX waits at low priority.
const LOW_PRIORITY: u32 = 16;
