//! Phases 4 and 5 on SQL Server, once the script has run: the database is watched for as long as the
//! workflow says, a guard looks in between, and Query Store's intervals say whether the change helped.

use super::{
    super::{evaluate, measuring, past, step, wait},
    patient,
};
use crate::{
    payload::{ChangeSet, Check, CheckResult, Evaluation, Evidence, Kind, SizeEvidence, Verdict},
    project::Project,
    sql::tsql,
    targets::sqlserver::{
        access::{self, Role},
        catalogue,
        interval::{Failing, Seen},
        limits, watch,
    },
};
use kaizen_engine::{
    digest::Digest,
    error::Class,
    journal::{Effect, EffectState, Timestamp},
    step::{Context, StepError},
    workflow::Sqlserver,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};

/// The name of the check by which the guard ends an observation.
pub const GUARD: &str = "guard";

/// Schema of the database with the change.
pub fn schema_digest(project: &Project, cx: &Context) -> Result<Digest, StepError> {
    let read = async {
        let mut session =
            access::session(&project.definition.target, Role::Deploy).await.map_err(step)?;
        catalogue::schema(&mut session).await.map_err(step)
    };
    Ok(wait(read).map_err(|error| patient(cx, error))?.digest)
}

/// Looks once: goes on waiting, ends it by the guard, or judges.
pub async fn evaluate(project: &Arc<Project>, cx: &Context) -> Result<Evaluation, StepError> {
    let change: ChangeSet = cx
        .output()?
        .ok_or_else(|| StepError::bug("missing_checkpoint", "generate has no checkpoint"))?;
    let Some((plan, receipt)) = cx.done(Effect::Up) else {
        return Err(StepError::bug("missing_effect", "no script was applied"));
    };
    // A person who said that it was done gave no time: then it is when they said so.
    let said_s = match cx.run.effects.get(&Effect::Up) {
        Some(EffectState::Done { at, .. }) => at.0 / 1_000_000,
        Some(EffectState::Announced { .. } | EffectState::Failed { .. }) | None => 0,
    };
    let to_s = receipt["to_s"].as_i64().unwrap_or(said_s);
    let deployed = (receipt["from_s"].as_i64().unwrap_or(to_s), to_s);
    let look = match look(project, cx, &change, plan, deployed).await {
        Err(error) if error.class == Class::Retry && unwatched(project, cx, said_s) => {
            let message = format!("nobody could watch it for too long: {}", error.message);
            return Err(StepError::operator("unwatched", message));
        }
        other => other.map_err(|error| patient(cx, error))?,
    };
    let asked = &project.definition.sqlserver;
    let guard = guarded(&look, asked);
    if let Some(why) = &guard.trips {
        let evidence = tripped(guard.check.clone(), why.clone());
        return evaluated(project, cx, change, evidence).await;
    }
    let end_s = deployed.1 + look.interval_s + i64::try_from(asked.observe.as_secs()).unwrap_or(0);
    if look.now_s < end_s {
        let left = Duration::from_secs((end_s - look.now_s).unsigned_abs());
        let next = cx.now.plus(asked.guard_every.min(left));
        cx.note("watched", guard.note(&look));
        let why = format!(
            "it is watched until {}; the guard looks every {}",
            cx.now.plus(left),
            kaizen_engine::workflow::duration::format(asked.guard_every)
        );
        return Err(StepError::wait(next, why));
    }
    cx.progress("comparing the intervals since the deployment with those before");
    let size = size(project, plan, &change).await.map_err(|error| patient(cx, error))?;
    let tests = Check {
        name: measuring::TESTS.to_owned(),
        result: CheckResult::NotMeasurable,
        detail: "they ran before the deployment; a live database is not tested on".to_owned(),
    };
    let results = Check {
        name: "results".to_owned(),
        result: CheckResult::NotMeasurable,
        detail: "results of queries on a live server are not compared".to_owned(),
    };
    let evidence = look.seen.evidence(
        measuring::objective(change.kind),
        &measuring::limits(project),
        asked.min_executions,
        vec![guard.check, results, tests],
        size,
    );
    evaluated(project, cx, change, evidence).await
}

/// Whether the server has been away for so long that what was deployed is better taken back than left
/// unwatched: a day longer than it was to be watched at all.
fn unwatched(project: &Project, cx: &Context, since_s: i64) -> bool {
    let observe = project.definition.sqlserver.observe.as_secs();
    let most = i64::try_from(observe).unwrap_or(i64::MAX / 4) + 2 * 86_400;
    cx.now.0 / 1_000_000 > since_s.saturating_add(most)
}

async fn evaluated(
    project: &Arc<Project>,
    cx: &Context,
    change: ChangeSet,
    evidence: Evidence,
) -> Result<Evaluation, StepError> {
    let (project, cx) = (project.clone(), cx.clone());
    super::super::blocking(move || evaluate::judged(&project, &cx, &change, evidence)).await
}

/// What was seen at one look.
struct Look {
    seen: Seen,
    now_s: i64,
    interval_s: i64,
    blocked: Option<i32>,
    collects: bool,
}

async fn look(
    project: &Project,
    cx: &Context,
    change: &ChangeSet,
    plan: &Value,
    deployed: (i64, i64),
) -> Result<Look, StepError> {
    cx.progress("looking at Query Store");
    let target = &project.definition.target;
    let mut session = access::session(target, Role::Observe).await.map_err(step)?;
    let identity = catalogue::identity(&mut session).await.map_err(step)?;
    if plan["identity"].as_str().is_some_and(|deployed| deployed != identity) {
        let message =
            format!("the login to observe leads to {identity}, where nothing was deployed");
        return Err(StepError::retry("another_database", message, super::AGAIN));
    }
    let now_s = catalogue::clock(&mut session).await.map_err(step)?;
    let state = watch::state(&mut session).await.map_err(step)?;
    let interval_s = state.as_ref().map_or(3_600, |state| state.interval_s);
    let observe = i64::try_from(project.definition.sqlserver.observe.as_secs()).unwrap_or(0);
    let until = now_s.min(deployed.1 + interval_s + observe);
    let tables = tsql::tables(&change.statements_up);
    let times = (until, now_s, last_changed(cx, change)?);
    let mut seen = watch::seen(&mut session, &tables, deployed, times).await.map_err(step)?;
    // A forced plan is one query's, and reads: writing has no plan worth forcing.
    let forced = tsql::forced(&change.statements_up).into_iter();
    seen.touched.extend(forced.map(|forcing| (forcing.query, false)));
    // Who may see Query Store may not see what runs: then nobody counts it.
    let blocked = watch::blocked(&mut session).await.ok().flatten();
    let collects = state.is_some_and(|state| state.actual == "READ_WRITE");
    Ok(Look { seen, now_s, interval_s, blocked, collects })
}

/// When an earlier run last changed these tables, or took that back: what was before is no history to
/// compare with. Seconds since 1970; 0: none did.
fn last_changed(cx: &Context, change: &ChangeSet) -> Result<i64, StepError> {
    let shares = |tables: &[String]| tables.iter().any(|table| change.tables.contains(table));
    let past = past::all(cx, &cx.reader()?)?;
    let mine = past.iter().map(|past| &past.record).filter(|record| {
        record.was_deployed && record.target == cx.run.created.target && shares(&record.tables)
    });
    let ends = mine.flat_map(|record| [Some(&record.completed_at), record.rolled_back_at.as_ref()]);
    let ends = ends.flatten().filter_map(|at| Timestamp::parse(at));
    Ok(ends.map(|at| at.0 / 1_000_000).max().unwrap_or(0))
}

/// What the guard says.
struct Guarded {
    check: Check,
    trips: Option<String>,
    all: Failing,
}

impl Guarded {
    fn note(&self, look: &Look) -> Value {
        json!({
            "at_s": look.now_s,
            "executions": look.seen.captured(),
            "errors_pct_before": self.all.before_pct,
            "errors_pct": self.all.now_pct,
            "blocked": look.blocked,
            "collects": look.collects,
        })
    }
}

/// Errors, time-outs and blocking against the hard limits.
fn guarded(look: &Look, limits: &Sqlserver) -> Guarded {
    let (all, worst) = look.seen.failing();
    let mut trips = None;
    if let Some(worst) = worst.filter(|worst| worst.rose > limits.max_errors_pct) {
        trips = Some(format!(
            "{:.1} % of the executions of {} failed or were given up, {:.1} % before: at most {:.1} points \
             more are allowed",
            worst.now_pct, worst.query, worst.before_pct, limits.max_errors_pct
        ));
    }
    if let Some(blocked) = look.blocked
        && i64::from(blocked) > i64::from(limits.max_blocked)
    {
        trips = Some(format!(
            "{blocked} requests have been blocked for over half a minute, at most {} are allowed",
            limits.max_blocked
        ));
    }
    let seen = format!("{:.1} % of executions failed, {:.1} % before", all.now_pct, all.before_pct);
    let (result, detail) = match (&trips, look.collects) {
        (Some(why), _) => (CheckResult::Failed, why.clone()),
        (None, false) => {
            (CheckResult::NotMeasurable, "Query Store has stopped collecting".to_owned())
        }
        (None, true) if look.blocked.is_none() => {
            let why = "what is blocked is not seen: the login may not view the server's state";
            (CheckResult::Passed, format!("{seen}; {why}"))
        }
        (None, true) => (CheckResult::Passed, seen),
    };
    let check = Check { name: GUARD.to_owned(), result, detail };
    Guarded { check, trips, all }
}

fn tripped(check: Check, why: String) -> Evidence {
    Evidence {
        checks: vec![check],
        improvement: None,
        control: None,
        queries: Vec::new(),
        size: None,
        pairs: 0,
        verdict: Verdict::Regressed,
        reasons: vec![format!("the guard ended the observation: {why}")],
    }
}

/// What the change's own indexes take, before and after; of all else the size is not the change's doing.
async fn size(
    project: &Project,
    plan: &Value,
    change: &ChangeSet,
) -> Result<Option<SizeEvidence>, StepError> {
    let before = plan["index_bytes"].as_u64();
    let Some(before_bytes) = before else { return Ok(None) };
    let mut session =
        access::session(&project.definition.target, Role::Observe).await.map_err(step)?;
    let after_bytes = limits::bytes(&mut session, &change.statements_up).await.map_err(step)?;
    let size =
        SizeEvidence { before_bytes, after_bytes, write_before_ms: None, write_after_ms: None };
    Ok(Some(size).filter(|_| change.kind == Kind::DropIndex || after_bytes > before_bytes))
}
