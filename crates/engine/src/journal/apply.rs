//! `apply(state, event) -> state | IllegalEvent`: what is true now.
//!
//! One function a state, each naming every event: the compiler asks about each new one.

mod forward;
mod held;
mod moves;
mod pruned;

use forward::{queued, running, waiting};
use held::{finished, needs_operator, paused, rolling_back, sleeping};

pub use pruned::{compact_pruned, remain, skip};

use super::{
    event::{Event, Fact},
    phase::Phase,
    state::{Live, Run, Status, Verdict},
};
use crate::digest::Digest;
use std::collections::BTreeMap;

/// This event cannot happen in this state: the journal was edited, or the engine has a bug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} ({kind}) cannot happen to a run that is {status}")]
pub struct IllegalEvent {
    pub seq: u64,
    pub kind: &'static str,
    pub status: &'static str,
}

/// Folds one event, whose hash is `hash`, into a run; `None` before the first.
///
/// # Errors
/// Where the event cannot happen in that state, or names another run.
pub fn apply(run: Option<Run>, event: &Event, hash: Digest) -> Result<Run, IllegalEvent> {
    let Some(mut run) = run else { return create(event, hash) };
    let illegal =
        IllegalEvent { seq: run.seq + 1, kind: event.fact.kind(), status: run.status.word() };
    if event.run.is_some_and(|id| id != run.id) {
        return Err(illegal);
    }
    remember(&mut run, event, hash);
    let status = match run.status.clone() {
        Status::Live(Live::Queued { target, behind }) => queued(&mut run, target, behind, event),
        Status::Live(Live::Running { phase, attempt }) => running(&mut run, phase, attempt, event),
        Status::Live(Live::WaitingApproval { gate, approvals }) => {
            waiting(&mut run, Live::WaitingApproval { gate, approvals }, event)
        }
        Status::Live(Live::RollingBack { cause }) => rolling_back(&mut run, cause, event),
        Status::Sleeping { then, .. } => sleeping(&mut run, &then, event),
        Status::Paused { then, .. } => paused(&mut run, &then, event),
        Status::NeedsOperator { effect, then, .. } => {
            needs_operator(&mut run, effect, &then, event)
        }
        Status::Finished { outcome } => finished(&mut run, outcome, event),
    };
    run.status = status.ok_or(illegal)?;
    if let Status::Finished { outcome } = run.status {
        run.finished_at = run.finished_at.or(Some(event.at));
        run.outcome = Some(outcome);
        run.target_epoch = None;
    }
    Ok(run)
}

fn create(event: &Event, hash: Digest) -> Result<Run, IllegalEvent> {
    let (Fact::RunCreated(created), Some(id)) = (&event.fact, event.run) else {
        return Err(IllegalEvent { seq: 1, kind: event.fact.kind(), status: "nothing" });
    };
    Ok(Run {
        id,
        created: created.clone(),
        created_at: event.at,
        updated_at: event.at,
        seq: 1,
        head: hash,
        status: Status::Live(Live::Running { phase: Phase::Analyze, attempt: 1 }),
        outcome: None,
        outputs: BTreeMap::new(),
        change: None,
        judged: None,
        decisions: Vec::new(),
        gate: None,
        effects: BTreeMap::new(),
        target_epoch: None,
        spent_ms: 0,
        failure: None,
        revision: 1,
        finished_at: None,
        sealed: false,
        compacted: None,
    })
}

/// What every event leaves behind, whatever the state.
fn remember(run: &mut Run, event: &Event, hash: Digest) {
    run.seq += 1;
    run.head = hash;
    run.updated_at = event.at;
    if let Fact::PhaseCompleted { spent_ms, .. } | Fact::PhaseFailed { spent_ms, .. } = &event.fact
    {
        run.spent_ms = run.spent_ms.saturating_add(*spent_ms);
    }
    if let Fact::PhaseFailed { failure, .. }
    | Fact::EffectFailed { failure, .. }
    | Fact::OperatorNeeded { failure, .. } = &event.fact
    {
        run.failure = Some(failure.clone());
    }
    if let Fact::Approved { decision } = &event.fact {
        run.decisions.push((event.at, Verdict::Approved, decision.clone()));
    }
    if let Fact::Rejected { decision } = &event.fact {
        run.decisions.push((event.at, Verdict::Rejected, decision.clone()));
    }
}
