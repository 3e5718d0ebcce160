//! Whether a server has room for a script: what it would take, and what is free, against the workflow's
//! limits. What the server does not tell is said, and limits nothing.

use super::values::{int, number, text};
use crate::{
    adapters::mssql::{self, Connector, Session, ToSql},
    payload::{Check, CheckResult},
    sql::tsql::{self, Action, IndexDefinition},
};
use kaizen_engine::workflow::Sqlserver;
use std::{collections::BTreeMap, time::Duration};

const TABLE: &str = include_str!("../../../../../sql/server/deploy/limits/table.sql");
const WIDTHS: &str = include_str!("../../../../../sql/server/deploy/limits/widths.sql");
pub(super) const LOG: &str = include_str!("../../../../../sql/server/deploy/limits/log.sql");
pub(super) const TEMPDB: &str = include_str!("../../../../../sql/server/deploy/limits/tempdb.sql");
pub(super) const VOLUMES: &str =
    include_str!("../../../../../sql/server/deploy/limits/volumes.sql");
pub(super) const REPLICAS: &str =
    include_str!("../../../../../sql/server/deploy/limits/replicas.sql");
const INDEX_SIZE: &str = include_str!("../../../../../sql/server/deploy/limits/index_size.sql");

/// Bytes that a column without a limit is taken for.
const LONG: f64 = 512.0;

/// Bytes of a row in an index beside its columns: header, null bitmap, the way to the table's row.
const ROW: f64 = 24.0;

/// What was found, check by check.
#[derive(Debug, Clone, PartialEq)]
pub struct Room {
    pub checks: Vec<Check>,
    /// Whether a failed check is about the moment, so that the same may pass later.
    pub passing: bool,
}

impl Room {
    /// The failed checks, as a sentence; `None`: there is room.
    #[must_use]
    pub fn lacks(&self) -> Option<String> {
        let failed: Vec<&str> = self
            .checks
            .iter()
            .filter(|check| check.result == CheckResult::Failed)
            .map(|check| check.detail.as_str())
            .collect();
        (!failed.is_empty()).then(|| failed.join("; "))
    }
}

/// Looks at what the statements need and at what is free.
///
/// # Errors
/// That the server cannot be reached; what it may not tell is no error.
pub async fn room(
    connector: &Connector,
    statements: &[String],
    limits: &Sqlserver,
) -> Result<Room, mssql::Error> {
    let mut asking = Asking { connector, session: None };
    let (mut lasting, mut passing) = (Vec::new(), Vec::new());
    let mut builds = false;
    let mut sorts_in_tempdb = false;
    let mut grows = 0.0;
    for statement in statements {
        let Action::CreateIndex { index, how } = tsql::action(statement) else { continue };
        builds = true;
        sorts_in_tempdb |= statement.to_uppercase().contains("SORT_IN_TEMPDB");
        let (size, table) = sizes(&mut asking, &index).await?;
        grows += size.clone().ok().flatten().unwrap_or(0.0);
        let most = f64::from(limits.max_index_mb);
        lasting.push(at_most("index_size", &format!("the index {}", index.name), size, most));
        if !how.online {
            let what = format!("{}, blocked while {} is built,", index.table, index.name);
            let most = f64::from(limits.max_offline_mb);
            lasting.push(at_most("offline", &what, table, most));
        }
    }
    if builds {
        let log = asking.number(LOG, "used_pct").await?;
        passing.push(checked("log", log, |used| {
            let most = limits.max_log_pct;
            (used <= most, format!("the transaction log is {used:.0} % full, at most {most:.0} %"))
        }));
        // What the index takes is not free any more.
        let least = f64::from(limits.min_free_mb) + grows;
        let at_least = |name: &str, what: &str, found| {
            checked(name, found, |free: f64| {
                (
                    free >= least,
                    format!("{free:.0} MiB are free {what}, at least {least:.0} with it"),
                )
            })
        };
        let volumes = asking.number(VOLUMES, "free_mb").await?;
        passing.push(at_least("disk", "on the fullest volume", volumes));
        if sorts_in_tempdb {
            let tempdb = asking.number(TEMPDB, "free_mb").await?;
            passing.push(at_least("tempdb", "in tempdb's files", tempdb));
        }
        let queue = asking.number(REPLICAS, "queue_mb").await?;
        let queue = queue.map(|found| found.or(Some(0.0)));
        let most = f64::from(limits.max_replica_queue_mb);
        passing.push(at_most("replica_queue", "the longest queue of a replica", queue, most));
    }
    let lasts = lasting.iter().any(|check| check.result == CheckResult::Failed);
    Ok(Room { checks: [lasting, passing].concat(), passing: !lasts })
}

/// What the indexes that the statements name take now.
///
/// # Errors
/// What the server says, or that it is gone.
pub async fn bytes(session: &mut Session, statements: &[String]) -> Result<u64, mssql::Error> {
    let mut bytes = 0;
    for statement in statements {
        let (schema, table, name) = match tsql::action(statement) {
            Action::CreateIndex { index, .. } => (index.schema, index.table, index.name),
            Action::DropIndex { schema, table, name } => (schema, table, name),
            Action::Plan { .. } | Action::UpdateStatistics { .. } | Action::Unknown => continue,
        };
        let found = index_bytes(session, &schema, &table, &name).await?;
        bytes += found.unwrap_or(0).unsigned_abs();
    }
    Ok(bytes)
}

/// What an index takes; `None` where there is none or nobody says.
async fn index_bytes(
    session: &mut Session,
    schema: &str,
    table: &str,
    name: &str,
) -> Result<Option<i64>, mssql::Error> {
    session.one(INDEX_SIZE, &[&schema, &table, &name]).await
}

/// A number, NULL, or why it was not told.
type Told = Result<Option<f64>, String>;

/// Estimated size of an index and size of its table, both in MiB.
async fn sizes(
    asking: &mut Asking<'_>,
    index: &IndexDefinition,
) -> Result<(Told, Told), mssql::Error> {
    let (schema, table) = (index.schema.as_str(), index.table.as_str());
    let params: [&dyn ToSql; 2] = [&schema, &table];
    let table = asking
        .ask(async |session: &mut Session| {
            let rows = session.rows(TABLE, &params, |row| {
                Ok((number(row, "row_count")?, number(row, "used_mb")?))
            });
            Ok(rows.await?.into_iter().next())
        })
        .await?;
    let widths = asking
        .ask(async |session: &mut Session| {
            let rows = session.rows(WIDTHS, &params, |row| {
                Ok((text(row, "column_name")?.to_lowercase(), int(row, "max_length")?))
            });
            Ok(rows.await?.into_iter().collect::<BTreeMap<_, _>>())
        })
        .await?;
    let size = match (&table, &widths) {
        (Ok(Some((rows, used))), Ok(widths)) => Ok(Some(estimate(index, widths, *rows, *used))),
        (Ok(None), _) => Ok(None),
        (Err(why), _) | (_, Err(why)) => Err(why.clone()),
    };
    Ok((size, table.map(|table| table.map(|(_, used)| used))))
}

/// MiB that an index of so many rows takes at most: columns as wide as they may be, and never more
/// than the table and a quarter.
fn estimate(
    index: &IndexDefinition,
    widths: &BTreeMap<String, i32>,
    rows: f64,
    table_mb: f64,
) -> f64 {
    let columns = index.keys.iter().map(|(name, _)| name).chain(&index.included);
    let width = |name: &String| match widths.get(&name.to_lowercase()) {
        Some(-1) | None => LONG,
        Some(bytes) => f64::from(*bytes),
    };
    let bytes = rows * (columns.map(width).sum::<f64>() + ROW);
    let most = if index.clustered { f64::INFINITY } else { table_mb * 1.25 };
    (bytes / 1_048_576.0).min(most)
}

fn at_most(name: &str, what: &str, found: Told, most: f64) -> Check {
    checked(name, found, |found| {
        (found <= most, format!("{what} takes {found:.0} MiB, at most {most:.0}"))
    })
}

fn checked(name: &str, found: Told, judge: impl FnOnce(f64) -> (bool, String)) -> Check {
    let (result, detail) = match found {
        Ok(Some(found)) => {
            let (fine, detail) = judge(found);
            let detail = if fine { detail } else { format!("{detail} is allowed") };
            (if fine { CheckResult::Passed } else { CheckResult::Failed }, detail)
        }
        Ok(None) => (CheckResult::NotMeasurable, "the server has no number for it".to_owned()),
        Err(why) => (CheckResult::NotMeasurable, why),
    };
    Check { name: name.to_owned(), result, detail }
}

/// Questions of which each may be refused: after an error the next one has a connection of its own.
struct Asking<'a> {
    connector: &'a Connector,
    session: Option<Session>,
}

/// How long a server that has just answered is tried again.
const PATIENCE: Duration = Duration::from_secs(15);

impl Asking<'_> {
    async fn ask<T>(
        &mut self,
        question: impl AsyncFnOnce(&mut Session) -> Result<T, mssql::Error>,
    ) -> Result<Result<T, String>, mssql::Error> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => self.connector.session_within(PATIENCE).await?,
        };
        match question(&mut session).await {
            Ok(answer) => {
                self.session = Some(session);
                Ok(Ok(answer))
            }
            Err(error @ mssql::Error::Server { .. }) => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        }
    }

    async fn number(&mut self, sql: &str, column: &str) -> Result<Told, mssql::Error> {
        self.ask(async |session: &mut Session| {
            let read = session.rows(sql, &[], |row| row.try_get::<f64, _>(column));
            Ok(read.await?.into_iter().next().flatten())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_index_is_estimated_by_its_columns_and_never_beyond_its_table() {
        let statement = "CREATE INDEX ix ON dbo.Orders (CustomerId) INCLUDE (Note)";
        let Action::CreateIndex { index, .. } = tsql::action(statement) else { panic!() };
        let widths = BTreeMap::from([("customerid".to_owned(), 4), ("note".to_owned(), 100)]);
        // 1,048,576 rows of 4 + 100 + 24 bytes.
        assert!((estimate(&index, &widths, 1_048_576.0, 1_000.0) - 128.0).abs() < 1e-9);
        assert!((estimate(&index, &widths, 1_048_576.0, 40.0) - 50.0).abs() < 1e-9);
        let long = BTreeMap::from([("customerid".to_owned(), 4), ("note".to_owned(), -1)]);
        assert!((estimate(&index, &long, 1_048_576.0, 1_000.0) - 540.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_not_told_limits_nothing_and_is_said() {
        let over = at_most("log", "it", Ok(Some(12.0)), 10.0);
        assert_eq!(over.result, CheckResult::Failed);
        assert!(over.detail.contains("12 MiB") && over.detail.contains("at most 10"));
        let told = at_most("log", "it", Ok(Some(9.0)), 10.0);
        let denied = at_most("log", "it", Err("denied".to_owned()), 10.0);
        assert_eq!(denied.result, CheckResult::NotMeasurable);
        let room = Room { checks: vec![told, denied], passing: true };
        assert_eq!(room.lacks(), None);
        let room = Room { checks: vec![over], passing: true };
        assert!(room.lacks().unwrap().contains("12 MiB"));
    }
}
