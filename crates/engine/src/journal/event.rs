//! Past-tense facts, and their stored form. An event's bytes, once stored, never change.

use super::{
    gate::{ApprovalPolicy, Binding, Decision, Gate},
    phase::{Effect, Phase},
    retention::Compacted,
    time::Timestamp,
};
use crate::{digest::Digest, error::Class, json::Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{borrow::Cow, sync::Arc};
use uuid::Uuid;

/// The version of the stored form that this engine writes. It reads every one before it.
///
/// 1: each event names its run, its place in it, and its time as text.
/// 2: the chain alone says that: only the first event names the run; the time is a number, and
/// what goes without saying (the engine as actor, a first attempt) is left out.
pub const VERSION: u32 = 2;

/// Room for a usual event, so that it is written without growing.
const USUAL_BYTES: usize = 1_024;

/// Who brings about what no person asked for.
pub const ENGINE: &str = "kaizen";

/// One event: an envelope around a fact. Its place in the run is the chain's to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The run that it begins; the later ones follow it by hash.
    pub run: Option<Uuid>,
    pub at: Timestamp,
    /// Who brought it about: a person, or [`ENGINE`].
    pub actor: String,
    pub fact: Fact,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum Fact {
    RunCreated(Arc<Created>),
    /// Somebody began to drive it again: after a wait, or after a crash of the one named.
    RunResumed {
        after_crash_of: Option<String>,
    },
    PhaseCompleted {
        phase: Phase,
        #[serde(default = "first", skip_serializing_if = "is_first")]
        attempt: u32,
        #[serde(default, skip_serializing_if = "is_zero")]
        spent_ms: u64,
        output: Payload,
        #[serde(default, skip_serializing_if = "Facts::is_plain")]
        facts: Facts,
    },
    PhaseFailed {
        phase: Phase,
        #[serde(default = "first", skip_serializing_if = "is_first")]
        attempt: u32,
        #[serde(default, skip_serializing_if = "is_zero")]
        spent_ms: u64,
        failure: Failure,
        /// When the next attempt begins; null: there is none.
        retry_at: Option<Timestamp>,
    },
    ApprovalRequested {
        gate: Arc<Gate>,
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
    /// Retention: what its phases handed over is gone. The run can never be reopened.
    RunCompacted(Arc<Compacted>),
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
    /// What was seen of the target, handed in as a file instead of looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub export: Option<HandedIn>,
    /// Who designs, where it is another than the definition says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub designer: Option<Designing>,
    pub started_by: String,
    pub approval: ApprovalPolicy,
    /// The approval given with `start --approve`: the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pre_approved: Option<Decision>,
    /// Limit on Kaizen's own computing, milliseconds.
    pub budget_ms: u64,
    pub max_attempts: u32,
}

/// Who designs in a run, said when it was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Designing {
    Rules,
    Model,
    /// The definition's agent.
    Agent,
    /// Another agent: a program and its arguments.
    AgentCommand(Vec<String>),
    /// The answers that a designer gave in an earlier run.
    Replay(i64),
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
    Inline(Json),
    Artifact(Digest),
}

/// What the state machine itself must know of a phase's output.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Facts {
    /// Nothing that changes the road.
    #[default]
    Plain,
    /// There is nothing to change; the reason.
    NoChange(String),
    Generated(Arc<Generated>),
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
            Fact::RunCompacted(_) => "run_compacted",
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
    #[error(
        "the stored bytes are no event: they do not say when it happened, before the year 10000"
    )]
    NoTime,
}

impl Facts {
    fn is_plain(&self) -> bool {
        matches!(self, Facts::Plain)
    }
}

const fn first() -> u32 {
    1
}

// Serde hands these over by reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_first(attempt: &u32) -> bool {
    *attempt == 1
}

#[allow(clippy::trivially_copy_pass_by_ref)]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The envelope of any version; which fields must be there depends on `v`.
#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    v: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<Uuid>,
    /// Version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Timestamp>,
    /// Since version 2: microseconds since 1970-01-01T00:00:00Z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_us: Option<i64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    actor: Option<Cow<'a, str>>,
}

impl Event {
    /// The bytes to store: the envelope's fields, then `kind` and `body`.
    ///
    /// # Errors
    /// Where the fact holds what JSON cannot say (a non-finite number, in a payload).
    pub fn encode(&self) -> Result<String, serde_json::Error> {
        let envelope = Envelope {
            v: VERSION,
            run: self.run,
            at: None,
            at_us: Some(self.at.0),
            actor: (self.actor != ENGINE).then_some(Cow::Borrowed(&*self.actor)),
        };
        let mut stored = Vec::with_capacity(USUAL_BYTES);
        serde_json::to_writer(&mut stored, &envelope)?;
        let joint = stored.len();
        serde_json::to_writer(&mut stored, &self.fact)?;
        // Two objects become one: `}{` is where they meet.
        stored[joint - 1] = b',';
        stored.remove(joint);
        String::from_utf8(stored).map_err(serde::ser::Error::custom)
    }

    /// Reads stored bytes, of this version or an earlier one.
    ///
    /// # Errors
    /// An unknown version, or bytes that are no event.
    pub fn decode(stored: &str) -> Result<Event, DecodeError> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let envelope: Envelope<'_> = match serde_json::from_str(stored) {
            Ok(envelope) => envelope,
            Err(error) => match serde_json::from_str(stored) {
                Ok(Version { v }) if v > VERSION => return Err(DecodeError::UnknownVersion(v)),
                _ => return Err(error.into()),
            },
        };
        let at = match envelope.v {
            1 => envelope.at,
            2 => envelope.at_us.and_then(Timestamp::from_micros),
            v => return Err(DecodeError::UnknownVersion(v)),
        };
        Ok(Event {
            run: envelope.run,
            at: at.ok_or(DecodeError::NoTime)?,
            actor: envelope.actor.map_or_else(|| ENGINE.to_owned(), Cow::into_owned),
            // The fact stands in the same object; each reading skips what is the other's.
            fact: serde_json::from_str(stored)?,
        })
    }
}
