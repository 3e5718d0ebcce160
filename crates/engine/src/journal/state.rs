//! What is true of a run: the fold of its events.

use super::{
    event::{Created, Failure, Generated, How, Judged, Payload},
    gate::{Decision, Gate},
    phase::{Effect, Outcome, Phase},
    retention::Compacted,
    time::Timestamp,
};
use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// A run, folded from its events.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub id: Uuid,
    pub created: Arc<Created>,
    pub created_at: Timestamp,
    /// When its last event happened.
    pub updated_at: Timestamp,
    /// Its last event's place in the run.
    pub seq: u64,
    /// Its last event's hash.
    pub head: Digest,
    pub status: Status,
    /// The end that it is heading for, once that is decided.
    pub outcome: Option<Outcome>,
    /// Each completed phase's output. A run that is rolled back later replaces the last two.
    pub outputs: BTreeMap<Phase, Payload>,
    pub change: Option<Arc<Generated>>,
    pub judged: Option<Judged>,
    /// Every decision given, in order.
    pub decisions: Vec<(Timestamp, Verdict, Decision)>,
    /// The gate last asked.
    pub gate: Option<Arc<Gate>>,
    /// Every effect announced so far.
    pub effects: BTreeMap<Effect, EffectState>,
    /// Whether it holds its target's lease, and that lease's epoch.
    pub target_epoch: Option<u64>,
    /// Kaizen's own computing so far, milliseconds.
    pub spent_ms: u64,
    /// The last thing that went wrong.
    pub failure: Option<Failure>,
    /// How often it has been judged anew: 1, and one more for each time it was reopened.
    pub revision: u32,
    pub finished_at: Option<Timestamp>,
    pub sealed: bool,
    /// What retention took out of it.
    pub compacted: Option<Arc<Compacted>>,
}

/// Approve or reject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Approved,
    Rejected,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Status {
    /// Under way: somebody drives it, or may at once.
    Live(Live),
    /// Nothing to do before a time.
    Sleeping {
        until: Timestamp,
        why: String,
        then: Live,
    },
    /// A person stopped it for now.
    Paused {
        reason: String,
        then: Live,
    },
    /// Only a person can say how it goes on.
    NeedsOperator {
        effect: Option<Effect>,
        failure: Failure,
        look_at: Vec<String>,
        then: Live,
    },
    Finished {
        outcome: Outcome,
    },
}

/// What a run does when nothing holds it up.
#[derive(Debug, Clone, PartialEq)]
pub enum Live {
    /// Another run holds the target's lease.
    Queued {
        target: String,
        behind: Option<i64>,
    },
    Running {
        phase: Phase,
        attempt: u32,
    },
    WaitingApproval {
        gate: Arc<Gate>,
        approvals: Vec<Decision>,
    },
    RollingBack {
        cause: Cause,
    },
}

/// Why a run takes its effects back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Evaluate decided so.
    Verdict,
    /// Something failed after the first effect.
    Failure,
    /// A person cancelled it.
    Cancelled,
    /// A person took back a kept change.
    Operator,
}

impl Cause {
    /// How a run ends that was rolled back for this cause.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Cause::Verdict | Cause::Operator => Outcome::RolledBack,
            Cause::Failure => Outcome::Failed,
            Cause::Cancelled => Outcome::Cancelled,
        }
    }
}

/// How far an effect has come.
#[derive(Debug, Clone, PartialEq)]
pub enum EffectState {
    /// It may or may not have happened: to be probed.
    Announced { plan: Value, seq: u64, hash: Digest, at: Timestamp },
    /// `seq` and `hash` are those of the event that announced it.
    Done { plan: Value, seq: u64, hash: Digest, how: How, receipt: Value, at: Timestamp },
    /// It has not happened and will not.
    Failed { failure: Failure },
}

impl Status {
    /// The word of DESIGN section 3.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Status::Live(live) => live.word(),
            Status::Sleeping { .. } => "sleeping",
            Status::Paused { .. } => "paused",
            Status::NeedsOperator { .. } => "needs_operator",
            Status::Finished { .. } => "finished",
        }
    }

    /// What goes on once nothing holds it up; `None` when finished.
    #[must_use]
    pub const fn live(&self) -> Option<&Live> {
        match self {
            Status::Live(live) => Some(live),
            Status::Sleeping { then, .. }
            | Status::Paused { then, .. }
            | Status::NeedsOperator { then, .. } => Some(then),
            Status::Finished { .. } => None,
        }
    }
}

impl Live {
    const fn word(&self) -> &'static str {
        match self {
            Live::Queued { .. } => "queued",
            Live::Running { .. } => "running",
            Live::WaitingApproval { .. } => "waiting_approval",
            Live::RollingBack { .. } => "rolling_back",
        }
    }
}

impl Run {
    /// The short name: `r42`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("r{}", self.created.number)
    }

    /// The phase that it is in, or that it would go on with.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        match self.status.live() {
            Some(Live::Running { phase, .. }) => Some(*phase),
            Some(Live::Queued { .. } | Live::WaitingApproval { .. }) => Some(Phase::Deploy),
            Some(Live::RollingBack { .. }) | None => None,
        }
    }

    /// The attempt of that phase, from 1.
    #[must_use]
    pub fn attempt(&self) -> Option<u32> {
        match self.status.live() {
            Some(Live::Running { attempt, .. }) => Some(*attempt),
            Some(Live::Queued { .. } | Live::WaitingApproval { .. } | Live::RollingBack { .. })
            | None => None,
        }
    }

    /// Whether this effect was done.
    #[must_use]
    pub fn is_done(&self, effect: Effect) -> bool {
        matches!(self.effects.get(&effect), Some(EffectState::Done { .. }))
    }

    /// Where the event that announced this effect stands in the run.
    #[must_use]
    pub fn announced_at(&self, effect: Effect) -> Option<u64> {
        match self.effects.get(&effect) {
            Some(EffectState::Announced { seq, .. } | EffectState::Done { seq, .. }) => Some(*seq),
            Some(EffectState::Failed { .. }) | None => None,
        }
    }

    /// Deployed effects that nothing has taken back.
    #[must_use]
    pub fn standing_effects(&self) -> Vec<Effect> {
        let deployed = Effect::ALL.iter().copied().filter(|effect| self.is_done(*effect));
        deployed.filter(|e| e.undone_by().is_some_and(|undo| !self.is_done(undo))).collect()
    }

    /// The effect that Deploy does next: the first planned one that is not done yet.
    #[must_use]
    pub fn next_planned(&self) -> Option<Effect> {
        let planned = self.change.as_ref().map_or(&[][..], |change| &change.effects);
        planned.iter().copied().find(|effect| !self.is_done(*effect))
    }

    /// The undoing that comes next. In the order of [`Effect`]: the down script first, whatever
    /// git says afterwards.
    #[must_use]
    pub fn next_undoing(&self) -> Option<Effect> {
        self.standing_effects().into_iter().filter_map(Effect::undone_by).min()
    }

    /// The effect that was announced and is neither done nor known not to be; at most one.
    #[must_use]
    pub fn unresolved(&self) -> Option<Effect> {
        let announced = |state: &EffectState| matches!(state, EffectState::Announced { .. });
        self.effects.iter().find(|(_, state)| announced(state)).map(|(effect, _)| *effect)
    }

    /// Whether an effect has been announced: from here on failure means rolling back.
    #[must_use]
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }
}
