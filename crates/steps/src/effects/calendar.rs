//! When something may be done: maintenance windows and freezes.

use super::Doing;
use crate::payload::{CheckResult, Estimate, Evaluation, Verdict};
use crate::phases::server::after::GUARD;
use kaizen_engine::{
    journal::{Cause, Effect, Live, Status},
    step::StepError,
    workflow::window::{Opens, opens},
};
use std::time::Duration;

/// When a freeze is looked at again.
const AGAIN: Duration = Duration::from_secs(600);

/// A deployment waits for a window; a freeze is a person's to lift.
pub fn may_deploy(doing: &Doing) -> Result<(), StepError> {
    // The run has pinned its definition; a freeze counts from the moment it is written.
    if doing.project.is_frozen_now() {
        let message = format!("deployments are frozen: {} says so", doing.project.workflow_path);
        return Err(StepError::operator("frozen", message));
    }
    in_window(doing, "deployments wait")
}

/// What has begun waits for its script's time: nothing of it is undone for that.
pub fn may_go_on(doing: &Doing) -> Result<(), StepError> {
    if doing.project.is_frozen_now() {
        let message =
            format!("its script waits: {} freezes deployments", doing.project.workflow_path);
        return Err(StepError::retry("frozen", message, AGAIN));
    }
    in_window(doing, "its script waits")
}

/// A rollback waits as well where it is no emergency, and nothing of it has been done yet.
pub fn may_undo(doing: &Doing) -> Result<(), StepError> {
    let begun = Effect::ALL
        .iter()
        .any(|effect| effect.undone_by().is_none() && doing.cx.run.effects.contains_key(effect));
    if begun || is_emergency(doing)? {
        return Ok(());
    }
    if doing.project.is_frozen_now() {
        let message = format!(
            "it is to be taken back, and {} freezes that too: it harms nobody meanwhile",
            doing.project.workflow_path
        );
        return Err(StepError::retry("frozen", message, AGAIN));
    }
    in_window(doing, "it is to be taken back, which waits")
}

/// Only what Evaluate found not good enough can wait: not what failed, what harms, or what a person asked
/// for.
fn is_emergency(doing: &Doing) -> Result<bool, StepError> {
    let Status::Live(Live::RollingBack { cause: Cause::Verdict }) = &doing.cx.run.status else {
        return Ok(true);
    };
    let Some(evaluation) = doing.cx.output::<Evaluation>()? else { return Ok(true) };
    let evidence = evaluation.evidence;
    let guard =
        |check: &crate::payload::Check| check.name == GUARD && check.result == CheckResult::Failed;
    // It may only wait where harm is ruled out, and not merely unseen.
    let most = doing.project.definition.evaluate.max_regression_pct;
    let harmless = |estimate: Option<Estimate>| estimate.is_some_and(|one| one.lo >= -most);
    let ruled_out = harmless(evidence.improvement)
        && evidence.queries.iter().all(|query| harmless(query.improvement));
    let harms = matches!(evidence.verdict, Verdict::Regressed | Verdict::Incorrect);
    Ok(harms || !ruled_out || evidence.checks.iter().any(guard))
}

fn in_window(doing: &Doing, what: &str) -> Result<(), StepError> {
    let (windows, now) = (&doing.project.definition.deploy.windows, doing.cx.now);
    match opens(windows, now) {
        Opens::Now => Ok(()),
        Opens::At(at) => {
            let message = format!("{what} for the maintenance window that opens at {at}");
            Err(StepError::retry("outside_window", message, at.since(now)))
        }
        Opens::Never => {
            let message = format!("{what} for a maintenance window, and none will open any more");
            Err(StepError::operator("no_window", message))
        }
    }
}
