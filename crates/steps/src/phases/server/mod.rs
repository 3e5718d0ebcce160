//! The phases on a SQL Server target: seeing it live or from a file, designing by rules, and judging
//! what cannot be measured before it is deployed.

use super::{blocking, generate, past, policy, step};
use crate::{
    adapters::mssql::Connector,
    designers::sqlserver::{self as rules, Limits},
    evidence::unmeasured,
    payload::{
        Analysis, Change, ChangeSet, Check, CheckResult, Evidence, Proposal, Verdict,
        server::ServerAnalysis,
    },
    project::Project,
    targets::sqlserver::{Document, analyze, document, observe},
};
use kaizen_engine::{
    digest::Digest,
    journal::Binding,
    step::{Context, StepError},
    workflow::{Target, variable},
};
use std::{sync::Arc, time::Duration};

/// How long a server that is away is tried.
const PATIENCE: Duration = Duration::from_secs(15);

/// Days over which an index must have been seen unused.
const UNUSED_DAYS: f64 = 30.0;

/// Why nothing can be measured before a deployment.
const NO_COPY: &str = "there is no copy of a live SQL Server to measure on";
const EXPORTED: &str = "it was seen in an exported file: nothing could be measured";

/// Phase 1.
pub async fn analysis(project: &Arc<Project>, cx: &Context) -> Result<Analysis, StepError> {
    let export = cx.run.created.export.clone();
    let lines = match &export {
        Some(file) => {
            let bytes = cx.reader()?.artifact(&file.digest)?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        None => {
            cx.progress("reading Query Store and the catalogue");
            document::stripped(&live(project).await?).map_err(step)?
        }
    };
    let (project, cx) = (project.clone(), cx.clone());
    blocking(move || {
        let reader = cx.reader()?;
        policy::note_changes(&cx, &reader)?;
        let past = past::all(&cx, &reader)?;
        let options = analyze::Options {
            target: cx.run.created.target.clone(),
            exported: export.is_some(),
            regression_pct: project.definition.analyze.regression_pct,
        };
        let document = Document::parse(&lines).map_err(step)?;
        let mut analysis = analyze::analyze(&document, &options).map_err(step)?;
        analysis.success_by_kind = past::success_by_kind(&past, cx.now);
        if export.is_none() {
            // What it was made from, so that it can be made again.
            cx.note("observed", serde_json::Value::String(lines));
        }
        Ok(analysis)
    })
    .await
}

async fn live(project: &Project) -> Result<String, StepError> {
    let Target::Sqlserver { name, database } = &project.definition.target else {
        return Err(StepError::bug("target", "the target is no SQL Server"));
    };
    let variable = variable(name);
    let connector = Connector::from_env(&variable).map_err(step)?.ok_or_else(|| {
        let message = format!("{variable} is not set: it says how the target is reached");
        StepError::operator("sqlserver_not_configured", message)
    })?;
    let other = connector.database().filter(|found| !found.eq_ignore_ascii_case(database));
    if let Some(other) = other {
        let message =
            format!("the workflow's database is {database}, and {variable} names {other}");
        return Err(StepError::operator("sqlserver_other_database", message));
    }
    let mut session = connector.session_within(PATIENCE).await.map_err(step)?;
    observe::lines(&mut session).await.map_err(step)
}

/// Phase 2.
pub fn by_rules(
    project: &Project,
    cx: &Context,
    server: &ServerAnalysis,
) -> Result<Proposal, StepError> {
    let past = past::all(cx, &cx.reader()?)?;
    let rolled_back: Vec<String> = past
        .iter()
        .filter(|one| one.record.target == cx.run.created.target)
        .filter(|one| one.success() == Some(false))
        .filter_map(|one| one.record.up.clone())
        .collect();
    let limits = Limits {
        max_changes: project.definition.design.max_changes as usize,
        min_observed_days: UNUSED_DAYS,
    };
    Ok(rules::design(server, limits, &rolled_back))
}

/// The end of phase 3: what is known before it is deployed, which is not what it does.
pub fn judge(project: &Project, cx: &Context, change: Change) -> Result<ChangeSet, StepError> {
    let analysis: Analysis = cx
        .output()?
        .ok_or_else(|| StepError::bug("missing_checkpoint", "analyze has no checkpoint"))?;
    let exported = analysis.server.as_ref().is_some_and(|server| server.exported);
    let preflight = nothing_measured(if exported { EXPORTED } else { NO_COPY });
    let reader = cx.reader()?;
    let past = past::all(cx, &reader)?;
    let features = generate::features(cx, &change, &past)?;
    let prior = past::prior(&reader, &past, &features)?;
    let probability = unmeasured(&prior);
    let binding = binding(project, &change, &analysis, &preflight)?;
    Ok(ChangeSet { change, features, preflight, probability, binding })
}

fn nothing_measured(why: &str) -> Evidence {
    let check = |name: &str| Check {
        name: name.to_owned(),
        result: CheckResult::NotMeasurable,
        detail: why.to_owned(),
    };
    Evidence {
        checks: ["applies", "down", "results", "tests"].map(check).to_vec(),
        improvement: None,
        control: None,
        queries: Vec::new(),
        size: None,
        pairs: 0,
        verdict: Verdict::Inconclusive,
        reasons: vec![why.to_owned()],
    }
}

/// Everything that whoever looks at it has seen.
fn binding(
    project: &Project,
    change: &Change,
    analysis: &Analysis,
    preflight: &Evidence,
) -> Result<Binding, StepError> {
    let evidence =
        Digest::of_json(preflight).map_err(|e| StepError::bug("digest", e.to_string()))?;
    let parts = [
        ("change_set", change.digest.to_string()),
        ("base_commit", change.base_commit.clone()),
        ("evidence", evidence.to_string()),
        ("workflow", project.workflow_digest_now()),
        ("policy", project.policy_digest_now()),
        ("target", analysis.target.clone()),
        ("schema", analysis.schema_digest.to_string()),
        ("kaizen", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    Ok(Binding(parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}
