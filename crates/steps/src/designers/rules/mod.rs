//! The rule-based designer for SQLite: which indexes would make a workload faster, judged by
//! measuring on copies.
//!
//! The road: predicates → candidates → what the planner would use (no data needed) → timing on a
//! copy → a bundle that helps the whole workload → the bundle alone on a fresh copy. Counters and
//! plans screen, time decides. Where no index helps any more, redundant ones are named.
//!
//! Deliberately not in here: ANALYZE (its effect on other plans cannot be taken back exactly),
//! rewriting queries, changing tables, and anything that touches the live database.

mod bench;
mod candidates;
mod definition;
mod explore;
mod from;
mod greedy;
mod judge;
mod lab;
mod planner;
mod pool;
mod predicates;
mod proposal;
mod ratio;
mod redundant;
mod schema;
mod scope;
mod search;
mod select;
mod shallow;
mod terms;
mod verify;
mod walk;
mod write_cost;

#[cfg(test)]
mod tests;

use crate::{
    payload::{Analysis, Proposal},
    targets::sqlite::{Workload, measure},
};
use kaizen_engine::error::{Class, Classified};
use std::{path::Path, time::Duration};

/// What the designer works on.
#[derive(Debug)]
pub struct Input<'a> {
    /// A private snapshot of the database; it is read, never changed.
    pub snapshot: &'a Path,
    /// A directory for copies; the caller removes it.
    pub scratch: &'a Path,
    /// The queries that count.
    pub workload: &'a Workload,
    /// How they perform now.
    pub analysis: &'a Analysis,
    /// What a proposal must keep to.
    pub limits: Limits,
    /// Up scripts that were rolled back before, in any spelling of white space and case: never
    /// proposed again.
    pub already_rolled_back: &'a [String],
    /// How to choose.
    pub strategy: Strategy,
    /// How long to search. What was not tried in time is named in the notes.
    pub budget: Duration,
    /// Decides in which order pairs are measured.
    pub seed: u64,
}

/// What a proposal must keep to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Percent of workload time that a proposal must save.
    pub min_improvement_pct: f64,
    /// Percent by which a single query may get slower.
    pub max_regression_pct: f64,
    /// Percent by which writing a sample of rows may get slower.
    pub max_write_cost_pct: f64,
    /// Change sets per proposal, at least 1.
    pub max_changes: usize,
    /// When a single execution is interrupted.
    pub timeout: Duration,
}

/// How to choose among candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// By measuring on copies.
    Measured,
    /// Without measuring: an index on the first equality predicate of the most frequent query.
    /// Plausible and sometimes harmful, on purpose: it shows what the gates behind it are for.
    Greedy,
}

/// Why nothing could be designed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The snapshot or a copy of it could not be read or measured.
    #[error("a copy of the database could not be measured: {0}")]
    Measure(#[from] measure::Error),
    /// SQLite refused something on a copy.
    #[error("SQLite refused a step on a copy of the database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A copy could not be written.
    #[error("a copy of the database could not be written to {path}: {source}")]
    Copy {
        /// Where to.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::Measure(error) => error.class(),
            Error::Sqlite(_) | Error::Copy { .. } => Class::Operator,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Measure(error) => error.code(),
            Error::Sqlite(_) => "designer_sqlite",
            Error::Copy { .. } => "designer_copy",
        }
    }
}

/// Designs at most `max_changes` change sets, best first; none where nothing helps, with notes
/// that say what was tried.
///
/// # Errors
/// Where the snapshot cannot be read, copied or measured.
pub fn design(input: &Input<'_>, progress: &dyn Fn(&str)) -> Result<Proposal, Error> {
    match input.strategy {
        Strategy::Measured => search::design(input, progress),
        Strategy::Greedy => greedy::design(input),
    }
}
