//! Whether a query's result is determined by the data, and so can be compared before and after.
//!
//! The same query is run in ways that may only change what the query leaves open: unordered scans
//! reversed, ties of its ORDER BY broken in both directions. What neither finds (a bare column
//! beside GROUP BY) shows when two copies with the same data answer differently; see
//! [`super::compare`].

use super::measure::{Error, Execution, Hash, Outcome, Run, execute};
use super::{Query, text};
use crate::payload::QueryStatus;
use rusqlite::Connection;
use sqlparser::ast::{
    Expr, OrderByExpr, OrderByKind, OrderByOptions, OrderBySort, Statement, Value,
};
use sqlparser::{dialect::SQLiteDialect, parser::Parser};
use std::time::Duration;

/// Whether a result can be compared, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Stability {
    pub status: QueryStatus,
    /// The strictest hash that is the same in every way of running the query; [`Hash::None`]
    /// where there is none.
    pub hash: Hash,
    /// The plain run under that hash, where it ended.
    pub execution: Option<Execution>,
}

impl Stability {
    fn none(status: QueryStatus) -> Stability {
        Stability { status, hash: Hash::None, execution: None }
    }
}

/// Runs the query as it is and in other ways that must not matter, and compares the results.
///
/// # Errors
/// As [`execute`].
pub fn is_stable(
    conn: &mut Connection,
    query: &Query,
    timeout: Duration,
) -> Result<QueryStatus, Error> {
    Ok(stability(conn, query, timeout)?.status)
}

/// As [`is_stable`], with the way in which the result can be compared.
///
/// An order that leaves ties open falls back to comparing rows in any order; sums of reals, which
/// differ in their last digits with the order of adding, to rounded reals.
///
/// # Errors
/// As [`execute`].
pub fn stability(
    conn: &mut Connection,
    query: &Query,
    timeout: Duration,
) -> Result<Stability, Error> {
    if let Some(what) = text::moving_part(&query.sql) {
        return Ok(Stability::none(QueryStatus::Unstable(format!("it depends on {what}"))));
    }
    let refined = if query.ordered { refined(conn, &query.sql)? } else { Vec::new() };
    for &hash in levels(query.ordered) {
        let run = Run { timeout, hash };
        let Outcome::Done(plain) = execute(conn, &query.sql, &run)? else {
            let ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
            return Ok(Stability::none(QueryStatus::TimedOut(ms)));
        };
        if others_agree(conn, query, &refined, &run, &plain)? {
            let execution = Some(plain);
            return Ok(Stability { status: QueryStatus::Stable, hash, execution });
        }
    }
    let reason = "its rows change with the order in which SQLite scans (LIMIT without a complete \
                  ORDER BY?)";
    Ok(Stability::none(QueryStatus::Unstable(reason.to_owned())))
}

/// The ways to compare a result, strictest first.
fn levels(ordered: bool) -> &'static [Hash] {
    if ordered {
        &[Hash::Ordered, Hash::OrderedRounded, Hash::Multiset, Hash::Rounded]
    } else {
        &[Hash::Multiset, Hash::Rounded]
    }
}

fn others_agree(
    conn: &mut Connection,
    query: &Query,
    refined: &[String],
    run: &Run,
    plain: &Execution,
) -> Result<bool, Error> {
    let mut outcomes = vec![reversed(conn, &query.sql, run)?];
    for sql in refined {
        outcomes.push(execute(conn, sql, run)?);
    }
    // A way of running it that takes too long tells nothing.
    Ok(outcomes.iter().all(|outcome| match outcome {
        Outcome::Done(other) => other.digest == plain.digest,
        Outcome::TimedOut { .. } => true,
    }))
}

fn reversed(conn: &mut Connection, sql: &str, run: &Run) -> Result<Outcome, Error> {
    conn.pragma_update(None, "reverse_unordered_selects", true)?;
    let outcome = execute(conn, sql, run);
    conn.pragma_update(None, "reverse_unordered_selects", false)?;
    outcome
}

/// The query with every column of its result added to its ORDER BY, ascending and descending:
/// both are orders that the query allows, so that a result which differs was not determined.
fn refined(conn: &Connection, sql: &str) -> Result<Vec<String>, Error> {
    let columns = conn.prepare(sql)?.column_count();
    let variants = [OrderBySort::Asc, OrderBySort::Desc].map(|sort| refine(sql, columns, &sort));
    // What sqlparser writes may not be what SQLite reads: such a variant is left out.
    Ok(variants.into_iter().flatten().filter(|sql| conn.prepare(sql).is_ok()).collect())
}

fn refine(sql: &str, columns: usize, sort: &OrderBySort) -> Option<String> {
    let mut statements = Parser::parse_sql(&SQLiteDialect {}, sql).ok()?;
    let Some(Statement::Query(query)) = statements.first_mut() else { return None };
    let OrderByKind::Expressions(keys) = &mut query.order_by.as_mut()?.kind else { return None };
    keys.extend((1..=columns).map(|column| OrderByExpr {
        expr: Expr::value(Value::Number(column.to_string(), false)),
        options: OrderByOptions { sort: Some(sort.clone()), nulls_first: None },
        with_fill: None,
    }));
    Some(statements[0].to_string())
}
