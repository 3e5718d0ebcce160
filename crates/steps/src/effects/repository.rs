//! Commit, worktree and push, forwards and back.

use super::{Doing, probed, read, write};
use crate::{
    adapters::git::{CommitPlan, Error, Repo},
    phases::step,
};
use kaizen_engine::{
    digest::Digest,
    journal::{Effect, Phase},
    step::{Probe, StepError},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Taking index and worktree of a checked-out branch from one commit to the next.
#[derive(Serialize, Deserialize)]
struct Sync {
    branch: String,
    from: String,
    to: String,
}

#[derive(Serialize, Deserialize)]
struct Push {
    remote: String,
    branch: String,
    commit: String,
}

/// What must hold of the repository before anything is done to it.
pub fn preconditions(doing: &Doing) -> Result<(), StepError> {
    let repo = doing.repository()?;
    repo.preconditions().map_err(step)?;
    repo.check_not_elsewhere(&doing.change.branch).map_err(step)?;
    let deploy = &doing.project.definition.deploy;
    if deploy.push {
        // Better found before there is a commit that cannot be pushed.
        repo.check_remote(&deploy.remote).map_err(step)?;
    }
    let changed = repo.tracked_changes().map_err(step)?;
    // Another branch's worktree is nobody's business here.
    let here = repo.head(None).ok().is_some_and(|head| head.branch == doing.change.branch);
    if changed.is_empty() || !here {
        return Ok(());
    }
    let message = format!("tracked files have uncommitted changes: {}", changed.join(", "));
    Err(StepError::operator("tracked_changes", message)
        .looking_at(vec!["git status".to_owned(), "git stash".to_owned()]))
}

pub fn plan_commit(doing: &Doing) -> Result<Value, StepError> {
    let (repo, change) = (doing.repository()?, &doing.change);
    let head = repo.head(Some(&change.branch)).map_err(step)?;
    let message = format!(
        "{}\n\n{}\n\n{}",
        change.title,
        change.rationale.trim(),
        trailers(doing, Phase::Deploy)
    );
    let (name, email) = repo.author().map_err(step)?;
    let plan = repo
        .plan_commit(&head, &change.staged(), (&name, &email), seconds(doing), &message)
        .map_err(step)?;
    // An untracked file in the way is better found before the branch has moved.
    repo.check_worktree(&plan).map_err(step)?;
    write(&plan)
}

pub fn plan_revert(doing: &Doing) -> Result<Value, StepError> {
    let (repo, change) = (doing.repository()?, &doing.change);
    let head = repo.head(Some(&change.branch)).map_err(step)?;
    let commit = commit_of(doing, Effect::Commit)?;
    let message = format!(
        "Revert \"{}\"\n\nThis reverts commit {commit}.\n\n{}",
        change.title,
        trailers(doing, Phase::Evaluate)
    );
    let (name, email) = repo.author().map_err(step)?;
    let plan = repo.plan_revert(&head, &commit, (&name, &email), seconds(doing), &message);
    let plan = plan.map_err(|error| match error {
        Error::RevertConflict { .. } => conflict(doing, &commit, &error),
        other => step(other),
    })?;
    repo.check_worktree(&plan).map_err(step)?;
    write(&plan)
}

/// The exact commands for a person, where git cannot take the commit back by itself.
fn conflict(doing: &Doing, commit: &str, error: &Error) -> StepError {
    let run = doing.cx.run.name();
    let mut told = step_with(
        error,
        vec![
            format!("git switch {}", doing.change.branch),
            format!("git revert {commit}"),
            "git status   # mend the conflicts, then: git add … && git revert --continue"
                .to_owned(),
            format!("kaizen resolve {run} --effect revert --done --reason \"reverted by hand\""),
        ],
    );
    if doing.cx.done(Effect::Down).is_some() {
        told.message += "; the down script has run already: only the files are left to take back";
    }
    told
}

fn step_with(error: &Error, look_at: Vec<String>) -> StepError {
    StepError::of(error).looking_at(look_at)
}

pub fn plan_worktree(doing: &Doing, of: Effect) -> Result<Value, StepError> {
    let Some((plan, receipt)) = doing.cx.done(of) else {
        return Err(StepError::bug("missing_effect", format!("{of} was not done")));
    };
    let branch = doing.change.branch.clone();
    // A commit that a person made stands in no plan: where the branch is now is what counts.
    let (from, to) = match read::<CommitPlan>(plan) {
        Ok(plan) => (plan.parent, text(receipt, "commit")?),
        Err(_) => {
            let head = doing.repository()?.head(Some(&branch)).map_err(step)?;
            (head.commit.clone(), head.commit)
        }
    };
    write(&Sync { branch, from, to })
}

pub fn plan_push(doing: &Doing, of: Effect) -> Result<Value, StepError> {
    let branch = doing.change.branch.clone();
    let commit = match commit_of(doing, of) {
        Ok(commit) => commit,
        Err(_) => doing.repository()?.head(Some(&branch)).map_err(step)?.commit,
    };
    write(&Push { remote: doing.project.definition.deploy.remote.clone(), branch, commit })
}

pub fn probe_commit(doing: &Doing, plan: &Value, head: &Digest) -> Result<Probe, StepError> {
    let (repo, plan) = (doing.repository()?, read::<CommitPlan>(plan)?);
    let head = head.to_string();
    let id = repo.commit_id(&plan, &head).map_err(step)?;
    let found = repo.probe_commit(&plan, &head).map_err(step)?;
    Ok(probed(found, json!({ "commit": id, "parent": plan.parent })))
}

pub fn commit(doing: &Doing, plan: &Value, head: &Digest) -> Result<Value, StepError> {
    let (repo, plan) = (doing.repository()?, read::<CommitPlan>(plan)?);
    let id = repo.commit(&plan, &head.to_string()).map_err(step)?;
    Ok(json!({ "commit": id, "parent": plan.parent }))
}

pub fn probe_worktree(doing: &Doing, plan: &Value) -> Result<Probe, StepError> {
    let (repo, plan) = (doing.repository()?, read::<Sync>(plan)?);
    let found = repo.probe_worktree(&plan.branch, &plan.from, &plan.to).map_err(step)?;
    Ok(probed(found, json!({ "at": plan.to })))
}

pub fn sync_worktree(doing: &Doing, plan: &Value) -> Result<Value, StepError> {
    let (repo, plan) = (doing.repository()?, read::<Sync>(plan)?);
    repo.sync_worktree(&plan.branch, &plan.from, &plan.to).map_err(|error| match error {
        Error::WorktreeConflict { .. } => step_with(
            &error,
            vec!["git status".to_owned(), format!("git checkout {} -- .", plan.branch)],
        ),
        other => step(other),
    })?;
    Ok(json!({ "at": plan.to }))
}

pub fn probe_push(doing: &Doing, plan: &Value) -> Result<Probe, StepError> {
    let (repo, plan) = (doing.repository()?, read::<Push>(plan)?);
    let timeout = doing.project.definition.deploy.push_timeout;
    let found = repo.probe_push(&plan.remote, &plan.branch, &plan.commit, timeout).map_err(step)?;
    Ok(probed(found, json!({ "remote": plan.remote, "commit": plan.commit })))
}

pub fn push(doing: &Doing, plan: &Value) -> Result<Value, StepError> {
    let (repo, plan): (Repo, Push) = (doing.repository()?, read(plan)?);
    let timeout = doing.project.definition.deploy.push_timeout;
    repo.push(&plan.remote, &plan.branch, &plan.commit, timeout).map_err(step)?;
    Ok(json!({ "remote": plan.remote, "commit": plan.commit }))
}

/// The commit that an effect made.
fn commit_of(doing: &Doing, effect: Effect) -> Result<String, StepError> {
    let Some((_, receipt)) = doing.cx.done(effect) else {
        return Err(StepError::bug("missing_effect", format!("{effect} was not done")));
    };
    text(receipt, "commit")
}

fn text(receipt: &Value, key: &str) -> Result<String, StepError> {
    let found = receipt[key].as_str().map(str::to_owned);
    found.ok_or_else(|| StepError::bug("misshapen_receipt", format!("a receipt lacks {key}")))
}

fn trailers(doing: &Doing, phase: Phase) -> String {
    format!("Kaizen-Run: {}\nKaizen-Phase: {phase}", doing.cx.run.id)
}

/// A commit's time is the time of the transition before it: known beforehand, and replayed alike.
fn seconds(doing: &Doing) -> i64 {
    doing.cx.now.0 / 1_000_000
}
