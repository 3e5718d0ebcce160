//! Folding a run that retention has taken bodies out of: what is left of it says enough.

use super::{moves, remember};
use crate::{
    digest::Digest,
    journal::{
        event::{Event, Fact},
        phase::{Outcome, Phase},
        retention::Compacted,
        state::{EffectState, Run, Verdict},
    },
};
use std::{collections::BTreeSet, sync::Arc};

/// Steps over an event of which only the hash is left.
pub fn skip(run: &mut Run, hash: Digest) {
    run.seq += 1;
    run.head = hash;
}

/// Takes up an event that is left, between or after such as are gone: what it leaves behind
/// whatever the state, as only the event that ends this says how the run stood. False: it cannot
/// have happened, whatever is gone.
#[must_use]
pub fn remain(run: &mut Run, event: &Event, hash: Digest) -> bool {
    remember(run, event, hash);
    let was_sealed = std::mem::take(&mut run.sealed);
    match &event.fact {
        Fact::RollbackRequested { .. } if was_sealed => {
            run.revision += 1;
            // Each revision has a record of its own.
            run.outputs.clear();
        }
        _ if was_sealed => return false,
        Fact::PhaseCompleted { phase: Phase::RecordProvenance, output, .. } => {
            run.outputs.insert(Phase::RecordProvenance, output.clone());
        }
        Fact::EffectAnnounced { effect, plan } => {
            if run.unresolved().is_some() || effect.undone_by().is_some() && !is_approved(run) {
                return false;
            }
            let (plan, seq, hash, at) = (plan.clone(), run.seq, run.head, event.at);
            run.effects.insert(*effect, EffectState::Announced { plan, seq, hash, at });
        }
        Fact::EffectDone { effect, how, receipt } => {
            return moves::settle(run, *effect, *how, receipt, event);
        }
        Fact::EffectFailed { effect, failure } => {
            run.effects.insert(*effect, EffectState::Failed { failure: failure.clone() });
        }
        Fact::OperatorResolved { effect, done, .. } => moves::resolve(run, *effect, *done, event),
        Fact::RunSealed { events } => {
            run.sealed = events + 1 == run.seq;
            return run.sealed && run.outputs.contains_key(&Phase::RecordProvenance);
        }
        Fact::RollbackRequested { .. } | Fact::RunCreated(_) | Fact::RunCompacted(_) => {
            return false;
        }
        Fact::RunResumed { .. }
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
        | Fact::Noted { .. } => {}
    }
    true
}

/// Whether as many people have approved as the run was created to ask.
fn is_approved(run: &Run) -> bool {
    let approved = run.decisions.iter().filter(|(_, verdict, _)| *verdict == Verdict::Approved);
    let who: BTreeSet<&str> = approved.map(|(_, _, decision)| decision.who.as_str()).collect();
    who.len() >= run.created.approval.quorum as usize
}

/// Takes up the event that says what is gone. False: it is not what is gone, or the run was not
/// sealed just before, or stands otherwise than such an end leaves it.
#[must_use]
pub fn compact_pruned(
    run: &mut Run,
    event: &Event,
    hash: Digest,
    compacted: &Arc<Compacted>,
    gone: &[u64],
) -> bool {
    remember(run, event, hash);
    let (sealed, open) = (run.sealed, run.unresolved().is_some());
    let stands = !run.standing_effects().is_empty();
    let status = moves::compact(run, compacted);
    let fits = compacted.pruned == gone
        && compacted.outcomes.len() == run.revision as usize
        && sealed
        && !open
        && (run.outcome == Some(Outcome::Kept) || !stands);
    match status {
        Some(status) if fits => {
            run.status = status;
            true
        }
        Some(_) | None => false,
    }
}
