//! What several states do alike when an event moves them.

use crate::journal::{
    event::{Event, Failure, How},
    gate::Decision,
    phase::{Effect, Outcome, Phase},
    retention::Compacted,
    state::{Cause, EffectState, Live, Run, Status},
};
use serde_json::Value;
use std::sync::Arc;

pub(super) const fn begin(phase: Phase) -> Status {
    Status::Live(Live::Running { phase, attempt: 1 })
}

/// Straight to the history row: nothing was done to the outside world.
pub(super) fn heading_for(run: &mut Run, outcome: Outcome) -> Status {
    run.outcome = Some(outcome);
    run.target_epoch = None;
    begin(Phase::RecordProvenance)
}

/// A failure or a cancel: undo what was done, or end where nothing was.
pub(super) fn gone_wrong(run: &mut Run, cause: Cause) -> Status {
    if run.has_effects() {
        Status::Live(Live::RollingBack { cause })
    } else {
        heading_for(run, cause.outcome())
    }
}

/// A cancel, where the run's end is not decided yet.
pub(super) fn cancelled(run: &mut Run, live: &Live) -> Option<Status> {
    match live {
        Live::Running { phase, .. } if *phase >= Phase::UpdateWeights => None,
        Live::Running { .. } | Live::Queued { .. } | Live::WaitingApproval { .. } => {
            Some(gone_wrong(run, Cause::Cancelled))
        }
        Live::RollingBack { .. } => None,
    }
}

/// Whether a person may hold this up: not a rollback, and not the writing down of the end.
pub(super) const fn may_pause(live: &Live) -> bool {
    match live {
        Live::Running { phase, .. } => !matches!(phase, Phase::RecordProvenance),
        Live::Queued { .. } | Live::WaitingApproval { .. } => true,
        Live::RollingBack { .. } => false,
    }
}

/// In Deploy, past its gate: a running Deploy with a gate is one that was approved.
pub(super) fn may_deploy(run: &Run, phase: Phase) -> bool {
    phase == Phase::Deploy && run.gate.is_some()
}

/// Takes the target's lease: this run's target, once.
pub(super) fn acquire(run: &mut Run, target: &str, epoch: u64) -> bool {
    let free = run.target_epoch.is_none() && target == run.created.target;
    if free {
        run.target_epoch = Some(epoch);
    }
    free
}

/// What was approved is void: the change is made anew on what is there now, and asked about again.
pub(super) fn void(run: &mut Run) -> Status {
    run.gate = None;
    run.target_epoch = None;
    begin(Phase::Generate)
}

/// Retention: what is left of a run is what its remaining events say. `None`: it never ended.
pub(super) fn compact(run: &mut Run, compacted: &Arc<Compacted>) -> Option<Status> {
    let outcome = *compacted.outcomes.last()?;
    run.outputs.retain(|phase, _| *phase == Phase::RecordProvenance);
    run.change = None;
    run.judged = None;
    run.gate = None;
    run.target_epoch = None;
    run.spent_ms = compacted.spent_ms;
    run.failure.clone_from(&compacted.failure);
    run.finished_at = Some(compacted.finished_at);
    run.outcome = Some(outcome);
    run.sealed = true;
    run.compacted = Some(compacted.clone());
    Some(Status::Finished { outcome })
}

pub(super) fn has_decided(approvals: &[Decision], decision: &Decision) -> bool {
    approvals.iter().any(|given| given.who == decision.who)
}

pub(super) fn announce(run: &mut Run, effect: Effect, plan: &Value, event: &Event) -> bool {
    let held = run.target_epoch.is_some();
    if !held || run.effects.contains_key(&effect) || run.unresolved().is_some() {
        return false;
    }
    let (plan, hash, at) = (plan.clone(), run.head, event.at);
    run.effects.insert(effect, EffectState::Announced { plan, seq: run.seq, hash, at });
    true
}

pub(super) fn settle(
    run: &mut Run,
    effect: Effect,
    how: How,
    receipt: &Value,
    event: &Event,
) -> bool {
    let Some(EffectState::Announced { plan, seq, hash, .. }) = run.effects.get(&effect) else {
        return false;
    };
    let (plan, seq, hash, receipt, at) = (plan.clone(), *seq, *hash, receipt.clone(), event.at);
    run.effects.insert(effect, EffectState::Done { plan, seq, hash, how, receipt, at });
    true
}

/// What a person found out about an effect.
pub(super) fn resolve(run: &mut Run, effect: Effect, done: bool, event: &Event) {
    if done {
        let (plan, seq, hash) = match run.effects.get(&effect) {
            Some(
                EffectState::Announced { plan, seq, hash, .. }
                | EffectState::Done { plan, seq, hash, .. },
            ) => (plan.clone(), *seq, *hash),
            Some(EffectState::Failed { .. }) | None => (Value::Null, run.seq, run.head),
        };
        let receipt = serde_json::json!({ "operator": event.actor });
        let (how, at) = (How::Operator, event.at);
        let state = EffectState::Done { plan, seq, hash, how, receipt, at };
        run.effects.insert(effect, state);
    } else if effect.undone_by().is_none() {
        // An undoing that did not happen is prepared and announced anew.
        run.effects.remove(&effect);
    } else {
        let failure = Failure {
            code: "operator_says_not_done".to_owned(),
            message: format!("{} says that {effect} was not done", event.actor),
            class: crate::error::Class::Operator,
        };
        run.effects.insert(effect, EffectState::Failed { failure });
    }
}
