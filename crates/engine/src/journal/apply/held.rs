//! Held up, going back, or ended: rolling back, sleeping, paused, needs_operator, finished.

use super::moves::*;
use crate::journal::{
    event::{Event, Fact},
    phase::{Effect, Outcome, Phase},
    state::{Cause, EffectState, Live, Run, Status},
};

pub(super) fn rolling_back(run: &mut Run, cause: Cause, event: &Event) -> Option<Status> {
    let stay = Live::RollingBack { cause };
    match &event.fact {
        Fact::TargetAcquired { target, epoch } => {
            acquire(run, target, *epoch).then_some(Status::Live(stay))
        }
        Fact::EffectAnnounced { effect, plan } => {
            let due = run.next_undoing() == Some(*effect);
            (due && announce(run, *effect, plan, event)).then_some(Status::Live(stay))
        }
        Fact::EffectDone { effect, how, receipt } => {
            settle(run, *effect, *how, receipt, event).then_some(Status::Live(stay))
        }
        // Only what deploys can be left undone: an undoing is done, or a person is asked.
        Fact::EffectFailed { effect, failure }
            if effect.undone_by().is_some() && run.unresolved() == Some(*effect) =>
        {
            run.effects.insert(*effect, EffectState::Failed { failure: failure.clone() });
            Some(Status::Live(stay))
        }
        Fact::RollbackCompleted { .. } => {
            let stands = run.unresolved().is_some() || run.next_undoing().is_some();
            if stands || run.target_epoch.is_none() {
                return None;
            }
            run.outcome = Some(cause.outcome());
            Some(match cause {
                Cause::Verdict | Cause::Operator => begin(Phase::UpdateWeights),
                Cause::Failure | Cause::Cancelled => begin(Phase::RecordProvenance),
            })
        }
        Fact::Slept { until, why } => {
            Some(Status::Sleeping { until: *until, why: why.clone(), then: stay })
        }
        Fact::OperatorNeeded { effect, failure, look_at } => {
            // About the effect that comes next, or about what the comparison afterwards found.
            let next = run.unresolved().or(run.next_undoing());
            (*effect == next).then(|| Status::NeedsOperator {
                effect: *effect,
                failure: failure.clone(),
                look_at: look_at.clone(),
                then: stay,
            })
        }
        Fact::RunResumed { .. } | Fact::Noted { .. } => Some(Status::Live(stay)),
        Fact::RunCreated(_)
        | Fact::PhaseCompleted { .. }
        | Fact::PhaseFailed { .. }
        | Fact::ApprovalRequested { .. }
        | Fact::Approved { .. }
        | Fact::Rejected { .. }
        | Fact::ApprovalVoided { .. }
        | Fact::ApprovalExpired {}
        | Fact::TargetQueued { .. }
        | Fact::EffectFailed { .. }
        | Fact::Woken {}
        | Fact::Paused { .. }
        | Fact::Unpaused {}
        | Fact::CancelRequested { .. }
        | Fact::RollbackRequested { .. }
        | Fact::OperatorResolved { .. }
        | Fact::RunSealed { .. }
        | Fact::RunCompacted(_) => None,
    }
}

pub(super) fn sleeping(run: &mut Run, then: &Live, event: &Event) -> Option<Status> {
    match &event.fact {
        Fact::Woken {} => Some(Status::Live(then.clone())),
        Fact::Paused { reason } if may_pause(then) => {
            Some(Status::Paused { reason: reason.clone(), then: then.clone() })
        }
        Fact::CancelRequested { .. } => cancelled(run, then),
        Fact::RunResumed { .. } | Fact::Noted { .. } => Some(run.status.clone()),
        Fact::RunCreated(_)
        | Fact::PhaseCompleted { .. }
        | Fact::PhaseFailed { .. }
        | Fact::ApprovalRequested { .. }
        | Fact::Approved { .. }
        | Fact::Rejected { .. }
        | Fact::ApprovalVoided { .. }
        | Fact::ApprovalExpired {}
        | Fact::TargetQueued { .. }
        | Fact::TargetAcquired { .. }
        | Fact::EffectAnnounced { .. }
        | Fact::EffectDone { .. }
        | Fact::EffectFailed { .. }
        | Fact::Slept { .. }
        | Fact::Paused { .. }
        | Fact::Unpaused {}
        | Fact::RollbackRequested { .. }
        | Fact::RollbackCompleted { .. }
        | Fact::OperatorNeeded { .. }
        | Fact::OperatorResolved { .. }
        | Fact::RunSealed { .. }
        | Fact::RunCompacted(_) => None,
    }
}

pub(super) fn paused(run: &mut Run, then: &Live, event: &Event) -> Option<Status> {
    match &event.fact {
        Fact::Unpaused {} => Some(Status::Live(then.clone())),
        Fact::CancelRequested { .. } => cancelled(run, then),
        Fact::RunResumed { .. } | Fact::Noted { .. } => Some(run.status.clone()),
        Fact::RunCreated(_)
        | Fact::PhaseCompleted { .. }
        | Fact::PhaseFailed { .. }
        | Fact::ApprovalRequested { .. }
        | Fact::Approved { .. }
        | Fact::Rejected { .. }
        | Fact::ApprovalVoided { .. }
        | Fact::ApprovalExpired {}
        | Fact::TargetQueued { .. }
        | Fact::TargetAcquired { .. }
        | Fact::EffectAnnounced { .. }
        | Fact::EffectDone { .. }
        | Fact::EffectFailed { .. }
        | Fact::Slept { .. }
        | Fact::Woken {}
        | Fact::Paused { .. }
        | Fact::RollbackRequested { .. }
        | Fact::RollbackCompleted { .. }
        | Fact::OperatorNeeded { .. }
        | Fact::OperatorResolved { .. }
        | Fact::RunSealed { .. }
        | Fact::RunCompacted(_) => None,
    }
}

pub(super) fn needs_operator(
    run: &mut Run,
    asked: Option<Effect>,
    then: &Live,
    event: &Event,
) -> Option<Status> {
    match &event.fact {
        // Probing again is all that a resume does: the effect is still announced.
        Fact::RunResumed { .. } => Some(Status::Live(then.clone())),
        Fact::OperatorResolved { effect, done, .. } => {
            if asked != Some(*effect) {
                return None;
            }
            resolve(run, *effect, *done, event);
            Some(match then {
                Live::Running { .. } if !done => gone_wrong(run, Cause::Failure),
                Live::Running { .. }
                | Live::Queued { .. }
                | Live::WaitingApproval { .. }
                | Live::RollingBack { .. } => Status::Live(then.clone()),
            })
        }
        Fact::CancelRequested { .. } => cancelled(run, then),
        Fact::Noted { .. } => Some(run.status.clone()),
        Fact::RunCreated(_)
        | Fact::PhaseCompleted { .. }
        | Fact::PhaseFailed { .. }
        | Fact::ApprovalRequested { .. }
        | Fact::Approved { .. }
        | Fact::Rejected { .. }
        | Fact::ApprovalVoided { .. }
        | Fact::ApprovalExpired {}
        | Fact::TargetQueued { .. }
        | Fact::TargetAcquired { .. }
        | Fact::EffectAnnounced { .. }
        | Fact::EffectDone { .. }
        | Fact::EffectFailed { .. }
        | Fact::Slept { .. }
        | Fact::Woken {}
        | Fact::Paused { .. }
        | Fact::Unpaused {}
        | Fact::RollbackRequested { .. }
        | Fact::RollbackCompleted { .. }
        | Fact::OperatorNeeded { .. }
        | Fact::RunSealed { .. }
        | Fact::RunCompacted(_) => None,
    }
}

pub(super) fn finished(run: &mut Run, outcome: Outcome, event: &Event) -> Option<Status> {
    match &event.fact {
        Fact::RunSealed { events } if !run.sealed && events + 1 == run.seq => {
            run.sealed = true;
            Some(Status::Finished { outcome })
        }
        Fact::RunCompacted(compacted) if run.sealed && run.compacted.is_none() => {
            let revisions = compacted.outcomes.len() == run.revision as usize;
            let ended = revisions && compacted.outcomes.last() == Some(&outcome);
            ended.then(|| compact(run, compacted))?
        }
        Fact::RollbackRequested { .. }
            if outcome == Outcome::Kept && run.sealed && run.compacted.is_none() =>
        {
            run.sealed = false;
            run.outcome = None;
            run.finished_at = None;
            run.revision += 1;
            Some(Status::Live(Live::RollingBack { cause: Cause::Operator }))
        }
        Fact::RunCreated(_)
        | Fact::RunResumed { .. }
        | Fact::PhaseCompleted { .. }
        | Fact::PhaseFailed { .. }
        | Fact::ApprovalRequested { .. }
        | Fact::Approved { .. }
        | Fact::Rejected { .. }
        | Fact::ApprovalVoided { .. }
        | Fact::ApprovalExpired {}
        | Fact::TargetQueued { .. }
        | Fact::TargetAcquired { .. }
        | Fact::EffectAnnounced { .. }
        | Fact::EffectDone { .. }
        | Fact::EffectFailed { .. }
        | Fact::Slept { .. }
        | Fact::Woken {}
        | Fact::Paused { .. }
        | Fact::Unpaused {}
        | Fact::CancelRequested { .. }
        | Fact::RollbackRequested { .. }
        | Fact::RollbackCompleted { .. }
        | Fact::OperatorNeeded { .. }
        | Fact::OperatorResolved { .. }
        | Fact::Noted { .. }
        | Fact::RunSealed { .. }
        | Fact::RunCompacted(_) => None,
    }
}
