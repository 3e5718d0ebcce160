//! Running approved scripts on a live database, and finding out afterwards whether they ran.
//!
//! A script that can be one transaction is one, with its marker row in it: both are there, or neither
//! is. One that builds an index ONLINE or RESUMABLE cannot be: it is announced by a marker row, goes
//! statement by statement, and the catalogue says how far it came.

use super::{
    catalogue::{self, Found},
    values::{text, whole},
};
use crate::{
    adapters::mssql::{self, Session, ToSql, Uuid},
    sql::{
        forcing::Way,
        tsql::{self, Action, IndexDefinition},
    },
};
use kaizen_engine::{
    digest::Digest,
    error::{Class, Classified},
    shell::crash_point::reach,
};
use std::time::Duration;

const MARKS: &str = include_str!("../../../../../sql/server/deploy/marks.sql");
const MARK: &str = include_str!("../../../../../sql/server/deploy/mark.sql");

/// Reads no mark; and makes one that is rolled back.
pub(super) const NO_MARKS: &str =
    "SELECT /* kaizen */ COUNT(*) AS marks FROM kaizen.applied AS a WHERE a.epoch < 0";
pub(super) const TRY_MARK: &str = include_str!("../../../../../sql/server/deploy/try_mark.sql");

/// The numbers by which the server says that a lock could not be had.
const LOCKED: [u32; 2] = [1222, 1205];

/// The effect that makes something.
const UP: &str = "up";

/// Takes the script for this session, while it lasts: @P1 what it is called.
const APPLOCK: &str = include_str!("../../../../../sql/server/deploy/applock.sql");

/// There is no such table.
const NO_TABLE: u32 = 208;

/// A script, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// One statement each.
    pub statements: Vec<String>,
    pub run: Uuid,
    /// `up` or `down`.
    pub effect: String,
    /// The epoch of the lease under which it runs; older than one seen before: refused.
    pub epoch: i64,
    /// Whether the catalogue says how far it came, statement by statement, instead of a marker.
    pub probed: bool,
}

/// How far a script has come.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// When, by the server's clock; `None`: the catalogue alone says so.
    Done {
        at_s: Option<i64>,
    },
    NotDone,
    /// Some of its statements stand, or a paused build; which.
    Partly(String),
    /// A build of it is under way in another session.
    Busy(String),
    /// What stands there is not what was approved.
    Unknown(String),
}

/// Why a script did not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a lock could not be had within {waited:?}: {message}")]
    Locked { waited: Duration, message: String },
    #[error("{0} is being made in another session")]
    Busy(String),
    #[error("a process of epoch {newest} has taken over; this one has {epoch}")]
    StaleEpoch { epoch: i64, newest: i64 },
    #[error("another script was marked as the {effect} of this run: {found}")]
    OtherScript { effect: String, found: String },
    #[error("{0}, and would have to be as approved")]
    Differs(String),
    #[error("statement {number} ended its transaction: {text}")]
    TransactionEnded { number: usize, text: String },
    #[error("the database has no table kaizen.applied, or the login may not use it")]
    NoMarks,
    #[error("statement {number} ({text}): {source}")]
    Statement { number: usize, text: String, source: mssql::Error },
    #[error(transparent)]
    Server(#[from] mssql::Error),
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::Locked { .. } | Error::Busy(_) => Class::Retry,
            Error::Statement { source, .. } | Error::Server(source) => source.class(),
            Error::StaleEpoch { .. }
            | Error::OtherScript { .. }
            | Error::Differs(_)
            | Error::TransactionEnded { .. }
            | Error::NoMarks => Class::Operator,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Locked { .. } => "sqlserver_locked",
            Error::Busy(_) => "sqlserver_busy",
            Error::StaleEpoch { .. } => "stale_epoch",
            Error::OtherScript { .. } => "other_script",
            Error::Differs(_) => "index_differs",
            Error::TransactionEnded { .. } => "transaction_ended",
            Error::NoMarks => "no_marker_table",
            Error::Statement { source, .. } | Error::Server(source) => source.code(),
        }
    }
}

impl Script {
    /// SHA-256 over the statements.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let parts: Vec<&[u8]> =
            self.statements.iter().flat_map(|sql| [sql.as_bytes(), b"\0"]).collect();
        Digest::of(&parts)
    }
}

/// One marker row.
struct Mark {
    effect: String,
    state: String,
    epoch: i64,
    digest: String,
    at_s: i64,
}

async fn marks(session: &mut Session, run: Uuid) -> Result<Vec<Mark>, Error> {
    let params: [&dyn ToSql; 1] = [&run];
    let read = session.rows(MARKS, &params, |row| {
        Ok(Mark {
            effect: text(row, "effect")?,
            state: text(row, "state")?,
            epoch: whole(row, "epoch")?,
            digest: text(row, "digest")?,
            at_s: whole(row, "applied_s")?,
        })
    });
    match read.await {
        Err(error) if error.number() == Some(NO_TABLE) => Err(Error::NoMarks),
        other => Ok(other?),
    }
}

async fn mark(session: &mut Session, script: &Script, state: &str) -> Result<(), Error> {
    let digest = script.digest().to_string();
    let values: [&dyn ToSql; 5] =
        [&script.run, &script.effect.as_str(), &state, &script.epoch, &digest.as_str()];
    session.execute(MARK, &values).await?;
    Ok(())
}

/// How far the script has come. Reads only.
///
/// # Errors
/// What the server says, or that it is gone.
pub async fn probe(session: &mut Session, script: &Script) -> Result<State, Error> {
    let marks = marks(session, script.run).await?;
    let done = marks.iter().find(|mark| mark.effect == script.effect && mark.state == "done");
    if let Some(done) = done {
        if done.digest != script.digest().to_string() {
            let (effect, found) = (script.effect.clone(), done.digest.clone());
            return Err(Error::OtherScript { effect, found });
        }
        if !script.probed {
            return Ok(State::Done { at_s: Some(done.at_s) });
        }
    }
    if !script.probed {
        return Ok(State::NotDone);
    }
    let state = stands(session, script, done.map(|mark| mark.at_s)).await?;
    let begun = marks.iter().any(|mark| mark.effect == script.effect);
    Ok(match state {
        // What stands without a mark of this run is somebody else's, and not to be taken back.
        State::Done { .. } | State::Partly(_) if !begun && script.effect == UP => State::Unknown(
            "what it would make is there, and this run did not begin to make it".to_owned(),
        ),
        state => state,
    })
}

/// How far the catalogue says that it has come; `done_s` is when its mark says that it was done.
async fn stands(
    session: &mut Session,
    script: &Script,
    done_s: Option<i64>,
) -> Result<State, Error> {
    let (mut stands, mut total, mut half) = (0, 0, None);
    for statement in &script.statements {
        total += 1;
        match stand(session, statement).await? {
            Stand::Done => stands += 1,
            Stand::NotDone => (),
            Stand::Paused(name, percent) => {
                half = Some(format!("the build of {name} was paused at {percent:.0} %"));
            }
            Stand::Busy(name) => return Ok(State::Busy(name)),
            Stand::Differs(why) => return Ok(State::Unknown(why)),
        }
    }
    Ok(match (stands, half) {
        (_, Some(half)) => State::Partly(half),
        (stands, None) if stands == total => State::Done { at_s: done_s },
        (0, None) => State::NotDone,
        (stands, None) => State::Partly(format!("{stands} of {total} statements stand")),
    })
}

/// How one statement on an index stands.
enum Stand {
    Done,
    NotDone,
    Paused(String, f64),
    Busy(String),
    Differs(String),
}

async fn stand(session: &mut Session, statement: &str) -> Result<Stand, Error> {
    Ok(match tsql::action(statement) {
        Action::CreateIndex { index, how } => {
            let name = index.name.clone();
            // A server may be set to make every online build resumable.
            match catalogue::index(session, &index, how.resumable || how.online).await? {
                Found::Absent => Stand::NotDone,
                Found::Same => Stand::Done,
                Found::Other(why) => Stand::Differs(format!("{name} is there, but {why}")),
                Found::Paused(percent) => Stand::Paused(name, percent),
                Found::Building(_) => Stand::Busy(name),
            }
        }
        Action::DropIndex { schema, table, name } => {
            let index = named(&schema, &table, &name);
            // Whatever stands under that name is not gone; what was paused is nothing yet, but is
            // to be ended all the same.
            match catalogue::index(session, &index, true).await? {
                Found::Absent => Stand::Done,
                Found::Same | Found::Other(_) | Found::Paused(_) => Stand::NotDone,
                Found::Building(_) => Stand::Busy(index.name),
            }
        }
        Action::Plan { forcing, way } => {
            let (forced, there) = catalogue::forced(session, &forcing).await?;
            match way {
                Way::Force if there == 0 => Stand::Differs(format!(
                    "Query Store has no plan {} of {} any more",
                    forcing.plan, forcing.query
                )),
                Way::Force if forced == there => Stand::Done,
                Way::Unforce if forced == 0 => Stand::Done,
                Way::Force | Way::Unforce => Stand::NotDone,
            }
        }
        Action::UpdateStatistics { .. } | Action::Unknown => {
            Stand::Differs("a statement that is not on an index".to_owned())
        }
    })
}

/// When, by the server's clock, the run first began to make it; `None`: it has not.
///
/// # Errors
/// What the server says, or that it is gone.
pub async fn began(session: &mut Session, script: &Script) -> Result<Option<i64>, Error> {
    let marks = marks(session, script.run).await?;
    let mine = marks.into_iter().filter(|mark| mark.effect == script.effect);
    Ok(mine.map(|mark| mark.at_s).min())
}

/// Runs the script: whole or not at all where it is one transaction, to its end where it is not. One
/// that has run already is not run again.
///
/// # Errors
/// See [`Error`]; a transaction that failed has changed nothing.
pub async fn apply(
    session: &mut Session,
    script: &Script,
    lock_timeout: Duration,
) -> Result<(), Error> {
    // A session whose process is gone may still be at it.
    let name = format!("kaizen {}", script.run);
    let name = name.as_str();
    let params: [&dyn ToSql; 1] = [&name];
    if session.one::<i32>(APPLOCK, &params).await?.unwrap_or(0) < 0 {
        return Err(Error::Busy(format!("the {} of this run", script.effect)));
    }
    let milliseconds = lock_timeout.as_millis().min(i32::MAX as u128);
    session.run(&format!("SET LOCK_TIMEOUT {milliseconds}; SET XACT_ABORT ON;")).await?;
    if script.probed {
        return step_by_step(session, script, lock_timeout).await;
    }
    session.run("BEGIN TRANSACTION").await?;
    if admit(session, script).await? {
        session.run("ROLLBACK TRANSACTION").await?;
        return Ok(());
    }
    mark(session, script, "done").await?;
    for (number, statement) in (1..).zip(&script.statements) {
        run(session, number, statement, lock_timeout).await?;
        let open: Option<i32> =
            session.one("SELECT /* kaizen */ @@TRANCOUNT AS open_now", &[]).await?;
        if open != Some(1) {
            return Err(Error::TransactionEnded { number, text: excerpt(statement) });
        }
    }
    reach(&format!("script.{}.before_commit", script.effect));
    session.run("COMMIT TRANSACTION").await?;
    reach(&format!("script.{}.after_commit", script.effect));
    Ok(())
}

async fn step_by_step(
    session: &mut Session,
    script: &Script,
    lock_timeout: Duration,
) -> Result<(), Error> {
    let announced = marks(session, script.run).await?;
    let mine = |mark: &&Mark| mark.effect == script.effect && mark.epoch == script.epoch;
    admit(session, script).await?;
    if !announced.iter().any(|mark| mine(&mark)) {
        mark(session, script, "begun").await?;
    }
    for (number, statement) in (1..).zip(&script.statements) {
        // Another process may have taken over while the last one ran.
        admit(session, script).await?;
        let sql = match stand(session, statement).await? {
            Stand::Done => continue,
            Stand::NotDone => match tsql::action(statement) {
                Action::DropIndex { schema, table, name } => {
                    let index = named(&schema, &table, &name);
                    match paused(session, &index).await? {
                        true => end_build(&index, "ABORT"),
                        false => statement.clone(),
                    }
                }
                _ => statement.clone(),
            },
            Stand::Paused(..) => match tsql::action(statement) {
                Action::CreateIndex { index, .. } => end_build(&index, "RESUME"),
                _ => statement.clone(),
            },
            Stand::Busy(name) => return Err(Error::Busy(name)),
            Stand::Differs(why) => return Err(Error::Differs(why)),
        };
        reach(&format!("script.{}.before_statement", script.effect));
        run(session, number, &sql, lock_timeout).await?;
        reach(&format!("script.{}.after_statement", script.effect));
    }
    let done = marks(session, script.run).await?;
    if !done.iter().any(|mark| mark.effect == script.effect && mark.state == "done") {
        mark(session, script, "done").await?;
    }
    Ok(())
}

fn named(schema: &str, table: &str, name: &str) -> IndexDefinition {
    IndexDefinition {
        schema: schema.to_owned(),
        table: table.to_owned(),
        name: name.to_owned(),
        unique: false,
        clustered: false,
        keys: Vec::new(),
        included: Vec::new(),
    }
}

async fn paused(session: &mut Session, index: &IndexDefinition) -> Result<bool, Error> {
    Ok(matches!(catalogue::index(session, index, true).await?, Found::Paused(_)))
}

/// `ALTER INDEX … RESUME` or `ABORT`, of a build that was paused.
fn end_build(index: &IndexDefinition, how: &str) -> String {
    let quoted = |name: &str| format!("[{}]", name.replace(']', "]]"));
    let (schema, table, name) = (quoted(&index.schema), quoted(&index.table), quoted(&index.name));
    format!("ALTER INDEX {name} ON {schema}.{table} {how}")
}

/// Whether it has run already; refuses an older epoch and another script.
async fn admit(session: &mut Session, script: &Script) -> Result<bool, Error> {
    let marks = marks(session, script.run).await?;
    let newest = marks.iter().map(|mark| mark.epoch).max().unwrap_or(0);
    if newest > script.epoch {
        return Err(Error::StaleEpoch { epoch: script.epoch, newest });
    }
    let digest = script.digest().to_string();
    let its = || marks.iter().filter(|mark| mark.effect == script.effect);
    if let Some(other) = its().find(|mark| mark.digest != digest) {
        let (effect, found) = (script.effect.clone(), other.digest.clone());
        return Err(Error::OtherScript { effect, found });
    }
    Ok(its().any(|mark| mark.state == "done"))
}

async fn run(
    session: &mut Session,
    number: usize,
    statement: &str,
    waited: Duration,
) -> Result<(), Error> {
    session.run(statement).await.map_err(|source| match source.number() {
        Some(error) if LOCKED.contains(&error) => {
            Error::Locked { waited, message: source.to_string() }
        }
        _ => Error::Statement { number, text: excerpt(statement), source },
    })
}

/// The beginning of a statement, for people.
fn excerpt(statement: &str) -> String {
    let line = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = line.chars().take(80).collect();
    if short.len() < line.len() { format!("{short}…") } else { short }
}
