//! The scripts on a SQL Server database: planned against what is there, probed by marker or catalogue,
//! run, and compared afterwards.

use super::Doing;
use crate::{
    adapters::mssql::{Session, Uuid},
    phases::{server::before, step, wait},
    sql::tsql,
    targets::sqlserver::{
        access::{self, Role},
        catalogue::{self, Schema},
        limits,
        script::{self, Error, Script, State},
    },
};
use kaizen_engine::{
    error::Class,
    journal::{Binding, Effect, EffectState},
    step::{Probe, StepError},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// When a script that met a lock is tried again.
const AGAIN: Duration = Duration::from_secs(120);

/// What will be done, and to what.
#[derive(Serialize, Deserialize)]
struct Plan {
    /// Which database: the script runs on no other.
    identity: String,
    script: String,
    /// Whether the catalogue says how far it came, instead of a marker row in its transaction.
    probed: bool,
    schema_before: Schema,
    /// What the indexes that it names take.
    index_bytes: u64,
    /// What was found of the server's room.
    room: Vec<crate::payload::Check>,
}

fn script(doing: &Doing, effect: Effect) -> Script {
    let statements = match effect {
        Effect::Down => doing.change.statements_down.clone(),
        _ => doing.change.statements_up.clone(),
    };
    // What may stand half is taken back statement by statement, whatever the down script holds.
    let probed = tsql::is_probed(&statements) || tsql::is_probed(&doing.change.statements_up);
    Script {
        statements,
        run: Uuid::from_u128(doing.cx.run.id.as_u128()),
        effect: effect.word().to_owned(),
        epoch: i64::try_from(doing.cx.epoch).unwrap_or(i64::MAX),
        probed,
    }
}

async fn session(doing: &Doing) -> Result<Session, StepError> {
    access::session(&doing.project.definition.target, Role::Deploy).await.map_err(step)
}

pub fn plan(doing: &Doing, effect: Effect) -> Result<Value, StepError> {
    let script = script(doing, effect);
    let plan = wait(async {
        let mut session = session(doing).await?;
        let identity = catalogue::identity(&mut session).await.map_err(step)?;
        let room = match effect {
            Effect::Up => before::room(&doing.project, &doing.cx, &doing.change).await?.checks,
            // Taking back is not limited.
            _ => Vec::new(),
        };
        if let Some((up, _)) = doing.cx.done(Effect::Up)
            && up["identity"].as_str().is_some_and(|before| before != identity)
        {
            return Err(elsewhere(doing, up["identity"].as_str().unwrap_or_default(), &identity));
        }
        let schema_before = catalogue::schema(&mut session).await.map_err(step)?;
        if effect == Effect::Up {
            as_approved(doing, &identity, &schema_before)?;
            refuse_what_is_there(&mut session, &script).await?;
        }
        let index_bytes = limits::bytes(&mut session, &script.statements).await.map_err(step)?;
        let (probed, script) = (script.probed, script.digest().to_string());
        Ok(Plan { identity, script, probed, schema_before, index_bytes, room })
    })?;
    serde_json::to_value(plan).map_err(|e| StepError::bug("misshapen_plan", e.to_string()))
}

fn read(plan: &Value) -> Result<Plan, StepError> {
    Plan::deserialize(plan).map_err(|e| StepError::bug("misshapen_plan", e.to_string()))
}

fn elsewhere(doing: &Doing, before: &str, now: &str) -> StepError {
    let message = format!("the connection leads to {now}, and the script belongs to {before}");
    let name = doing.cx.run.name();
    StepError::operator("another_database", message)
        .looking_at(vec![format!("kaizen resume {name}   # with the connection string corrected")])
}

/// What the approval binds to, as everything is at this moment.
pub fn binding(doing: &Doing) -> Result<Binding, StepError> {
    before::binding(&doing.project, &doing.cx, &doing.change)
}

/// What was approved for one database as it was is not run on another, nor after DDL by somebody else:
/// hours may lie between the commit and the script.
fn as_approved(doing: &Doing, identity: &str, schema: &Schema) -> Result<(), StepError> {
    let (bound, now) = (&doing.change.binding.0, before::place(identity, &doing.change));
    let same = |part: &str, now: &str| bound.iter().any(|(name, was)| name == part && was == now);
    let changed: Vec<&str> = [("target", now), ("schema", schema.digest.to_string())]
        .into_iter()
        .filter(|(part, now)| !same(part, now))
        .map(|(part, _)| part)
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let message = format!("not what was approved any more: {} changed", changed.join(" and "));
    Err(StepError::operator("approval_void", message))
}

/// An index that is there already, or a build that somebody paused, is not this run's to take back.
async fn refuse_what_is_there(session: &mut Session, script: &Script) -> Result<(), StepError> {
    match script::probe(session, script).await.map_err(step)? {
        State::NotDone => Ok(()),
        State::Done { .. } | State::Partly(_) => Err(there("it is done already, by somebody else")),
        State::Unknown(why) => Err(there(&why)),
        State::Busy(name) => {
            let message = format!("{name} is being built in another session");
            Err(StepError::retry("sqlserver_busy", message, AGAIN))
        }
    }
}

fn there(why: &str) -> StepError {
    StepError::operator("already_there", why)
}

pub fn probe(doing: &Doing, effect: Effect, plan: &Value) -> Result<Probe, StepError> {
    let (script, plan) = (script(doing, effect), read(plan)?);
    let probed: Result<Probe, StepError> = wait(async {
        let mut session = session(doing).await?;
        let identity = catalogue::identity(&mut session).await.map_err(step)?;
        if identity != plan.identity {
            return Ok(Probe::Unknown(elsewhere(doing, &plan.identity, &identity).message));
        }
        let now_s = catalogue::clock(&mut session).await.map_err(step)?;
        let state = script::probe(&mut session, &script).await.map_err(step)?;
        let receipt = |to_s: i64| {
            // Nobody saw it begin: since it was announced, by this host's clock.
            let since = match doing.cx.run.effects.get(&effect) {
                Some(EffectState::Announced { at, .. } | EffectState::Done { at, .. }) => {
                    i64::try_from(doing.cx.now.since(*at).as_secs()).unwrap_or(0)
                }
                Some(EffectState::Failed { .. }) | None => 0,
            };
            json!({ "script": plan.script, "from_s": (now_s - since).min(to_s), "to_s": to_s })
        };
        Ok(match state {
            State::Done { at_s } => Probe::Done(receipt(at_s.unwrap_or(now_s))),
            State::NotDone => Probe::NotDone,
            State::Partly(why) => {
                let mut receipt = receipt(now_s);
                receipt["partly"] = Value::String(why);
                Probe::Partly(receipt)
            }
            State::Busy(name) => {
                Probe::Unreachable(format!("{name} is being built in another session"))
            }
            State::Unknown(why) => Probe::Unknown(why),
        })
    });
    match probed {
        Err(error) if error.class == Class::Retry => Ok(Probe::Unreachable(error.message)),
        other => other,
    }
}

pub fn apply(doing: &Doing, effect: Effect, plan: &Value) -> Result<Value, StepError> {
    let (script, plan) = (script(doing, effect), read(plan)?);
    let limits = &doing.project.definition.sqlserver;
    wait(async {
        let mut session = session(doing).await?;
        let identity = catalogue::identity(&mut session).await.map_err(step)?;
        if identity != plan.identity {
            return Err(elsewhere(doing, &plan.identity, &identity));
        }
        let from_s = catalogue::clock(&mut session).await.map_err(step)?;
        let began = script::began(&mut session, &script).await.map_err(step)?;
        // Nothing of it stands yet, and hours may have gone by since it was announced.
        let untouched = script::probe(&mut session, &script).await.map_err(step)? == State::NotDone;
        if effect == Effect::Up && untouched {
            let schema = catalogue::schema(&mut session).await.map_err(step)?;
            as_approved(doing, &identity, &schema)?;
        }
        script::apply(&mut session, &script, limits.lock_timeout)
            .await
            .map_err(|error| told(doing, effect, error))?;
        // What it cost to make is no history to compare with, however often it was tried.
        let from_s = began.unwrap_or(from_s).min(from_s);
        let to_s = catalogue::clock(&mut session).await.map_err(step)?;
        Ok(json!({ "script": plan.script, "from_s": from_s, "to_s": to_s }))
    })
}

/// A lock is waited for as long as the workflow says; undoing waits for ever.
fn told(doing: &Doing, effect: Effect, error: Error) -> StepError {
    let locked = matches!(error, Error::Locked { .. } | Error::Busy(_));
    let mut told = step(error);
    if !locked {
        return told;
    }
    let announced = match doing.cx.run.effects.get(&effect) {
        Some(EffectState::Announced { at, .. }) => *at,
        Some(EffectState::Done { .. } | EffectState::Failed { .. }) | None => doing.cx.now,
    };
    let waited = doing.cx.now.since(announced);
    if effect == Effect::Down || waited < doing.project.definition.sqlserver.retry_for {
        told.retry_after = AGAIN;
    } else {
        told.class = Class::Operator;
        told.message =
            format!("{}; it was tried for {} minutes", told.message, waited.as_secs() / 60);
    }
    told
}

/// Once the down script has run, the tables that the change touched must be what they were.
pub fn verify_rollback(doing: &Doing) -> Result<Value, StepError> {
    let Some((plan, _)) = doing.cx.done(Effect::Up) else {
        return Ok(json!({ "schema": "untouched" }));
    };
    let plan = read(plan)?;
    let now = wait(async {
        let mut session = session(doing).await?;
        catalogue::schema(&mut session).await.map_err(step)
    })?;
    let touched = |schema: &Schema| -> BTreeMap<String, _> {
        let mine = |name: &String| doing.change.tables.contains(name);
        schema.objects.iter().filter(|(name, _)| mine(name)).map(|(n, d)| (n.clone(), *d)).collect()
    };
    if touched(&now) != touched(&plan.schema_before) && doing.cx.run.revision == 1 {
        let tables = doing.change.tables.join(", ");
        let message = format!("after the rollback {tables} is not defined as before the change");
        let look = vec![format!(
            "compare the indexes of {tables} with {}",
            doing.change.migrations.join(" and ")
        )];
        return Err(StepError::operator("schema_differs", message).looking_at(look));
    }
    // Others may have changed other tables while this one was watched.
    let restored = now.digest == plan.schema_before.digest;
    let schema = if restored { "restored" } else { "changed since" };
    Ok(json!({ "schema": schema, "digest": now.digest }))
}
