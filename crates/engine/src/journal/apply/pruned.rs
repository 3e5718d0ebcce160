//! Folding a run that retention has taken bodies out of: what is left of it says enough.

use super::{moves, remember};
use crate::{
    digest::Digest,
    journal::{
        event::{Event, Fact},
        phase::Phase,
        retention::Compacted,
        state::{EffectState, Run},
    },
};
use std::sync::Arc;

/// Steps over an event of which only the hash is left.
pub fn skip(run: &mut Run, hash: Digest) {
    run.seq += 1;
    run.head = hash;
}

/// Takes up an event that is left, between or after such as are gone: what it leaves behind
/// whatever the state, as only the event that ends this says how the run stood.
pub fn remain(run: &mut Run, event: &Event, hash: Digest) {
    remember(run, event, hash);
    match &event.fact {
        Fact::PhaseCompleted { phase: Phase::RecordProvenance, output, .. } => {
            run.outputs.insert(Phase::RecordProvenance, output.clone());
        }
        Fact::EffectAnnounced { effect, plan } => {
            let (plan, seq, hash, at) = (plan.clone(), run.seq, run.head, event.at);
            run.effects.insert(*effect, EffectState::Announced { plan, seq, hash, at });
        }
        Fact::EffectDone { effect, how, receipt } => {
            moves::settle(run, *effect, *how, receipt, event);
        }
        Fact::EffectFailed { effect, failure } => {
            run.effects.insert(*effect, EffectState::Failed { failure: failure.clone() });
        }
        Fact::OperatorResolved { effect, done, .. } => moves::resolve(run, *effect, *done, event),
        Fact::RollbackRequested { .. } => run.revision += 1,
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
        | Fact::Slept { .. }
        | Fact::Woken {}
        | Fact::Paused { .. }
        | Fact::Unpaused {}
        | Fact::CancelRequested { .. }
        | Fact::RollbackCompleted { .. }
        | Fact::OperatorNeeded { .. }
        | Fact::Noted { .. }
        | Fact::RunSealed { .. }
        | Fact::RunCompacted(_) => {}
    }
}

/// Takes up the event that says what is gone. False: it is not what is gone, or the run had not
/// ended.
#[must_use]
pub fn compact_pruned(
    run: &mut Run,
    event: &Event,
    hash: Digest,
    compacted: &Arc<Compacted>,
    gone: &[u64],
) -> bool {
    remember(run, event, hash);
    let status = moves::compact(run, compacted);
    let fits = compacted.pruned == gone && compacted.outcomes.len() == run.revision as usize;
    match status {
        Some(status) if fits => {
            run.status = status;
            true
        }
        Some(_) | None => false,
    }
}
