//! What a change does, measured: two equal copies, with it and without it, and a third as control.
//!
//! Correctness first, then counters and plans by one run each, then time: paired, interleaved, in
//! random order. Making the copies is [`super::copies`]'s work; what the numbers mean is
//! [`crate::evidence`]'s.

mod correctness;
mod screen;
mod timing;
mod writes;

use super::{Workload, measure};
use crate::evidence::{Limits, Measured, Objective, judge, size_saved};
use crate::payload::{Check, CheckResult, Evidence, QueryEvidence, SizeEvidence};
use kaizen_engine::error::{Class, Classified};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use rusqlite::Connection;
use screen::Screened;
use std::path::Path;
use std::time::{Duration, Instant};
use timing::Timing;

pub use correctness::{RESULTS, result_check};
pub use writes::WRITE_COST;

/// The copies to compare: see [`super::copies::prepare_copies`].
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    pub before: &'a Path,
    pub after: &'a Path,
    /// An equal copy of `before`, for measuring the same against the same.
    pub control: &'a Path,
}

/// How to compare.
#[derive(Debug, Clone)]
pub struct Options {
    /// When to interrupt a query.
    pub timeout: Duration,
    /// What is asked, and what is allowed.
    pub limits: Limits,
    /// What the change promises.
    pub objective: Objective,
    /// Tables whose writing is timed, any case.
    pub touched_tables: Vec<String>,
    /// Decides every random order.
    pub seed: u64,
    /// When to stop measuring with what there is.
    pub budget: Duration,
    /// Checks made elsewhere (preflight, tests), judged with those made here.
    pub checks: Vec<Check>,
}

/// Why there is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{origin}: query {name:?}: {source}")]
    Query { name: String, origin: String, source: measure::Error },
    #[error("the copies cannot be measured: {0}")]
    Copy(#[from] measure::Error),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Error {
        Error::Copy(error.into())
    }
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::Query { source, .. } | Error::Copy(source) => source.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Query { source, .. } | Error::Copy(source) => source.code(),
        }
    }
}

/// How often timing begins anew on a noisy machine.
const MOST_NOISY_ROUNDS: u32 = 2;

/// The most bytes between the memory of one connection and that of the next.
const MOST_SHIFT: usize = 64 * 1024;

/// The three copies, opened.
struct Lanes {
    before: Connection,
    after: Connection,
    control: Connection,
    /// What lies between their memory.
    _shifts: [Vec<u8>; 3],
}

impl Lanes {
    /// Where the memory of a connection lies has alone made equal copies differ by 9 %, and alike
    /// in each process, as an effect would: so it is drawn by lot.
    fn open(pair: &Pair<'_>, seed: u64) -> Result<Lanes, Error> {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut shift = || vec![0; rng.random_range(0..MOST_SHIFT)];
        let first = shift();
        let before = measure::open_copy(pair.before)?;
        let second = shift();
        let after = measure::open_copy(pair.after)?;
        let third = shift();
        let control = measure::open_copy(pair.control)?;
        Ok(Lanes { before, after, control, _shifts: [first, second, third] })
    }
}

/// Measures the change. `progress` is told what is being done, one line per step.
///
/// # Errors
/// Where a copy cannot be read, or a query fails without the change. A query that fails, answers
/// differently or never ends with the change is evidence, not an error.
pub fn compare(
    pair: &Pair<'_>,
    workload: &Workload,
    options: &Options,
    progress: &dyn Fn(&str),
) -> Result<Evidence, Error> {
    let deadline = Instant::now() + options.budget;
    let mut lanes = Lanes::open(pair, options.seed)?;
    let screened = screen::screen(&mut lanes, workload, options, progress)?;
    let (results, excused) = correctness::check(&mut lanes, &screened, options.timeout)?;
    let mut options = options.clone();
    options.limits.may_be_absent.extend(excused);
    let mut checks = std::mem::take(&mut options.checks);
    checks.extend(results);
    let mut size = size(&lanes)?;
    let failed = checks.iter().any(|check| check.result == CheckResult::Failed);
    let timing = if failed {
        // Nothing is worth timing about a wrong answer.
        Timing::untimed(&screened)
    } else {
        let timing = time(pair, &mut lanes, &screened, &options, deadline, progress)?;
        progress("timing writes");
        checks.extend(writes::measure(&mut lanes, &options, &mut size)?);
        timing
    };
    Ok(assemble(checks, timing, size, &options))
}

/// Times the copies, opened anew, and once more from the beginning where the same against the same says that
/// the machine was too busy to tell: a busy moment is no property of the change. What decides is
/// the control alone, so that no result is picked for what it says of the change.
fn time(
    pair: &Pair<'_>,
    lanes: &mut Lanes,
    screened: &[Screened],
    options: &Options,
    deadline: Instant,
    progress: &dyn Fn(&str),
) -> Result<Timing, Error> {
    let mut options = options.clone();
    let most = options.limits.min_improvement_pct / 2.0;
    let mut noisy = 0;
    loop {
        *lanes = Lanes::open(pair, options.seed)?;
        let mut timing = timing::time(lanes, screened, &options, deadline, progress)?;
        let quiet = timing.control.is_some_and(|control| control.pct.abs() <= most);
        if quiet || noisy == MOST_NOISY_ROUNDS || Instant::now() >= deadline {
            if noisy > 0 {
                timing.notes.push(format!("timed anew {noisy} times: the machine was noisy"));
            }
            return Ok(timing);
        }
        noisy += 1;
        options.seed = options.seed.wrapping_add(1);
        progress("the machine was too noisy to tell: timing anew");
    }
}

fn assemble(checks: Vec<Check>, timing: Timing, size: SizeEvidence, options: &Options) -> Evidence {
    let Timing { mut queries, total, control, pairs, notes } = timing;
    let improvement = match options.objective {
        Objective::WorkloadTime => total,
        Objective::Size => size_saved(&size),
    };
    let measured = Measured {
        checks: &checks,
        improvement,
        control,
        queries: &queries,
        size: Some(size),
        objective: options.objective,
    };
    let (verdict, mut reasons) = judge(&measured, &options.limits);
    reasons.extend(notes);
    let total_ms = |query: &QueryEvidence| query.weight * query.before_ms.max(query.after_ms);
    queries.sort_by(|a, b| total_ms(b).total_cmp(&total_ms(a)));
    Evidence { checks, improvement, control, queries, size: Some(size), pairs, verdict, reasons }
}

/// Bytes in use: free pages are left out, so that dropping something shows.
fn size(lanes: &Lanes) -> Result<SizeEvidence, Error> {
    let used = |conn: &Connection| -> rusqlite::Result<u64> {
        let bytes: i64 = conn.query_row(include_str!("used.sql"), [], |row| row.get(0))?;
        Ok(bytes.cast_unsigned())
    };
    Ok(SizeEvidence {
        before_bytes: used(&lanes.before)?,
        after_bytes: used(&lanes.after)?,
        write_before_ms: None,
        write_after_ms: None,
    })
}

#[cfg(test)]
mod noise;
#[cfg(test)]
mod tests;
