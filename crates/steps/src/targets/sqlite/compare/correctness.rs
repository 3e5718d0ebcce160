//! Whether every query answers as before.
//!
//! One check for all, and one by name for each query that failed or could not be compared. A
//! result that differs although both copies hold the same data was never determined by the data.

use super::screen::{Screened, Seen};
use super::{Error, Lanes};
use crate::payload::{Check, CheckResult, QueryStatus};
use crate::targets::sqlite::contents;
use crate::targets::sqlite::measure::{self, Hash, Outcome, Run};
use rusqlite::Connection;
use std::time::Duration;

/// The check over all queries.
pub const RESULTS: &str = "results";

/// The name of the check of one query's result.
pub fn result_check(query: &str) -> String {
    format!("result of {query}")
}

/// Compares the results that were seen. Beside the checks: which of them policy need not excuse,
/// because the query cannot be compared by its own fault.
pub(super) fn check(
    lanes: &mut Lanes,
    screened: &[Screened],
    timeout: Duration,
) -> Result<(Vec<Check>, Vec<String>), Error> {
    let (mut checks, mut equal) = (Vec::new(), 0);
    let mut same_data = None;
    for query in screened {
        let mut answer = answer(query);
        if matches!(answer, Answer::Differs) && rounded_agree(lanes, query, timeout)? {
            answer = Answer::Same;
        }
        let (result, detail) = match answer {
            Answer::Same => {
                equal += 1;
                continue;
            }
            Answer::Unknown(why) => (CheckResult::NotMeasurable, why),
            Answer::Failed(why) => (CheckResult::Failed, why),
            Answer::Differs => {
                let same = match same_data {
                    Some(same) => same,
                    None => *same_data.insert(hold_the_same(lanes)?),
                };
                differs(query, same)
            }
        };
        checks.push(Check { name: result_check(&query.query.name), result, detail });
    }
    let excused = checks.iter().filter(|check| check.result == CheckResult::NotMeasurable);
    let excused = excused.map(|check| check.name.clone()).collect();
    checks.insert(0, over_all(&checks, equal, screened.len()));
    Ok((checks, excused))
}

fn over_all(checks: &[Check], equal: usize, of: usize) -> Check {
    let result = if checks.iter().any(|check| check.result == CheckResult::Failed) {
        CheckResult::Failed
    } else if equal == 0 {
        CheckResult::NotMeasurable
    } else {
        CheckResult::Passed
    };
    Check {
        name: RESULTS.to_owned(),
        result,
        detail: format!("{equal} of {of} queries answer as before"),
    }
}

/// Another join order adds reals up in another order: the last digits may differ.
fn rounded_agree(lanes: &mut Lanes, query: &Screened, timeout: Duration) -> Result<bool, Error> {
    let hash = match query.hash {
        Hash::Ordered => Hash::OrderedRounded,
        Hash::Multiset => Hash::Rounded,
        Hash::None | Hash::OrderedRounded | Hash::Rounded => return Ok(false),
    };
    let run = Run { timeout, hash };
    let before = measure::execute(&mut lanes.before, &query.query.sql, &run)?;
    let after = measure::execute(&mut lanes.after, &query.query.sql, &run)?;
    Ok(match (before, after) {
        (Outcome::Done(before), Outcome::Done(after)) => before.digest == after.digest,
        _ => false,
    })
}

enum Answer {
    Same,
    Differs,
    Failed(String),
    Unknown(String),
}

fn answer(query: &Screened) -> Answer {
    let (before, after) = match (&query.before, &query.after) {
        (_, Seen::Failed(why)) => return Answer::Failed(format!("it fails now: {why}")),
        (Seen::TimedOut(after), _) => {
            return Answer::Unknown(format!("without the change it did not end within {after:?}"));
        }
        (_, Seen::TimedOut(after)) => {
            return Answer::Unknown(format!("with the change it did not end within {after:?}"));
        }
        (Seen::Failed(why), _) => return Answer::Failed(why.clone()),
        (Seen::Done(before), Seen::Done(after)) => (before, after),
    };
    match &query.status {
        QueryStatus::Unstable(why) => Answer::Unknown(why.clone()),
        QueryStatus::TimedOut(ms) => Answer::Unknown(format!("it did not end within {ms} ms")),
        QueryStatus::Stable if before.digest == after.digest && before.rows == after.rows => {
            Answer::Same
        }
        QueryStatus::Stable => Answer::Differs,
    }
}

fn differs(query: &Screened, same_data: bool) -> (CheckResult, String) {
    let rows = |seen: &Seen| match seen {
        Seen::Done(execution) => execution.rows,
        Seen::TimedOut(_) | Seen::Failed(_) => 0,
    };
    let (before, after) = (rows(&query.before), rows(&query.after));
    if same_data {
        let why = "its result changes with the query plan although tables and views are the same: \
                   it is not determined by the data";
        return (CheckResult::NotMeasurable, why.to_owned());
    }
    (CheckResult::Failed, format!("another result: {before} rows before, {after} after"))
}

/// Whether both copies hold the same tables with the same rows, the same views and the same
/// triggers: then only access paths differ.
fn hold_the_same(lanes: &Lanes) -> Result<bool, Error> {
    let meaning = |conn: &Connection| -> rusqlite::Result<_> {
        let mut schema = contents::schema(conn)?;
        schema.retain(|object| object.kind != "index");
        let sound: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        Ok((schema, contents::contents_digest(conn, None)?, sound == "ok"))
    };
    let (before, after) = (meaning(&lanes.before)?, meaning(&lanes.after)?);
    Ok(before == after && before.2)
}
