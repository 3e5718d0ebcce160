//! Phase 4. Deploy's effects are done one by one, announced and probed; this is what remains:
//! saying what stands deployed.

use super::{blocking, server, step};
use crate::{
    payload::{ChangeSet, Deployment},
    project::Project,
    targets::sqlite::database::Database,
};
use async_trait::async_trait;
use kaizen_engine::{
    digest::Digest,
    journal::Effect,
    step::{Context, Step, StepError},
    workflow::Target,
};
use std::sync::Arc;

/// Phase 4.
pub struct Deploy {
    pub project: Arc<Project>,
}

#[async_trait]
impl Step for Deploy {
    type Input = ChangeSet;
    type Output = Deployment;

    async fn run(&self, change: ChangeSet, cx: &Context) -> Result<Deployment, StepError> {
        let (project, cx) = (self.project.clone(), cx.clone());
        blocking(move || {
            let commit =
                cx.done(Effect::Commit).and_then(|(_, receipt)| receipt["commit"].as_str());
            let pushed = cx.done(Effect::Push).and_then(|(_, receipt)| receipt["remote"].as_str());
            let schema_digest = match &project.definition.target {
                Target::Sqlite { .. } => {
                    let database = Database::open(&project.database()).map_err(step)?;
                    database.schema_digest().map_err(step)?
                }
                Target::Sqlserver { .. } => server::after::schema_digest(&project, &cx)?,
                Target::Command { .. } => Digest::of(&[commit.unwrap_or_default().as_bytes()]),
            };
            Ok(Deployment {
                branch: change.branch.clone(),
                commit: commit.map(str::to_owned),
                pushed_to: pushed.map(str::to_owned),
                applied: cx.done(Effect::Up).is_some(),
                schema_digest,
            })
        })
        .await
    }
}
