//! Proving what the provenance login can do: by trying it, in transactions that are rolled back.

use super::{UNNUMBERED, grants::identifier, is_denied_by_text};
use crate::adapters::mssql::{self, Session};
use serde::Serialize;

/// What was tried, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tried {
    pub what: String,
    pub result: Verdict,
    pub detail: String,
    /// What does not work without it.
    pub disables: Option<&'static str>,
    /// The T-SQL that mends it, for an administrator; `LOGIN` stands for this login.
    pub mend: Option<&'static str>,
}

/// Whether it is as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    AsItMustBe,
    Wrong,
    /// It failed, and not for want of a permission.
    Unclear,
}

struct Attempt {
    what: &'static str,
    sql: &'static str,
    /// What it is for, where it must be allowed.
    serves: Option<&'static str>,
    mend: &'static str,
}

const fn may(
    what: &'static str,
    sql: &'static str,
    serves: &'static str,
    mend: &'static str,
) -> Attempt {
    Attempt { what, sql, serves: Some(serves), mend }
}

const fn may_not(what: &'static str, sql: &'static str) -> Attempt {
    Attempt { what, sql, serves: None, mend: LESS }
}

/// A login with too many rights is not mended by taking one away.
const LESS: &str = "give Kaizen a login of its own: kaizen sql grants provenance";

const ATTEMPTS: &[Attempt] = &[
    may(
        "read events",
        "SELECT COUNT(*) AS n FROM kaizen.events WHERE seq < 0",
        "shipping and audit verify",
        "GRANT SELECT ON kaizen.events TO LOGIN",
    ),
    may(
        "read artifacts",
        "SELECT COUNT(*) AS n FROM kaizen.artifacts WHERE digest = ''",
        "shipping and audit verify",
        "GRANT SELECT ON kaizen.artifacts TO LOGIN",
    ),
    may(
        "read the history",
        "SELECT COUNT(*) AS n FROM kaizen.history WHERE run < 0",
        "shipping and audit verify",
        "GRANT SELECT ON kaizen.history TO LOGIN",
    ),
    may(
        "read the trail's identity",
        "SELECT COUNT(*) AS n FROM kaizen.trail",
        "shipping",
        "GRANT SELECT ON kaizen.trail TO LOGIN",
    ),
    may(
        "read the schema's version",
        "SELECT COUNT(*) AS n FROM kaizen.schema_history",
        "shipping",
        "GRANT SELECT ON kaizen.schema_history TO LOGIN",
    ),
    may(
        "add to every table",
        include_str!("sql/check_insert.sql"),
        "shipping",
        "GRANT INSERT ON kaizen.journals TO LOGIN; the same ON kaizen.events, kaizen.artifacts and \
         kaizen.history",
    ),
    may_not("change an event", "UPDATE kaizen.events SET actor = actor WHERE 1 = 0"),
    may_not("change an artifact", "UPDATE kaizen.artifacts SET digest = digest WHERE 1 = 0"),
    may_not("change the history", "UPDATE kaizen.history SET outcome = outcome WHERE 1 = 0"),
    may_not("change a journal", "UPDATE kaizen.journals SET host = host WHERE 1 = 0"),
    may_not("delete an event", "DELETE FROM kaizen.events WHERE 1 = 0"),
    may_not("delete an artifact", "DELETE FROM kaizen.artifacts WHERE 1 = 0"),
    may_not("delete of the history", "DELETE FROM kaizen.history WHERE 1 = 0"),
    may_not("delete a journal", "DELETE FROM kaizen.journals WHERE 1 = 0"),
    may_not("add an identity", "INSERT INTO kaizen.trail (trail_id) VALUES (NEWID())"),
    may_not("change the identity", "UPDATE kaizen.trail SET made_at = made_at WHERE 1 = 0"),
    may_not("delete the identity", "DELETE FROM kaizen.trail WHERE 1 = 0"),
    may_not(
        "change the schema's versions",
        "UPDATE kaizen.schema_history SET name = name WHERE 1 = 0",
    ),
    may_not("delete the schema's versions", "DELETE FROM kaizen.schema_history WHERE 1 = 0"),
    may_not("drop the history's view", "DROP VIEW dbo.AutonomousImprovementHistory"),
    may_not("add to the schema's versions", include_str!("sql/check_version.sql")),
    may_not("empty a table", "TRUNCATE TABLE kaizen.history"),
    may_not("alter a table", "ALTER TABLE kaizen.events ADD kaizen_check int NULL"),
    may_not("drop a table", "DROP TABLE kaizen.history"),
    may_not("disable a trigger", "DISABLE TRIGGER kaizen.events_only_grow ON kaizen.events"),
    may_not("drop a trigger", "DROP TRIGGER kaizen.events_only_grow"),
    may_not("drop a view", "DROP VIEW kaizen.runs"),
    may_not("make a table", "CREATE TABLE kaizen.kaizen_check (n int NOT NULL)"),
];

/// What the server says for want of a permission.
const DENIED: &[u32] = &[
    229,   // the permission was denied on the object
    230,   // on the column
    262,   // in the database
    297,   // to perform this action
    300,   // VIEW SERVER STATE and the like
    1088,  // the object does not exist or you have no permission
    2110,  // cannot alter a trigger
    2760,  // the schema does not exist or you have no permission
    3701,  // cannot drop: it does not exist or you have no permission
    3704,  // no permission to drop
    4701,  // cannot truncate: it does not exist or you have no permission
    4704,  // no permission to truncate
    15151, // cannot find the object or you have no permission
    15247, // no permission to perform this action
];

/// The trail's own triggers.
const TRIGGER: u32 = 50_001;

/// Tries everything. Nothing of it stays.
///
/// # Errors
/// Where the connection breaks.
pub async fn check(session: &mut Session) -> Result<Vec<Tried>, mssql::Error> {
    let mut tried = Vec::new();
    for attempt in ATTEMPTS {
        session.run("BEGIN TRANSACTION").await?;
        let outcome = session.run(attempt.sql).await;
        session.run("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION").await?;
        tried.push(judge(attempt, outcome)?);
    }
    Ok(tried)
}

/// Whether the login of a target can reach the trail that `trail` is connected to. On another server
/// it cannot.
///
/// # Errors
/// Where a connection breaks.
pub async fn reach(
    trail: &mut Session,
    target: &mut Session,
    name: &str,
) -> Result<Tried, mssql::Error> {
    let here = trail
        .rows(include_str!("sql/server_name.sql"), &[], |row| {
            let server: Option<&str> = row.try_get("server_name")?;
            let database: Option<&str> = row.try_get("database_name")?;
            Ok((server.unwrap_or_default().to_owned(), database.unwrap_or_default().to_owned()))
        })
        .await?;
    let (server, database) = here.into_iter().next().unwrap_or_default();
    let mut rights = 0;
    for table in ["events", "artifacts", "history", "journals"] {
        let whole = format!("{}.[kaizen].[{table}]", identifier(&database));
        let found = target
            .rows(include_str!("sql/reach.sql"), &[&whole.as_str()], |row| {
                let there = row.try_get::<&str, _>("server_name")?.unwrap_or_default().to_owned();
                Ok((there, row.try_get::<i32, _>("rights")?.unwrap_or(0)))
            })
            .await?;
        let same = found.into_iter().filter(|(there, _)| *there == server);
        rights += same.map(|(_, rights)| rights).sum::<i32>();
    }
    let (result, detail, mend) = match rights {
        0 => (Verdict::AsItMustBe, "it has no right there".to_owned(), None),
        _ => {
            let detail = format!("it may change tables of {database} on the same server");
            (Verdict::Wrong, detail, Some("take its rights in the trail's database away"))
        }
    };
    let what = format!("target {name}: touch the trail");
    Ok(Tried { what, result, detail, disables: None, mend })
}

fn is_denied_without_number(error: &mssql::Error) -> bool {
    matches!(
        error,
        mssql::Error::Server { number: UNNUMBERED, message, .. } if is_denied_by_text(message)
    )
}

fn judge(attempt: &Attempt, outcome: Result<(), mssql::Error>) -> Result<Tried, mssql::Error> {
    let allowed = attempt.serves.is_some();
    let (result, detail) = match (allowed, outcome) {
        (true, Ok(())) => (Verdict::AsItMustBe, "allowed".to_owned()),
        (false, Ok(())) => (Verdict::Wrong, "allowed, and it must not be".to_owned()),
        (_, Err(error)) => {
            let Some(number) = error.number() else { return Err(error) };
            let denied = DENIED.contains(&number) || is_denied_without_number(&error);
            let result = match (allowed, denied) {
                _ if number == TRIGGER => Verdict::Wrong,
                (false, true) => Verdict::AsItMustBe,
                (false, false) => Verdict::Unclear,
                (true, _) => Verdict::Wrong,
            };
            let detail = match number {
                TRIGGER => "the login has the permission: only the trigger stops it".to_owned(),
                _ if denied && !allowed => format!("refused (error {number})"),
                _ => error.to_string(),
            };
            (result, detail)
        }
    };
    let wrong = result == Verdict::Wrong;
    let (disables, mend) = (attempt.serves.filter(|_| wrong), wrong.then_some(attempt.mend));
    Ok(Tried { what: attempt.what.to_owned(), result, detail, disables, mend })
}
