//! What Query Store has seen since a deployment, and before it: read interval by interval.

use super::{
    interval::{Cell, Seen},
    values::{int, number, text, whole},
    version,
};
use crate::adapters::mssql::{Error, Session, ToSql};
use std::collections::BTreeMap;

pub(super) const STATE: &str = include_str!("../../../../../sql/server/evaluate/state.sql");
const INTERVALS: &str = include_str!("../../../../../sql/server/evaluate/intervals.sql");
const TOUCHED: &str = include_str!("../../../../../sql/server/evaluate/touched.sql");
pub(super) const BLOCKED: &str = include_str!("../../../../../sql/server/evaluate/blocked.sql");

const DAY: i64 = 86_400;
const WEEK: i64 = 7 * DAY;

/// Weeks before a deployment that are looked at: Query Store keeps 30 days by default.
const WEEKS: i64 = 4;

/// What Query Store does at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// `READ_WRITE`: it collects.
    pub actual: String,
    pub interval_s: i64,
}

/// The state of Query Store; `None` where it has never been on.
///
/// # Errors
/// What the server says, or that it is gone.
pub async fn state(session: &mut Session) -> Result<Option<State>, Error> {
    let read = session.rows(STATE, &[], |row| {
        let interval_s = whole(row, "interval_minutes")? * 60;
        Ok(State { actual: text(row, "actual_state_desc")?, interval_s })
    });
    Ok(read.await?.into_iter().next())
}

/// Everything between the end of a deployment and `until`, the same hours of the weeks before it, and
/// as much just before it, but nothing before `since`, when the tables were last changed; and what the
/// interval that is not over at `now` holds. Seconds since 1970; `deployed`: when it began and ended.
///
/// # Errors
/// What the server says, or that it is gone.
pub async fn seen(
    session: &mut Session,
    tables: &[String],
    deployed: (i64, i64),
    (until, now, since): (i64, i64, i64),
) -> Result<Seen, Error> {
    let primary = if version::major(session).await? >= version::REPLICAS {
        "r.replica_group_id = 1"
    } else {
        "1 = 1"
    };
    let sql = INTERVALS.replace("{{primary}}", primary);
    let all = cells(session, &sql, deployed.1, now.max(until) + DAY).await?;
    let (after, running): (Vec<Cell>, Vec<Cell>) =
        all.into_iter().partition(|cell| cell.to_s <= until);
    let length = (until - deployed.1).max(0);
    let mut weeks = Vec::new();
    for back in 1..=WEEKS {
        let (from, to) = (deployed.1 - back * WEEK, until - back * WEEK);
        weeks.extend(cells(session, &sql, from, to.min(deployed.0)).await?);
    }
    weeks.retain(|cell| cell.from_s >= since);
    let adjacent = cells(session, &sql, (deployed.0 - length).max(since), deployed.0).await?;
    let mut touched = BTreeMap::new();
    for table in tables {
        let named = plan_name(table);
        let named = named.as_str();
        let params: [&dyn ToSql; 1] = [&named];
        let read = session
            .rows(TOUCHED, &params, |row| Ok((text(row, "query_hash")?, int(row, "writes")? != 0)));
        touched.extend(read.await?);
    }
    Ok(Seen { after, running, weeks, adjacent, touched, deployed })
}

/// Requests blocked for long at this moment; `None`: the login may not see others.
///
/// # Errors
/// What the server says, or that it is gone.
pub async fn blocked(session: &mut Session) -> Result<Option<i32>, Error> {
    session.one(BLOCKED, &[]).await
}

async fn cells(
    session: &mut Session,
    sql: &str,
    from_s: i64,
    to_s: i64,
) -> Result<Vec<Cell>, Error> {
    if to_s <= from_s {
        return Ok(Vec::new());
    }
    let params: [&dyn ToSql; 2] = [&from_s, &to_s];
    let read = session.rows(sql, &params, |row| {
        Ok(Cell {
            query: text(row, "query_hash")?,
            plan: text(row, "plan_hash")?,
            from_s: whole(row, "from_s")?,
            to_s: whole(row, "to_s")?,
            kind: int(row, "execution_type")?,
            executions: number(row, "executions")?,
            duration_us: number(row, "duration_us")?,
            cpu_us: number(row, "cpu_us")?,
            reads: number(row, "reads_pages")?,
        })
    });
    read.await
}

/// How a plan names a table, `schema.table` as it is written: names are in brackets, and XML.
fn plan_name(table: &str) -> String {
    let (schema, name) = table.split_once('.').unwrap_or(("dbo", table));
    let escaped = |text: &str| {
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        text.replace('"', "&quot;")
    };
    format!("Schema=\"[{}]\" Table=\"[{}]\"", escaped(schema), escaped(name))
}
