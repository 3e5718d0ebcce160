//! Past-tense facts, and their stored form. An event's bytes, once stored, never change.

use super::{
    gate::{ApprovalPolicy, Binding, Decision, Gate},
    phase::{Effect, Phase},
    time::Timestamp,
};
use crate::{digest::Digest, error::Class};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// The version of the stored form that this engine writes.
pub const VERSION: u32 = 1;

/// One event as it is stored: an envelope around a fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Version of the stored form.
    pub v: u32,
    pub run: Uuid,
    /// Place in the run, from 1, without gaps.
    pub seq: u64,
    pub at: Timestamp,
    /// Who brought it about: a person, or `kaizen` for the engine itself.
    pub actor: String,
    #[serde(flatten)]
    pub fact: Fact,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum Fact {
    RunCreated(Box<Created>),
    /// Somebody began to drive it again: after a wait, or after a crash of the one named.
    RunResumed {
        after_crash_of: Option<String>,
    },
    PhaseCompleted {
        phase: Phase,
        attempt: u32,
        spent_ms: u64,
        output: Payload,
        facts: Facts,
    },
    PhaseFailed {
        phase: Phase,
        attempt: u32,
        spent_ms: u64,
        failure: Failure,
        /// When the next attempt begins; null: there is none.
        retry_at: Option<Timestamp>,
    },
    ApprovalRequested {
        gate: Gate,
    },
    Approved {
        decision: Decision,
    },
    Rejected {
        decision: Decision,
    },
    /// What was approved is no longer what would be deployed; the gate is asked anew.
    ApprovalVoided {
        changed: Vec<String>,
    },
    ApprovalExpired {},
    TargetQueued {
        target: String,
        behind: Option<i64>,
    },
    TargetAcquired {
        target: String,
        epoch: u64,
    },
    EffectAnnounced {
        effect: Effect,
        plan: Value,
    },
    EffectDone {
        effect: Effect,
        how: How,
        receipt: Value,
    },
    /// It is known not to have happened, and will not be tried again.
    EffectFailed {
        effect: Effect,
        failure: Failure,
    },
    Slept {
        until: Timestamp,
        why: String,
    },
    Woken {},
    Paused {
        reason: String,
    },
    Unpaused {},
    CancelRequested {
        reason: String,
    },
    RollbackRequested {
        reason: String,
    },
    RollbackCompleted {
        report: Value,
    },
    OperatorNeeded {
        effect: Option<Effect>,
        failure: Failure,
        look_at: Vec<String>,
    },
    OperatorResolved {
        effect: Effect,
        done: bool,
        reason: String,
    },
    /// Something worth keeping that changes nothing: a refused proposal, say.
    Noted {
        topic: String,
        body: Payload,
    },
    /// The run's events up to here are final until it is reopened.
    RunSealed {
        events: u64,
    },
}

/// What a run was created with. Pinned for its whole life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Created {
    /// The short number: `r42`.
    pub number: i64,
    pub workflow: String,
    /// Where the definition was read from, relative to the project.
    pub workflow_path: String,
    /// Digest of the definition's bytes; the bytes are an artifact.
    pub definition: Digest,
    /// Digest of `kaizen.toml` as it was.
    pub policy: Digest,
    /// The version of the engine's behaviour that the run keeps to its end.
    pub engine: u32,
    pub kaizen: String,
    pub dry_run: bool,
    /// Key of what is changed (database and branch): the name of the target's lease.
    pub target: String,
    /// The earlier run whose change set this one takes over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_run: Option<i64>,
    /// A change handed in by a person: the artifact's digest and the file's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<HandedIn>,
    pub started_by: String,
    pub approval: ApprovalPolicy,
    /// The approval given with `start --approve`: the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_approved: Option<Decision>,
    /// Limit on Kaizen's own computing, milliseconds.
    pub budget_ms: u64,
    pub max_attempts: u32,
}

/// A change file that a person handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedIn {
    pub name: String,
    pub digest: Digest,
}

/// A phase's output: in the event where it is small, by digest where it is large.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    Inline(Value),
    Artifact(Digest),
}

/// What the state machine itself must know of a phase's output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Facts {
    /// Nothing that changes the road.
    Plain,
    /// There is nothing to change; the reason.
    NoChange(String),
    Generated(Box<Generated>),
    Judged(Judged),
    Learned(Vec<ModelVersion>),
}

/// What Generate tells the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Generated {
    pub title: String,
    pub kind: String,
    pub risk: String,
    pub digest: Digest,
    /// What Deploy will do, in order.
    pub effects: Vec<Effect>,
    /// Why a human must decide, whatever policy says.
    pub needs_human: Vec<String>,
    /// Whether the preflight's verdict was that it helps.
    pub preflight_improved: bool,
    /// Probability of success, 0 to 1, with what the preflight measured.
    pub probability: f64,
    pub binding: Binding,
}

/// What Evaluate tells the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    pub keep: bool,
    pub reasons: Vec<String>,
}

/// A new version of a predictor or of the weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelVersion {
    pub name: String,
    pub digest: Digest,
    pub promoted: bool,
}

/// How an effect came to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    Performed,
    /// A probe found it done: the process that did it did not live to say so.
    Adopted,
    /// A person said so.
    Operator,
}

/// Why something did not work: words for programs and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    pub code: String,
    pub message: String,
    pub class: Class,
}

impl Fact {
    /// Its word: the `kind` of the stored form.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Fact::RunCreated(_) => "run_created",
            Fact::RunResumed { .. } => "run_resumed",
            Fact::PhaseCompleted { .. } => "phase_completed",
            Fact::PhaseFailed { .. } => "phase_failed",
            Fact::ApprovalRequested { .. } => "approval_requested",
            Fact::Approved { .. } => "approved",
            Fact::Rejected { .. } => "rejected",
            Fact::ApprovalVoided { .. } => "approval_voided",
            Fact::ApprovalExpired {} => "approval_expired",
            Fact::TargetQueued { .. } => "target_queued",
            Fact::TargetAcquired { .. } => "target_acquired",
            Fact::EffectAnnounced { .. } => "effect_announced",
            Fact::EffectDone { .. } => "effect_done",
            Fact::EffectFailed { .. } => "effect_failed",
            Fact::Slept { .. } => "slept",
            Fact::Woken {} => "woken",
            Fact::Paused { .. } => "paused",
            Fact::Unpaused {} => "unpaused",
            Fact::CancelRequested { .. } => "cancel_requested",
            Fact::RollbackRequested { .. } => "rollback_requested",
            Fact::RollbackCompleted { .. } => "rollback_completed",
            Fact::OperatorNeeded { .. } => "operator_needed",
            Fact::OperatorResolved { .. } => "operator_resolved",
            Fact::Noted { .. } => "noted",
            Fact::RunSealed { .. } => "run_sealed",
        }
    }

    /// The phase it speaks of, where it speaks of one.
    #[must_use]
    pub fn phase(&self) -> Option<Phase> {
        if let Fact::PhaseCompleted { phase, .. } | Fact::PhaseFailed { phase, .. } = self {
            return Some(*phase);
        }
        None
    }
}

/// Stored bytes that are no event of a version this engine knows.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("the event is of version {0}; this engine reads up to version {VERSION}")]
    UnknownVersion(u32),
    #[error("the stored bytes are no event: {0}")]
    Malformed(#[from] serde_json::Error),
}

impl Event {
    /// The bytes to store.
    ///
    /// # Errors
    /// Where the fact holds what JSON cannot say (a non-finite number, in a payload).
    pub fn encode(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// An unknown version, or bytes that are no event.
    pub fn decode(stored: &str) -> Result<Event, DecodeError> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let Version { v } = serde_json::from_str(stored)?;
        if v != VERSION {
            return Err(DecodeError::UnknownVersion(v));
        }
        Ok(serde_json::from_str(stored)?)
    }
}
