//! The road forward: running the phases, waiting for approval, queueing for the target.

use super::moves::*;
use crate::journal::{
    event::{Event, Fact, Facts},
    gate::{Binding, Gate},
    phase::{Outcome, Phase},
    state::{Cause, EffectState, Live, Run, Status},
    time::Timestamp,
};
use std::sync::Arc;

/// Deploy's first state after the gate: another run holds the target.
pub(super) fn queued(
    run: &mut Run,
    target: String,
    behind: Option<i64>,
    event: &Event,
) -> Option<Status> {
    let stay = Live::Queued { target, behind };
    match &event.fact {
        Fact::TargetQueued { target, behind } if *target == run.created.target => {
            Some(Status::Live(Live::Queued { target: target.clone(), behind: *behind }))
        }
        Fact::TargetAcquired { target, epoch } => {
            acquire(run, target, *epoch).then_some(begin(Phase::Deploy))
        }
        Fact::RunResumed { .. } | Fact::Noted { .. } => Some(Status::Live(stay)),
        Fact::Paused { reason } => Some(Status::Paused { reason: reason.clone(), then: stay }),
        Fact::CancelRequested { .. } => Some(heading_for(run, Outcome::Cancelled)),
        Fact::ApprovalVoided { .. } => Some(void(run)),
        Fact::RunCreated(_)
        | Fact::PhaseCompleted { .. }
        | Fact::PhaseFailed { .. }
        | Fact::ApprovalRequested { .. }
        | Fact::Approved { .. }
        | Fact::Rejected { .. }
        | Fact::ApprovalExpired {}
        | Fact::TargetQueued { .. }
        | Fact::EffectAnnounced { .. }
        | Fact::EffectDone { .. }
        | Fact::EffectFailed { .. }
        | Fact::Slept { .. }
        | Fact::Woken {}
        | Fact::Unpaused {}
        | Fact::RollbackRequested { .. }
        | Fact::RollbackCompleted { .. }
        | Fact::OperatorNeeded { .. }
        | Fact::OperatorResolved { .. }
        | Fact::RunSealed { .. }
        | Fact::RunCompacted(_) => None,
    }
}

pub(super) fn running(run: &mut Run, phase: Phase, attempt: u32, event: &Event) -> Option<Status> {
    let stay = Live::Running { phase, attempt };
    match &event.fact {
        // A run that only learns: nothing is looked at, and nothing done to a target.
        Fact::PhaseCompleted {
            phase: Phase::UpdateWeights,
            attempt: 1,
            output,
            facts: Facts::Learned(_),
            ..
        } if phase == Phase::Analyze && run.seq == 2 => {
            run.outputs.insert(Phase::UpdateWeights, output.clone());
            Some(heading_for(run, Outcome::NoChange))
        }
        Fact::PhaseCompleted { phase: done, attempt: nth, output, facts, .. } => {
            if (*done, *nth) != (phase, attempt) || run.unresolved().is_some() {
                return None;
            }
            run.outputs.insert(phase, output.clone());
            completed(run, phase, facts)
        }
        Fact::PhaseFailed { phase: failed, attempt: nth, retry_at, failure, .. } => {
            if (*failed, *nth) != (phase, attempt) || run.unresolved().is_some() {
                return None;
            }
            phase_failed(run, phase, attempt, *retry_at, &failure.message)
        }
        Fact::ApprovalRequested { gate } if phase == Phase::Deploy && run.gate.is_none() => {
            let change = run.change.as_ref()?;
            let repeated = gate.binding == change.binding;
            if run.has_effects() || !(repeated || gate.binding == Binding::default()) {
                return None;
            }
            let gate = if repeated {
                gate.clone()
            } else {
                Arc::new(Gate { binding: change.binding.clone(), ..Gate::clone(gate) })
            };
            run.gate = Some(gate.clone());
            Some(Status::Live(Live::WaitingApproval { gate, approvals: Vec::new() }))
        }
        Fact::ApprovalVoided { .. } if may_deploy(run, phase) && !run.has_effects() => {
            Some(void(run))
        }
        Fact::TargetQueued { target, behind } if may_deploy(run, phase) => {
            let waits = run.target_epoch.is_none() && *target == run.created.target;
            let (target, behind) = (target.clone(), *behind);
            waits.then_some(Status::Live(Live::Queued { target, behind }))
        }
        Fact::TargetAcquired { target, epoch } if may_deploy(run, phase) => {
            acquire(run, target, *epoch).then_some(Status::Live(stay))
        }
        Fact::EffectAnnounced { effect, plan } => {
            let due = may_deploy(run, phase) && run.next_planned() == Some(*effect);
            (due && announce(run, *effect, plan, event)).then_some(Status::Live(stay))
        }
        Fact::EffectDone { effect, how, receipt } => {
            settle(run, *effect, *how, receipt, event).then_some(Status::Live(stay))
        }
        Fact::EffectFailed { effect, failure } if may_deploy(run, phase) => {
            // Either it was announced and a probe found it not done, or planning it failed.
            let next = run.target_epoch.is_some() && run.next_planned() == Some(*effect);
            if run.unresolved().map_or(!next, |announced| announced != *effect) {
                return None;
            }
            run.effects.insert(*effect, EffectState::Failed { failure: failure.clone() });
            Some(gone_wrong(run, Cause::Failure))
        }
        Fact::Slept { until, why } => {
            Some(Status::Sleeping { until: *until, why: why.clone(), then: stay })
        }
        // The last phase only writes down what is decided: holding it up would serve nobody.
        Fact::Paused { reason } if phase < Phase::RecordProvenance => {
            Some(Status::Paused { reason: reason.clone(), then: stay })
        }
        Fact::CancelRequested { .. } => cancelled(run, &stay),
        Fact::OperatorNeeded { effect, failure, look_at } => {
            // About an effect that nobody can tell of, a deployment that something stands in the
            // way of before it has begun, or a decided run that cannot be recorded.
            let not_begun = may_deploy(run, phase) && !run.has_effects();
            let asks = match effect {
                Some(effect) => run.unresolved() == Some(*effect),
                None => not_begun || phase >= Phase::UpdateWeights,
            };
            if asks && not_begun {
                // Others need not wait for a person's doing.
                run.target_epoch = None;
            }
            asks.then(|| Status::NeedsOperator {
                effect: *effect,
                failure: failure.clone(),
                look_at: look_at.clone(),
                then: stay,
            })
        }
        Fact::RunResumed { .. } | Fact::Noted { .. } => Some(Status::Live(stay)),
        Fact::RunCreated(_)
        | Fact::ApprovalRequested { .. }
        | Fact::Approved { .. }
        | Fact::Rejected { .. }
        | Fact::ApprovalVoided { .. }
        | Fact::ApprovalExpired {}
        | Fact::TargetQueued { .. }
        | Fact::TargetAcquired { .. }
        | Fact::EffectFailed { .. }
        | Fact::Woken {}
        | Fact::Paused { .. }
        | Fact::Unpaused {}
        | Fact::RollbackRequested { .. }
        | Fact::RollbackCompleted { .. }
        | Fact::OperatorResolved { .. }
        | Fact::RunSealed { .. }
        | Fact::RunCompacted(_) => None,
    }
}

/// A failed phase is tried again, or the road ends. What has been decided is not undone because
/// writing it down failed: from Update weights on, a failure that stays is a person's.
pub(super) fn phase_failed(
    run: &mut Run,
    phase: Phase,
    attempt: u32,
    retry_at: Option<Timestamp>,
    why: &str,
) -> Option<Status> {
    match retry_at {
        Some(until) if attempt < run.created.max_attempts => Some(Status::Sleeping {
            until,
            why: why.to_owned(),
            then: Live::Running { phase, attempt: attempt + 1 },
        }),
        None if phase < Phase::UpdateWeights => Some(gone_wrong(run, Cause::Failure)),
        Some(_) | None => None,
    }
}

/// Where the road goes after a phase.
pub(super) fn completed(run: &mut Run, phase: Phase, facts: &Facts) -> Option<Status> {
    match (phase, facts) {
        (Phase::Analyze, Facts::Plain) => Some(begin(Phase::Design)),
        (Phase::Design, Facts::Plain) => Some(begin(Phase::Generate)),
        (Phase::Analyze | Phase::Design, Facts::NoChange(_)) => {
            Some(heading_for(run, Outcome::NoChange))
        }
        (Phase::Generate, Facts::Generated(change)) => {
            // Only what can be undone, each once, in the order of `Effect`.
            let ordered = change.effects.windows(2).all(|pair| pair[0] < pair[1]);
            if !ordered || change.effects.iter().any(|effect| effect.undone_by().is_none()) {
                return None;
            }
            run.change = Some(change.clone());
            Some(if run.created.dry_run {
                heading_for(run, Outcome::DryRun)
            } else {
                begin(Phase::Deploy)
            })
        }
        (Phase::Deploy, Facts::Plain) => {
            let deployed = may_deploy(run, phase) && run.target_epoch.is_some();
            (deployed && run.next_planned().is_none()).then_some(begin(Phase::Evaluate))
        }
        (Phase::Evaluate, Facts::Judged(judged)) => {
            run.judged = Some(judged.clone());
            Some(if judged.keep {
                run.outcome = Some(Outcome::Kept);
                begin(Phase::UpdateWeights)
            } else {
                Status::Live(Live::RollingBack { cause: Cause::Verdict })
            })
        }
        (Phase::UpdateWeights, Facts::Learned(_)) => Some(begin(Phase::RecordProvenance)),
        (Phase::RecordProvenance, Facts::Plain) => {
            // The invariant: an end other than kept leaves nothing standing.
            let outcome = run.outcome?;
            let stands = run.unresolved().is_some() || !run.standing_effects().is_empty();
            (outcome == Outcome::Kept || !stands).then_some(Status::Finished { outcome })
        }
        (
            Phase::Analyze
            | Phase::Design
            | Phase::Generate
            | Phase::Deploy
            | Phase::Evaluate
            | Phase::UpdateWeights
            | Phase::RecordProvenance,
            Facts::Plain
            | Facts::NoChange(_)
            | Facts::Generated(_)
            | Facts::Judged(_)
            | Facts::Learned(_),
        ) => None,
    }
}

pub(super) fn waiting(run: &mut Run, stay: Live, event: &Event) -> Option<Status> {
    let Live::WaitingApproval { gate, mut approvals } = stay.clone() else { return None };
    match &event.fact {
        Fact::Approved { decision } => {
            let late = event.at > gate.expires_at;
            let other = decision.digest != gate.binding.digest();
            if late || other || has_decided(&approvals, decision) {
                return None;
            }
            approvals.push(decision.clone());
            let enough = approvals.len() >= run.created.approval.quorum as usize;
            Some(if enough {
                begin(Phase::Deploy)
            } else {
                Status::Live(Live::WaitingApproval { gate, approvals })
            })
        }
        Fact::Rejected { decision } if decision.digest == gate.binding.digest() => {
            Some(heading_for(run, Outcome::Rejected))
        }
        Fact::ApprovalExpired {} if event.at > gate.expires_at => {
            Some(heading_for(run, Outcome::Expired))
        }
        Fact::ApprovalVoided { .. } => Some(void(run)),
        Fact::Paused { reason } => Some(Status::Paused { reason: reason.clone(), then: stay }),
        Fact::CancelRequested { .. } => Some(heading_for(run, Outcome::Cancelled)),
        Fact::RunResumed { .. } | Fact::Noted { .. } => Some(Status::Live(stay)),
        Fact::RunCreated(_)
        | Fact::PhaseCompleted { .. }
        | Fact::PhaseFailed { .. }
        | Fact::ApprovalRequested { .. }
        | Fact::Rejected { .. }
        | Fact::ApprovalExpired {}
        | Fact::TargetQueued { .. }
        | Fact::TargetAcquired { .. }
        | Fact::EffectAnnounced { .. }
        | Fact::EffectDone { .. }
        | Fact::EffectFailed { .. }
        | Fact::Slept { .. }
        | Fact::Woken {}
        | Fact::Unpaused {}
        | Fact::RollbackRequested { .. }
        | Fact::RollbackCompleted { .. }
        | Fact::OperatorNeeded { .. }
        | Fact::OperatorResolved { .. }
        | Fact::RunSealed { .. }
        | Fact::RunCompacted(_) => None,
    }
}
