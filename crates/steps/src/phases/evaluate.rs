//! Phase 5. Evaluate decides keep or roll back: a fresh snapshot of the deployed database, with
//! the change and with it undone.

use super::{blocking, command, measuring, past, server, step};
use crate::{
    evidence::{Limits, posterior},
    payload::{ChangeSet, Deployment, Evaluation, Evidence, Verdict},
    project::Project,
    targets::sqlite::{
        Workload,
        copies::{self, Change},
        database::Database,
    },
};
use async_trait::async_trait;
use kaizen_engine::{
    step::{Context, Step, StepError},
    workflow::Target,
};
use std::{path::Path, sync::Arc};

/// Phase 5.
pub struct Evaluate {
    pub project: Arc<Project>,
}

#[async_trait]
impl Step for Evaluate {
    type Input = Deployment;
    type Output = Evaluation;

    async fn run(&self, deployment: Deployment, cx: &Context) -> Result<Evaluation, StepError> {
        let (project, cx) = (self.project.clone(), cx.clone());
        match &self.project.definition.target {
            Target::Sqlserver { .. } => server::after::evaluate(&project, &cx).await,
            Target::Command { .. } => blocking(move || command::evaluate(&project, &cx)).await,
            Target::Sqlite { .. } => blocking(move || evaluate(&project, &cx, &deployment)).await,
        }
    }
}

fn evaluate(
    project: &Project,
    cx: &Context,
    deployment: &Deployment,
) -> Result<Evaluation, StepError> {
    let change: ChangeSet = cx
        .output()?
        .ok_or_else(|| StepError::bug("missing_checkpoint", "generate has no checkpoint"))?;
    let evidence = evidence(project, cx, &change, deployment)?;
    judged(project, cx, &change, evidence)
}

/// What follows from the evidence.
pub(super) fn judged(
    project: &Project,
    cx: &Context,
    change: &ChangeSet,
    evidence: Evidence,
) -> Result<Evaluation, StepError> {
    judged_by(project, cx, change, evidence, &measuring::limits(project))
}

/// The same by limits of the target's own.
pub(super) fn judged_by(
    project: &Project,
    cx: &Context,
    change: &ChangeSet,
    evidence: Evidence,
    limits: &Limits,
) -> Result<Evaluation, StepError> {
    let reader = cx.reader()?;
    let prior = past::prior(&reader, &past::all(cx, &reader)?, &change.features)?;
    let objective = measuring::objective(change.kind);
    let probability = posterior(&prior, &evidence, objective, limits);
    let least = project.definition.evaluate.min_success_probability;
    let likely = probability.posterior >= least;
    let mut reasons = evidence.reasons.clone();
    if evidence.verdict == Verdict::Improved && !likely {
        reasons.push(format!(
            "the probability of success is {:.2}, and {least:.2} is asked",
            probability.posterior
        ));
    }
    let keep = evidence.verdict == Verdict::Improved && likely;
    Ok(Evaluation { evidence, probability, keep, reasons })
}

fn evidence(
    project: &Project,
    cx: &Context,
    change: &ChangeSet,
    deployment: &Deployment,
) -> Result<Evidence, StepError> {
    let dir = project.scratch(&cx.run).map_err(step)?.join("evaluate");
    std::fs::create_dir_all(&dir)
        .map_err(|e| StepError::operator("scratch", format!("{}: {e}", dir.display())))?;
    let workload = Workload::load(&project.root, project.workload()).map_err(step)?;
    cx.progress("taking a snapshot of the deployed database");
    let snapshot = dir.join("deployed.db");
    let database = Database::open(&project.database()).map_err(step)?;
    database.snapshot(&snapshot).map_err(step)?;
    let down = if deployment.applied { change.down.as_str() } else { "" };
    let tested = tests(project, cx, change, &snapshot, &dir)?;
    if measuring::first_failure(std::slice::from_ref(&tested)).is_some() {
        return Ok(measuring::failed(vec![tested]));
    }
    let subject = measuring::Subject {
        snapshot: &snapshot,
        dir: &dir,
        change: Change::Deployed { down },
        kind: change.kind,
        tables: &change.tables,
        checks: vec![tested],
    };
    let evidence = measuring::measure(project, cx, &workload, subject)?;
    let _ = std::fs::remove_dir_all(&dir);
    Ok(evidence)
}

/// Tests get a copy of their own: they may write to it.
fn tests(
    project: &Project,
    cx: &Context,
    change: &ChangeSet,
    snapshot: &Path,
    dir: &Path,
) -> Result<crate::payload::Check, StepError> {
    let copy = || {
        let copies = copies::prepare_copies(snapshot, dir, Change::Deployed { down: "" });
        Ok(Some(copies.map_err(step)?.after))
    };
    measuring::run_tests(project, cx, change, dir, copy)
}
