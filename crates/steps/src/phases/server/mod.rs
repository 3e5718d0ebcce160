//! The phases on a SQL Server target: seeing it live or from a file, designing by rules, judging what is
//! known before it is deployed (`before`), and what was seen afterwards (`after`).

pub mod after;
pub mod before;

use super::{blocking, past, policy, step};
use crate::{
    designers::sqlserver::{self as rules, Limits},
    payload::{Analysis, Proposal, server::ServerAnalysis},
    project::Project,
    targets::sqlserver::{
        Document,
        access::{self, Role},
        analyze, document, observe,
    },
};
use kaizen_engine::{
    error::Class,
    step::{Context, StepError},
};
use std::{sync::Arc, time::Duration};

/// Days over which an index must have been seen unused.
const UNUSED_DAYS: f64 = 30.0;

/// When a server that is away is asked again.
const AGAIN: Duration = Duration::from_secs(120);

/// Waits where the server is away: that says nothing about the change, and is no attempt.
fn patient(cx: &Context, error: StepError) -> StepError {
    if error.class == Class::Retry {
        return StepError::wait(cx.now.plus(AGAIN), error.message);
    }
    error
}

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
    let target = &project.definition.target;
    let mut session = access::session(target, Role::Observe).await.map_err(step)?;
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
        now: cx.now,
    };
    Ok(rules::design(server, limits, &rolled_back))
}
