//! One run of every query on both copies: result, counters, plan, and whether it is hopeless.
//!
//! Times from here decide nothing but how often a query is repeated and which one is too slow to
//! be timed at all.

use super::{Error, Lanes, Options};
use crate::payload::{Counters, QueryStatus};
use crate::targets::sqlite::measure::{self, Execution, Hash, Outcome, Run};
use crate::targets::sqlite::{Query, Workload};
use rusqlite::Connection;
use std::time::Duration;

/// A query that takes this many times as long with the change ...
const HOPELESS_FACTOR: f64 = 20.0;
/// ... and at least this long need not be timed to be refused.
const HOPELESS_MS: f64 = 100.0;

/// A query of the workload, looked at once on both copies.
pub(super) struct Screened<'a> {
    pub query: &'a Query,
    pub status: QueryStatus,
    /// How its result is compared; [`Hash::None`] where it cannot be.
    pub hash: Hash,
    pub before: Seen,
    pub after: Seen,
    pub plan_changed: bool,
}

/// One run.
pub(super) enum Seen {
    Done(Execution),
    /// Interrupted after this long.
    TimedOut(Duration),
    /// SQLite gave up with this message.
    Failed(String),
}

impl Seen {
    /// Its time; at least its time where it did not end.
    pub fn ms(&self) -> f64 {
        match self {
            Seen::Done(execution) => execution.ms(),
            Seen::TimedOut(after) => after.as_secs_f64() * 1e3,
            Seen::Failed(_) => 0.0,
        }
    }

    pub fn counters(&self) -> Counters {
        match self {
            Seen::Done(execution) => execution.counters,
            Seen::TimedOut(_) | Seen::Failed(_) => Counters::default(),
        }
    }

    pub fn ended(&self) -> bool {
        matches!(self, Seen::Done(_))
    }
}

impl Screened<'_> {
    /// Whether it is so much slower with the change that timing it would waste everybody's time.
    pub fn is_hopeless(&self) -> bool {
        match (&self.before, &self.after) {
            (Seen::Done(_), Seen::TimedOut(_)) => true,
            (Seen::Done(before), Seen::Done(after)) => is_far_slower(before.ms(), after.ms()),
            _ => false,
        }
    }

    /// Whether SQLite runs the very same program on both copies.
    pub fn is_unchanged(&self) -> bool {
        !self.plan_changed
            && self.before.ended()
            && self.after.ended()
            && self.before.counters() == self.after.counters()
    }
}

fn is_far_slower(before_ms: f64, after_ms: f64) -> bool {
    after_ms > HOPELESS_MS && after_ms > HOPELESS_FACTOR * before_ms
}

pub(super) fn screen<'a>(
    lanes: &mut Lanes,
    workload: &'a Workload,
    options: &Options,
    progress: &dyn Fn(&str),
) -> Result<Vec<Screened<'a>>, Error> {
    let mut screened = Vec::new();
    for query in &workload.queries {
        progress(&format!("comparing results of {}", query.name));
        screened.push(one(lanes, query, options)?);
    }
    Ok(screened)
}

fn one<'a>(lanes: &mut Lanes, query: &'a Query, options: &Options) -> Result<Screened<'a>, Error> {
    let failed =
        |source| Error::Query { name: query.name.clone(), origin: query.origin.clone(), source };
    let stability =
        measure::stability(&mut lanes.before, query, options.timeout).map_err(failed)?;
    let (status, hash) = (stability.status, stability.hash);
    let before = match (&status, stability.execution) {
        (QueryStatus::TimedOut(_), _) => Seen::TimedOut(options.timeout),
        // Once more, now that the cache is warm.
        (QueryStatus::Stable | QueryStatus::Unstable(_), _) => {
            let run = Run { timeout: options.timeout, hash };
            match measure::execute(&mut lanes.before, &query.sql, &run).map_err(failed)? {
                Outcome::Done(execution) => Seen::Done(execution),
                Outcome::TimedOut { after } => Seen::TimedOut(after),
            }
        }
    };
    let after = after(&mut lanes.after, query, &before, hash, options.timeout);
    let plan_before = measure::plan(&lanes.before, &query.sql).map_err(failed)?;
    // A query that can no longer be prepared has failed above.
    let plan_after = measure::plan(&lanes.after, &query.sql).unwrap_or_default();
    let plan_changed = plan_before != plan_after;
    Ok(Screened { query, status, hash, before, after, plan_changed })
}

/// Runs the query with the change, no longer than it takes to know that it is hopeless.
fn after(
    conn: &mut Connection,
    query: &Query,
    before: &Seen,
    hash: Hash,
    timeout: Duration,
) -> Seen {
    let enough = Duration::from_secs_f64((before.ms() * 2.0 * HOPELESS_FACTOR).max(1e3) / 1e3);
    let timeout = if before.ended() { timeout.min(enough) } else { timeout };
    let mut seen = Seen::Failed(String::new());
    // The first run fills the cache; a query that is slow must be so twice.
    for _ in 0..2 {
        seen = match measure::execute(conn, &query.sql, &Run { timeout, hash }) {
            Ok(Outcome::Done(execution)) => Seen::Done(execution),
            Ok(Outcome::TimedOut { after }) => return Seen::TimedOut(after),
            Err(error) => return Seen::Failed(error.to_string()),
        };
        if before.ended() && !is_far_slower(before.ms(), seen.ms()) {
            break;
        }
    }
    seen
}
