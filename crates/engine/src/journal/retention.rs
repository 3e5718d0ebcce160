//! What retention may take out of a run that has ended, and what it must leave.

use super::{
    event::{Fact, Facts, Failure, Payload},
    phase::{Outcome, Phase},
    time::Timestamp,
};
use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What retention took out of a sealed run, and what its events no longer say by themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compacted {
    /// Places in the run of the events whose bodies are gone; their hashes stay.
    pub pruned: Vec<u64>,
    /// How each revision ended, in order.
    pub outcomes: Vec<Outcome>,
    pub finished_at: Timestamp,
    pub spent_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Whether the body of this event may go: what was looked at, thought and measured. Who decided,
/// what was done to the world, what came out and what was learnt stays.
#[must_use]
pub const fn is_prunable(fact: &Fact) -> bool {
    match fact {
        Fact::PhaseCompleted { phase, .. } => match phase {
            Phase::Analyze | Phase::Design | Phase::Generate | Phase::Deploy | Phase::Evaluate => {
                true
            }
            Phase::UpdateWeights | Phase::RecordProvenance => false,
        },
        Fact::PhaseFailed { .. } | Fact::Noted { .. } => true,
        Fact::RunCreated(_)
        | Fact::RunResumed { .. }
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
        | Fact::RunSealed { .. }
        | Fact::RunCompacted(_) => false,
    }
}

/// Adds the artifacts that this fact names.
pub fn artifacts(fact: &Fact, into: &mut BTreeSet<Digest>) {
    match fact {
        Fact::RunCreated(created) => {
            into.extend([created.definition, created.policy]);
            into.extend(created.change.as_ref().map(|change| change.digest));
            into.extend(created.export.as_ref().map(|export| export.digest));
        }
        Fact::PhaseCompleted { output, facts, .. } => {
            if let Payload::Artifact(digest) = output {
                into.insert(*digest);
            }
            if let Facts::Learned(models) = facts {
                into.extend(models.iter().map(|model| model.digest));
            }
        }
        Fact::Noted { body: Payload::Artifact(digest), .. } => {
            into.insert(*digest);
        }
        Fact::Noted { body: Payload::Inline(_), .. }
        | Fact::RunResumed { .. }
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
        | Fact::RunSealed { .. }
        | Fact::RunCompacted(_) => {}
    }
}
