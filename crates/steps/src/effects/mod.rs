//! What Kaizen does to the outside world: one commit, one push, one script, and their undoing.
//!
//! Each effect has a plan that says exactly what will be done, a probe, and the doing itself.
//! When which is due, and what follows from a failure, is the engine's business.

mod calendar;
mod repository;
mod script;
mod server;

use crate::{
    payload::ChangeSet,
    phases::{blocking, command, generate::binding, step},
    project::Project,
};
use async_trait::async_trait;
use kaizen_engine::{
    digest::Digest,
    journal::{Binding, Effect},
    step::{Context, Effects, Probe, StepError},
    workflow::Target,
};
use serde_json::Value;
use std::sync::Arc;

/// The effects on a project: its repository and its database.
pub struct ProjectEffects {
    pub project: Arc<Project>,
}

/// What an effect is done with.
struct Doing {
    project: Arc<Project>,
    cx: Context,
    change: ChangeSet,
}

impl ProjectEffects {
    async fn with<T, F>(&self, cx: &Context, work: F) -> Result<T, StepError>
    where
        T: Send + 'static,
        F: FnOnce(&Doing) -> Result<T, StepError> + Send + 'static,
    {
        let (project, cx) = (self.project.clone(), cx.clone());
        blocking(move || {
            let change = cx.output()?.ok_or_else(|| {
                StepError::bug("missing_checkpoint", "generate has no checkpoint")
            })?;
            work(&Doing { project, cx, change })
        })
        .await
    }
}

#[async_trait]
impl Effects for ProjectEffects {
    async fn binding(&self, cx: &Context) -> Result<Binding, StepError> {
        self.with(cx, |doing| {
            calendar::may_deploy(doing)?;
            repository::preconditions(doing)?;
            let (project, change) = (&doing.project, &doing.change);
            match &project.definition.target {
                Target::Sqlserver { .. } => server::binding(doing),
                Target::Sqlite { .. } => binding(project, change, &change.preflight),
                Target::Command { .. } => command::binding(project, change, &change.preflight),
            }
        })
        .await
    }

    async fn plan(&self, effect: Effect, cx: &Context) -> Result<Value, StepError> {
        self.with(cx, move |doing| {
            doing.cx.progress(&format!("planning {effect}"));
            match effect.undone_by() {
                Some(_) if effect == Effect::Up => calendar::may_go_on(doing)?,
                Some(_) => {}
                None => calendar::may_undo(doing)?,
            }
            match effect {
                Effect::Commit => repository::plan_commit(doing),
                Effect::Worktree => repository::plan_worktree(doing, Effect::Commit),
                Effect::Push => repository::plan_push(doing, Effect::Commit),
                Effect::Revert => repository::plan_revert(doing),
                Effect::RevertWorktree => repository::plan_worktree(doing, Effect::Revert),
                Effect::RevertPush => repository::plan_push(doing, Effect::Revert),
                Effect::Up | Effect::Down if doing.is_server() => server::plan(doing, effect),
                Effect::Up | Effect::Down => script::plan(doing, effect),
            }
        })
        .await
    }

    async fn probe(
        &self,
        effect: Effect,
        plan: &Value,
        head: &Digest,
        cx: &Context,
    ) -> Result<Probe, StepError> {
        let (plan, head) = (plan.clone(), *head);
        self.with(cx, move |doing| match effect {
            Effect::Commit | Effect::Revert => repository::probe_commit(doing, &plan, &head),
            Effect::Worktree | Effect::RevertWorktree => repository::probe_worktree(doing, &plan),
            Effect::Push | Effect::RevertPush => repository::probe_push(doing, &plan),
            Effect::Up | Effect::Down if doing.is_server() => server::probe(doing, effect, &plan),
            Effect::Up | Effect::Down => Ok(script::probe(doing, effect)),
        })
        .await
    }

    async fn perform(
        &self,
        effect: Effect,
        plan: &Value,
        head: &Digest,
        cx: &Context,
    ) -> Result<Value, StepError> {
        let (plan, head) = (plan.clone(), *head);
        self.with(cx, move |doing| {
            doing.cx.progress(&format!("doing {effect}"));
            if effect == Effect::Up {
                // It may have been announced in another window, or before a freeze.
                calendar::may_go_on(doing)?;
            }
            match effect {
                Effect::Commit | Effect::Revert => repository::commit(doing, &plan, &head),
                Effect::Worktree | Effect::RevertWorktree => {
                    repository::sync_worktree(doing, &plan)
                }
                Effect::Push | Effect::RevertPush => repository::push(doing, &plan),
                Effect::Up | Effect::Down if doing.is_server() => {
                    server::apply(doing, effect, &plan)
                }
                Effect::Up | Effect::Down => script::apply(doing, effect),
            }
        })
        .await
    }

    async fn verify_rollback(&self, cx: &Context) -> Result<Value, StepError> {
        self.with(cx, |doing| match &doing.project.definition.target {
            Target::Sqlserver { .. } => server::verify_rollback(doing),
            Target::Sqlite { .. } => script::verify_rollback(doing),
            Target::Command { .. } => command::verify_rollback(&doing.project, &doing.change),
        })
        .await
    }
}

/// A plan as the type it was written from.
fn read<T: serde::de::DeserializeOwned>(plan: &Value) -> Result<T, StepError> {
    T::deserialize(plan).map_err(|e| StepError::bug("misshapen_plan", e.to_string()))
}

fn write<T: serde::Serialize>(plan: &T) -> Result<Value, StepError> {
    serde_json::to_value(plan).map_err(|e| StepError::bug("misshapen_plan", e.to_string()))
}

fn probed(probe: crate::adapters::Probe, receipt: Value) -> Probe {
    use crate::adapters::Probe as Found;
    match probe {
        Found::Done => Probe::Done(receipt),
        Found::NotDone => Probe::NotDone,
        Found::Unreachable(why) => Probe::Unreachable(why),
        Found::Unknown(what) => Probe::Unknown(what),
    }
}

impl Doing {
    fn is_server(&self) -> bool {
        matches!(self.project.definition.target, Target::Sqlserver { .. })
    }

    fn repository(&self) -> Result<crate::adapters::git::Repo, StepError> {
        self.project.repository().map_err(step)
    }
}
