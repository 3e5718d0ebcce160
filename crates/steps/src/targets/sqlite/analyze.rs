//! Analyze: how every query of the workload performs now, on a copy.
//!
//! Reads one copy and judges nothing but "slower than the baseline"; what to do about it is the
//! designers' work.

use super::measure::{self, Execution, Hash, Outcome, Run};
use super::{Query, Workload, contents, text};
use crate::payload::{
    Analysis, Baseline, Counters, QueryProfile, QueryStatus, Regression, SourceAbsent,
};
use kaizen_engine::error::{Class, Classified};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// Differences below this are a timer tick or a context switch, not a regression.
const NOISE_FLOOR_MS: f64 = 0.05;
/// Queries this short are run until this much time has gone into them ...
const SHORT_MS: f64 = 10.0;
/// ... but no more often than this.
const MOST_REPETITIONS: usize = 25;
/// Queries longer than this are not run again: their noise is small beside them.
const LONG_MS: f64 = 2_000.0;

/// How to analyze.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is looked at, for people: `sqlite app.db`.
    pub target: String,
    /// When to interrupt a query.
    pub timeout: Duration,
    /// Timed runs per query, after a warm-up; more for short queries, fewer for long ones.
    pub repetitions: usize,
    /// When to stop repeating; every query still runs.
    pub budget: Duration,
    /// The last kept run and its median milliseconds by query.
    pub baseline: Option<(String, BTreeMap<String, f64>)>,
    /// From how many percent on a query counts as slower than the baseline.
    pub regression_pct: f64,
    /// Sources that this target does not have, with the reason.
    pub absent: Vec<SourceAbsent>,
}

/// Why there is no analysis.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{origin}: query {name:?}: {source}")]
    Query { name: String, origin: String, source: measure::Error },
    #[error("the copy of the database cannot be read: {0}")]
    Copy(#[source] measure::Error),
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

/// Runs the workload on a snapshot. `progress` is told each query's name before it runs.
///
/// # Errors
/// Where the snapshot cannot be read or a query fails (not: where it times out).
pub fn analyze(
    snapshot: &Path,
    workload: &Workload,
    options: &Options,
    progress: &dyn Fn(&str),
) -> Result<Analysis, Error> {
    let mut conn = measure::open_copy(snapshot).map_err(Error::Copy)?;
    let spent = Instant::now();
    let mut queries = Vec::new();
    for query in &workload.queries {
        progress(&query.name);
        let left = options.budget.saturating_sub(spent.elapsed());
        let profile = profile(&mut conn, query, options, left).map_err(|source| Error::Query {
            name: query.name.clone(),
            origin: query.origin.clone(),
            source,
        })?;
        queries.push(profile);
    }
    share(&mut queries);
    let digest_of = |error| Error::Copy(measure::Error::Sqlite(error));
    Ok(Analysis {
        target: options.target.clone(),
        schema_digest: contents::schema_digest(&conn).map_err(digest_of)?,
        size_bytes: contents::size_bytes(&conn)?,
        regressions: regressions(&queries, options),
        queries,
        baseline: options.baseline.as_ref().map(|(run, _)| Baseline { run: run.clone() }),
        // History is the phase's to add: the target knows of none.
        success_by_kind: Vec::new(),
        absent: options.absent.clone(),
        server: None,
        command: None,
    })
}

fn profile(
    conn: &mut Connection,
    query: &Query,
    options: &Options,
    left: Duration,
) -> Result<QueryProfile, measure::Error> {
    let plan = measure::plan(conn, &query.sql)?;
    // Finding out whether it is stable warms the cache up.
    let stability = measure::stability(conn, query, options.timeout)?;
    let timed = match stability.status {
        QueryStatus::TimedOut(_) => None,
        QueryStatus::Stable | QueryStatus::Unstable(_) => timed(conn, &query.sql, options, left)?,
    };
    let status = match (&timed, stability.status) {
        (None, QueryStatus::Stable | QueryStatus::Unstable(_)) => {
            QueryStatus::TimedOut(u64::try_from(options.timeout.as_millis()).unwrap_or(u64::MAX))
        }
        (_, status) => status,
    };
    Ok(QueryProfile {
        name: query.name.clone(),
        weight: query.weight,
        shape: text::shape(&query.sql),
        median_ms: timed.as_ref().map(|timed| timed.median_ms),
        share: 0.0,
        counters: timed.as_ref().map(|timed| timed.counters),
        plan,
        status,
        rows: timed.as_ref().map(|timed| timed.rows),
        result_digest: stability.execution.and_then(|execution| execution.digest),
    })
}

struct Timed {
    median_ms: f64,
    counters: Counters,
    rows: u64,
}

fn timed(
    conn: &mut Connection,
    sql: &str,
    options: &Options,
    left: Duration,
) -> Result<Option<Timed>, measure::Error> {
    let run = Run { timeout: options.timeout, hash: Hash::None };
    let started = Instant::now();
    let Outcome::Done(first) = measure::execute(conn, sql, &run)? else { return Ok(None) };
    let mut times = vec![first.ms()];
    while times.len() < repetitions(&first, options.repetitions) && started.elapsed() < left {
        let Outcome::Done(again) = measure::execute(conn, sql, &run)? else { break };
        times.push(again.ms());
    }
    Ok(Some(Timed { median_ms: median(&mut times), counters: first.counters, rows: first.rows }))
}

fn repetitions(first: &Execution, wanted: usize) -> usize {
    if first.ms() > LONG_MS {
        return 1;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let short = (SHORT_MS / first.ms().max(1e-3)).clamp(1.0, 1e3) as usize;
    wanted.max(short.min(MOST_REPETITIONS)).max(1)
}

/// The middle value; the lower one of two. 0 where there is none.
pub(super) fn median(times: &mut [f64]) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times.get((times.len().max(1) - 1) / 2).copied().unwrap_or(0.0)
}

/// Fills in each query's share of the total and sorts, slowest total first. A query that never
/// ended counts with its timeout: it took at least that.
fn share(queries: &mut [QueryProfile]) {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
    let total = |query: &QueryProfile| {
        let ms = match (query.median_ms, &query.status) {
            (Some(ms), _) => ms,
            (None, QueryStatus::TimedOut(ms)) => *ms as f64,
            (None, QueryStatus::Stable | QueryStatus::Unstable(_)) => 0.0,
        };
        query.weight * ms
    };
    let sum: f64 = queries.iter().map(total).sum();
    for query in &mut *queries {
        query.share = if sum > 0.0 { total(query) / sum } else { 0.0 };
    }
    queries.sort_by(|a, b| b.share.total_cmp(&a.share));
}

fn regressions(queries: &[QueryProfile], options: &Options) -> Vec<Regression> {
    let Some((_, baseline)) = &options.baseline else { return Vec::new() };
    let slower = |query: &QueryProfile| {
        let before_ms = *baseline.get(&query.name)?;
        let now_ms = query.median_ms.unwrap_or(options.timeout.as_secs_f64() * 1e3);
        let limit = before_ms * (1.0 + options.regression_pct / 100.0);
        let over = now_ms > limit && now_ms - before_ms >= NOISE_FLOOR_MS;
        over.then(|| Regression { query: query.name.clone(), before_ms, now_ms })
    };
    queries.iter().filter_map(slower).collect()
}

#[cfg(test)]
mod tests;
