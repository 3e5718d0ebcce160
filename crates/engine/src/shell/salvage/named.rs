//! Which artifacts an event needs.

use crate::{
    digest::Digest,
    journal::{Fact, Facts, Payload},
};
use std::collections::BTreeSet;

/// Adds the artifacts that this fact names.
pub(super) fn by(fact: &Fact, into: &mut BTreeSet<Digest>) {
    match fact {
        Fact::RunCreated(created) => {
            into.insert(created.definition);
            into.extend(created.change.as_ref().map(|change| change.digest));
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
        | Fact::RunSealed { .. } => {}
    }
}
