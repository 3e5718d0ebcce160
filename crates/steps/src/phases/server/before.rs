//! The end of phase 3 on SQL Server: what is known of a change before it is deployed, and everything
//! that an approval of it binds to.

use super::{
    super::{generate, measuring, past, step, wait},
    patient,
};
use crate::{
    adapters::mssql::{Session, Uuid},
    evidence::unmeasured,
    payload::{Analysis, Change, ChangeSet, Check, CheckResult, Evidence, Verdict},
    project::Project,
    sql::tsql::{self, Action},
    targets::sqlserver::{
        access::{self, Role},
        catalogue, interval,
        limits::{self, Room},
        script::{self, Script},
        watch,
    },
};
use kaizen_engine::{
    digest::Digest,
    journal::Binding,
    step::{Context, StepError},
};

/// Why nothing can be measured before a deployment.
const NO_COPY: &str = "there is no copy of the live database to measure on";
const NO_RESULTS: &str = "results of queries on a live server are not compared";
const EXPORTED: &str = "it was seen in an exported file: nothing could be measured";

/// The checks that are about the change and not about the moment.
const LASTING: [&str; 2] = ["index_size", "offline"];

/// What was seen of the database that would be changed.
struct Place {
    identity: String,
    schema: Digest,
}

/// What is known before it is deployed, which is not what it does.
pub fn judge(project: &Project, cx: &Context, mut change: Change) -> Result<ChangeSet, StepError> {
    let analysis: Analysis = cx
        .output()?
        .ok_or_else(|| StepError::bug("missing_checkpoint", "analyze has no checkpoint"))?;
    let exported = analysis.server.as_ref().is_some_and(|server| server.exported);
    let watched =
        tsql::tables(&change.statements_up).len() + tsql::forced(&change.statements_up).len();
    if watched == 0 {
        let message = "no statement of it names a table whose queries could be watched, so that nobody \
                       could tell whether it helped";
        return Err(StepError::operator("refused_nothing_to_watch", message));
    }
    let (preflight, place) = if exported {
        let place = Place { identity: analysis.target.clone(), schema: analysis.schema_digest };
        (unmeasurable(Vec::new(), EXPORTED), place)
    } else {
        cx.progress("looking at the live database once more");
        let human = wait(human(project, &change)).map_err(|error| patient(cx, error))?;
        change.needs_human.extend(human);
        let (mut checks, place) =
            wait(preflight(project, cx, &change)).map_err(|error| patient(cx, error))?;
        let dir = project.scratch(&cx.run).map_err(step)?.join("preflight");
        std::fs::create_dir_all(&dir)
            .map_err(|e| StepError::operator("scratch", format!("{}: {e}", dir.display())))?;
        checks.push(measuring::run_tests(project, cx, &change, &dir, || Ok(None))?);
        let _ = std::fs::remove_dir_all(&dir);
        if let Some(check) = measuring::first_failure(&checks) {
            let message = format!(
                "the preflight refuses {:?}: {}: {}",
                change.title, check.name, check.detail
            );
            cx.note("preflight_refused", serde_json::json!({ "change": change, "checks": checks }));
            return Err(StepError::operator("refused_by_preflight", message));
        }
        (unmeasurable(checks, NO_COPY), place)
    };
    let reader = cx.reader()?;
    let past = past::all(cx, &reader)?;
    let features = generate::features(cx, &change, &past)?;
    let prior = past::prior(&reader, &past, &features)?;
    let probability = unmeasured(&prior);
    let base = change.base_commit.clone();
    let binding = bound(project, &change, &preflight, &base, &place)?;
    let quality = past::quality(&reader, &past, &change, &preflight)?;
    Ok(ChangeSet { change, features, preflight, probability, binding, quality })
}

/// What the approval binds to, as everything is at this moment, and whether the server has room now.
pub fn binding(project: &Project, cx: &Context, change: &ChangeSet) -> Result<Binding, StepError> {
    let place = wait(async {
        let target = &project.definition.target;
        let mut session = access::session(target, Role::Deploy).await.map_err(step)?;
        let place = look(&mut session).await?;
        refuse_beside_tuning(&mut session, change).await?;
        room(project, cx, change).await?;
        Ok::<Place, StepError>(place)
    })?;
    let head = project.repository().map_err(step)?;
    let head = head.head(project.definition.deploy.branch.as_deref()).map_err(step)?;
    bound(project, change, &change.preflight, &head.commit, &place)
}

/// The room that the server has for the script. A lack that may pass is waited out.
///
/// # Errors
/// Where there is none.
pub async fn room(project: &Project, cx: &Context, change: &Change) -> Result<Room, StepError> {
    let Some(connector) =
        access::connector(&project.definition.target, Role::Observe).map_err(step)?
    else {
        return Err(StepError::bug("target", "the target is no SQL Server"));
    };
    cx.progress("looking at what the server has free");
    let found =
        limits::room(&connector, &change.statements_up, &project.definition.sqlserver).await;
    let found = found.map_err(step)?;
    match found.lacks() {
        None => Ok(found),
        Some(lack) if found.passing => {
            let again = std::time::Duration::from_secs(300);
            Err(StepError::retry("no_room", format!("the server has no room now: {lack}"), again))
        }
        Some(lack) => {
            let message = format!("the workflow's limits do not allow it: {lack}");
            Err(StepError::operator("over_limit", message))
        }
    }
}

/// Two that force plans would take each other's back.
async fn refuse_beside_tuning(session: &mut Session, change: &Change) -> Result<(), StepError> {
    let forces = !tsql::forced(&change.statements_up).is_empty();
    if forces && catalogue::tunes_itself(session).await.map_err(step)? {
        let message = "the server forces plans by itself (automatic tuning, FORCE_LAST_GOOD_PLAN)";
        return Err(StepError::operator("automatic_tuning", message));
    }
    Ok(())
}

/// Where a change goes: the database, and the branch beside it.
pub fn place(identity: &str, change: &Change) -> String {
    format!("{identity}@{}", change.branch)
}

async fn look(session: &mut Session) -> Result<Place, StepError> {
    let identity = catalogue::identity(session).await.map_err(step)?;
    let schema = catalogue::schema(session).await.map_err(step)?.digest;
    Ok(Place { identity, schema })
}

async fn preflight(
    project: &Project,
    cx: &Context,
    change: &Change,
) -> Result<(Vec<Check>, Place), StepError> {
    let target = &project.definition.target;
    let Some(observer) = access::connector(target, Role::Observe).map_err(step)? else {
        return Err(StepError::bug("target", "the target is no SQL Server"));
    };
    let mut session = access::session(target, Role::Deploy).await.map_err(step)?;
    let place = look(&mut session).await?;
    let mut observing = access::session(target, Role::Observe).await.map_err(step)?;
    let seen = catalogue::identity(&mut observing).await.map_err(step)?;
    if seen != place.identity {
        let message = format!(
            "the logins lead to two databases: {seen} is looked at, {} deployed to",
            place.identity
        );
        return Err(StepError::operator("two_databases", message));
    }
    refuse_beside_tuning(&mut session, change).await?;
    let state = watch::state(&mut session).await.map_err(step)?;
    let mut checks = Vec::new();
    let limits = &project.definition.sqlserver;
    // The way back is looked at as well: what may not be built there may not be dropped here.
    for statements in [&change.statements_up, &change.statements_down] {
        let room = limits::room(&observer, statements, limits).await.map_err(step)?;
        for check in room.checks {
            let lasts = LASTING.contains(&check.name.as_str());
            let full = check.result == CheckResult::Failed;
            let known = checks
                .iter()
                .any(|one: &Check| (&one.name, &one.detail) == (&check.name, &check.detail));
            match (lasts, full) {
                _ if known => {}
                // What there is no room for now there may be when it is deployed.
                (false, true) => {
                    let detail = format!("now {}; it will be looked at again", check.detail);
                    checks.push(Check { result: CheckResult::NotMeasurable, detail, ..check });
                }
                _ => checks.push(check),
            }
        }
    }
    checks.push(observable(state, limits.observe.as_secs()));
    checks.extend(on_copy(project, cx, change, &place).await?);
    Ok((checks, place))
}

/// What a statement does not say of the index that it drops.
async fn human(project: &Project, change: &Change) -> Result<Vec<String>, StepError> {
    let target = &project.definition.target;
    let mut session = access::session(target, Role::Deploy).await.map_err(step)?;
    let mut reasons = Vec::new();
    for statement in &change.statements_up {
        let Action::DropIndex { schema, table, name } = tsql::action(statement) else { continue };
        let found = catalogue::nature(&mut session, &schema, &table, &name).await.map_err(step)?;
        match found {
            Some((kind, _)) if kind != "NONCLUSTERED" => {
                reasons.push(format!(
                    "{name} is {}: without it the table is stored otherwise",
                    kind.to_lowercase()
                ));
            }
            Some((_, true)) => reasons.push(format!("{name} is unique: with it a constraint goes")),
            Some(_) | None => {}
        }
    }
    Ok(reasons)
}

/// Whether the time that the change will be watched holds enough intervals.
fn observable(state: Option<watch::State>, observe_s: u64) -> Check {
    let check = |result, detail: String| Check { name: "observable".to_owned(), result, detail };
    let Some(state) = state.filter(|state| state.actual == "READ_WRITE") else {
        let why = "Query Store does not collect, so that nobody could tell what the change did";
        return check(CheckResult::Failed, why.to_owned());
    };
    let intervals = i64::try_from(observe_s).unwrap_or(i64::MAX) / state.interval_s.max(1);
    let least = interval::MIN_INTERVALS;
    let detail = format!(
        "it is watched for {intervals} intervals of Query Store, which are {} minutes each; at least \
         {least} are needed",
        state.interval_s / 60
    );
    let enough = intervals >= i64::try_from(least).unwrap_or(i64::MAX);
    check(if enough { CheckResult::Passed } else { CheckResult::Failed }, detail)
}

/// The scripts tried on a restored copy, where one is configured: they apply, and the down script
/// leaves the schema as it was.
async fn on_copy(
    project: &Project,
    cx: &Context,
    change: &Change,
    live: &Place,
) -> Result<Vec<Check>, StepError> {
    let check = |name: &str, result, detail: &str| Check {
        name: name.to_owned(),
        result,
        detail: detail.to_owned(),
    };
    let target = &project.definition.target;
    if access::connector(target, Role::Copy).map_err(step)?.is_none() {
        let absent = |name: &str| check(name, CheckResult::NotMeasurable, NO_COPY);
        return Ok(vec![absent("applies"), absent("down")]);
    }
    cx.progress("trying the scripts on the restored copy");
    let mut session = access::session(target, Role::Copy).await.map_err(step)?;
    let before = look(&mut session).await?;
    if before.identity == live.identity {
        let message = format!("the copy to try changes on is the live database: {}", live.identity);
        return Err(StepError::operator("copy_is_live", message));
    }
    let lock_timeout = project.definition.sqlserver.lock_timeout;
    let mut tried = async |name: &str, statements: &[String]| {
        // Each try has marks of its own; a run that is asked anew tries anew.
        let script = Script {
            statements: statements.to_vec(),
            run: Uuid::from_u128(cx.run.id.as_u128() ^ u128::from(cx.run.seq)),
            effect: name.to_owned(),
            epoch: 1,
            probed: tsql::is_probed(statements),
        };
        script::apply(&mut session, &script, lock_timeout).await
    };
    if let Err(error) = tried("try_up", &change.statements_up).await {
        return Ok(vec![check("applies", CheckResult::Failed, &error.to_string())]);
    }
    let applies = check("applies", CheckResult::Passed, "on the restored copy");
    if let Err(error) = tried("try_down", &change.statements_down).await {
        return Ok(vec![applies, check("down", CheckResult::Failed, &error.to_string())]);
    }
    let after = look(&mut session).await?;
    let down = if after.schema == before.schema {
        check("down", CheckResult::Passed, "the restored copy's schema is as it was")
    } else {
        check("down", CheckResult::Failed, "the down script leaves another schema than before")
    };
    Ok(vec![applies, down])
}

/// Checks without any measurement: what is missing among them is told, not measured.
fn unmeasurable(mut checks: Vec<Check>, why: &str) -> Evidence {
    for (name, why) in [("applies", why), ("down", why), ("results", NO_RESULTS), ("tests", why)] {
        if !checks.iter().any(|check| check.name == name) {
            let (name, detail) = (name.to_owned(), why.to_owned());
            checks.push(Check { name, result: CheckResult::NotMeasurable, detail });
        }
    }
    Evidence {
        checks,
        improvement: None,
        control: None,
        queries: Vec::new(),
        size: None,
        pairs: 0,
        verdict: Verdict::Inconclusive,
        reasons: vec![format!("{why}; Query Store will tell after the deployment")],
    }
}

/// Everything that whoever looks at it has seen.
fn bound(
    project: &Project,
    change: &Change,
    preflight: &Evidence,
    base_commit: &str,
    place: &Place,
) -> Result<Binding, StepError> {
    let target = self::place(&place.identity, change);
    let place = [("target", target), ("schema", place.schema.to_string())];
    generate::bound(project, change, preflight, base_commit, &place)
}
