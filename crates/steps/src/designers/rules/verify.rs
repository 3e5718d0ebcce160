//! The chosen set alone, on a fresh copy, against a copy without it: the last word.
//!
//! On the bench many candidates lie side by side and the times are from different moments. Here
//! the final statements run in their final order, and the two copies are measured in turn.

use super::{Error, Input, bench, lab::repeats};
use crate::targets::sqlite::measure::{self, Hash, Outcome, Run};
use rusqlite::Connection;
use std::time::{Duration, Instant};

/// Pairs measured for each query whose work changed.
const PAIRS: u32 = 5;

/// A query to measure.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// Its number.
    pub query: usize,
    /// The milliseconds after which it was given up without the change: not waited for again.
    pub endless_ms: Option<f64>,
}

/// What one query costs before and after.
#[derive(Debug, Clone)]
pub struct Compared {
    /// Its number.
    pub query: usize,
    /// Least milliseconds before; the timeout where it did not end.
    pub before_ms: f64,
    /// The same after.
    pub after_ms: f64,
    /// Its plan with the change.
    pub plan: Vec<String>,
    /// Whether plan or counters differ at all.
    pub changed: bool,
}

/// What the change does to the workload.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    /// Query by query.
    pub queries: Vec<Compared>,
    /// Whether the time ran out before all pairs were measured.
    pub cut_short: bool,
    /// Bytes that the file grew by (negative: shrank).
    pub grown_bytes: i64,
}

impl Verified {
    /// Percent of the workload's time saved, by weight.
    pub fn improvement_pct(&self, input: &Input<'_>) -> f64 {
        let sum = |ms: &dyn Fn(&Compared) -> f64| -> f64 {
            let weight = |c: &Compared| input.workload.queries[c.query].weight;
            self.queries.iter().map(|compared| weight(compared) * ms(compared)).sum()
        };
        let (before, after) = (sum(&|c| c.before_ms), sum(&|c| c.after_ms));
        if before > 0.0 { (1.0 - after / before) * 100.0 } else { 0.0 }
    }

    /// Queries that got slower than allowed.
    pub fn slower(&self, allowed_pct: f64) -> Vec<&Compared> {
        let limit = 1.0 + allowed_pct / 100.0;
        let is_slower = |c: &&Compared| c.changed && c.after_ms > c.before_ms * limit;
        self.queries.iter().filter(is_slower).collect()
    }
}

/// Applies `up` to a fresh copy and measures `queries` on it and on one without.
///
/// # Errors
/// Where a copy fails or refuses the script.
pub fn verify(
    input: &Input<'_>,
    up: &str,
    queries: &[Subject],
    deadline: Instant,
) -> Result<Verified, Error> {
    let mut before = bench::copy(input.snapshot, &input.scratch.join("before.db"))?;
    let mut after = bench::copy(input.snapshot, &input.scratch.join("after.db"))?;
    after.execute_batch(up)?;
    let mut verified =
        Verified { grown_bytes: size(&after)? - size(&before)?, ..Verified::default() };
    for subject in queries {
        let compared = compare(input, *subject, [&mut before, &mut after], deadline)?;
        verified.cut_short |= compared.1;
        verified.queries.push(compared.0);
    }
    Ok(verified)
}

fn compare(
    input: &Input<'_>,
    Subject { query, endless_ms }: Subject,
    [before, after]: [&mut Connection; 2],
    deadline: Instant,
) -> Result<(Compared, bool), Error> {
    let sql = &input.workload.queries[query].sql;
    let plan = measure::plan(after, sql)?;
    let same_plan = measure::plan(before, sql)? == plan;
    let timeout = input.limits.timeout;
    if let Some(before_ms) = endless_ms {
        let after_ms = if same_plan { before_ms } else { run(after, sql, timeout)?.0 };
        return Ok((Compared { query, before_ms, after_ms, plan, changed: !same_plan }, false));
    }
    let mut least = [f64::INFINITY; 2];
    let mut steps = [0, 0];
    for round in 0..PAIRS {
        if round > 1 && Instant::now() >= deadline {
            let [before_ms, after_ms] = least;
            return Ok((Compared { query, before_ms, after_ms, plan, changed: true }, true));
        }
        // A fixed shuffle: which side goes first alternates from a seeded start.
        let first = usize::from((input.seed ^ u64::from(round)).is_multiple_of(2));
        for side in [first, 1 - first] {
            let conn: &mut Connection = if side == 0 { before } else { after };
            let (ms, counted) = run(conn, sql, timeout)?;
            least[side] = least[side].min(ms);
            steps[side] = counted;
        }
        if same_plan && steps[0] == steps[1] {
            let before_ms = least[0].min(least[1]);
            let same = Compared { query, before_ms, after_ms: before_ms, plan, changed: false };
            return Ok((same, false));
        }
        let far_apart = least[0].max(least[1]) > 3.0 * least[0].min(least[1]);
        if far_apart && least[0].max(least[1]) > 50.0 {
            break;
        }
    }
    let [before_ms, after_ms] = least;
    Ok((Compared { query, before_ms, after_ms, plan, changed: true }, false))
}

fn run(conn: &mut Connection, sql: &str, timeout: Duration) -> Result<(f64, u64), Error> {
    let how = Run { timeout, hash: Hash::None };
    let mut least = f64::INFINITY;
    let mut steps = 0;
    let mut left = 1;
    while left > 0 {
        left -= 1;
        match measure::execute(conn, sql, &how)? {
            Outcome::TimedOut { after } => return Ok((after.as_secs_f64() * 1e3, 0)),
            Outcome::Done(done) => {
                if least.is_infinite() {
                    left = repeats(done.ms());
                }
                least = least.min(done.ms());
                steps = done.counters.vm_steps;
            }
        }
    }
    Ok((least, steps))
}

/// The file's size in bytes, without what is free inside it.
pub fn size(conn: &Connection) -> Result<i64, Error> {
    let sql = "SELECT (page_count - freelist_count) * page_size \
               FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    Ok(conn.query_row(sql, [], |row| row.get(0))?)
}
