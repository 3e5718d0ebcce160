//! Phase 1. Analyze reads the target: the workload on a copy, query by query.

use super::{blocking, command, past, policy, server, step, time_left};
use crate::{
    payload::{Analysis, SourceAbsent},
    project::Project,
    targets::sqlite::{Workload, analyze, database::Database},
};
use async_trait::async_trait;
use kaizen_engine::{
    step::{Context, Start, Step, StepError},
    workflow::Target,
};
use std::{path::PathBuf, sync::Arc};

/// Phase 1.
pub struct Analyze {
    pub project: Arc<Project>,
}

#[async_trait]
impl Step for Analyze {
    type Input = Start;
    type Output = Analysis;

    async fn run(&self, _input: Start, cx: &Context) -> Result<Analysis, StepError> {
        let (project, cx) = (self.project.clone(), cx.clone());
        match &self.project.definition.target {
            Target::Sqlite { .. } => blocking(move || analysis(&project, &cx)).await,
            Target::Sqlserver { .. } => server::analysis(&project, &cx).await,
            Target::Command { .. } => command::analysis(&project, &cx).await,
        }
    }
}

fn analysis(project: &Project, cx: &Context) -> Result<Analysis, StepError> {
    let workload = Workload::load(&project.root, project.workload()).map_err(step)?;
    let database = Database::open(&project.database()).map_err(step)?;
    workload.check(database.connection()).map_err(step)?;
    cx.progress("taking a snapshot of the database");
    let snapshot = snapshot_path(project, cx)?;
    database.snapshot(&snapshot).map_err(step)?;
    let reader = cx.reader()?;
    policy::note_changes(cx, &reader)?;
    let past = past::all(cx, &reader)?;
    let options = analyze::Options {
        target: format!("sqlite {}", project.database().display()),
        timeout: project.definition.analyze.query_timeout,
        repetitions: project.definition.analyze.repetitions as usize,
        budget: time_left(cx, project.definition.budget.compute / 4),
        baseline: past::baseline(&reader, &past, &cx.run.created.target)?,
        regression_pct: project.definition.analyze.regression_pct,
        absent: absent(),
    };
    let report = cx.report();
    let progress = move |query: &str| report(&format!("measuring {query}"));
    let mut analysis = analyze::analyze(&snapshot, &workload, &options, &progress).map_err(step)?;
    analysis.success_by_kind = past::success_by_kind(&past, cx.now);
    Ok(analysis)
}

/// The run's private copy of the database as Analyze found it.
pub(super) fn snapshot_path(project: &Project, cx: &Context) -> Result<PathBuf, StepError> {
    Ok(project.scratch(&cx.run).map_err(step)?.join("snapshot.db"))
}

/// The same copy for a later phase; taken anew where a crash or a clean-up took it away.
pub(super) fn snapshot(project: &Project, cx: &Context) -> Result<PathBuf, StepError> {
    let path = snapshot_path(project, cx)?;
    if !path.exists() {
        Database::open(&project.database()).map_err(step)?.snapshot(&path).map_err(step)?;
    }
    Ok(path)
}

/// What a SQLite target cannot tell.
fn absent() -> Vec<SourceAbsent> {
    let absent = |source: &str, reason: &str| SourceAbsent {
        source: source.to_owned(),
        reason: reason.to_owned(),
    };
    vec![
        absent("failed_tests", "a SQLite target keeps no log of test results"),
        absent("cost_hot_spots", "a SQLite target has no billing ledger"),
        absent("query_frequencies", "SQLite counts no executions: the workload's weights stand in"),
    ]
}
