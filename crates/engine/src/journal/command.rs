//! What somebody wants of a run, and why it may not be.

use super::{
    apply::IllegalEvent,
    event::{Facts, Failure, How, ModelVersion, Payload},
    gate::{Binding, Decision},
    phase::{Effect, Outcome, Phase},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What somebody wants of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    // What a driver says.
    Complete {
        phase: Phase,
        attempt: u32,
        spent_ms: u64,
        output: Payload,
        facts: Facts,
    },
    Fail {
        phase: Phase,
        attempt: u32,
        spent_ms: u64,
        failure: Failure,
        retry_after_ms: u64,
    },
    /// A run that only learns: what its first and only phase of work made.
    Learn {
        output: Payload,
        models: Vec<ModelVersion>,
    },
    AskApproval,
    Queue {
        target: String,
        behind: Option<i64>,
    },
    Hold {
        target: String,
        epoch: u64,
    },
    /// `now` is what the approval would bind to as the target is at this moment.
    Announce {
        effect: Effect,
        plan: Value,
        now: Option<Binding>,
    },
    Settled {
        effect: Effect,
        how: How,
        receipt: Value,
    },
    NotDone {
        effect: Effect,
        failure: Failure,
    },
    Sleep {
        until: Timestamp,
        why: String,
    },
    Wake,
    Expire,
    AskOperator {
        effect: Option<Effect>,
        failure: Failure,
        look_at: Vec<String>,
    },
    RolledBack {
        report: Value,
    },
    Note {
        topic: String,
        body: Payload,
    },
    Resume {
        after_crash_of: Option<String>,
    },
    // What a person says.
    Approve {
        decision: Decision,
    },
    Reject {
        decision: Decision,
    },
    Pause {
        reason: String,
    },
    Unpause,
    Cancel {
        reason: String,
    },
    /// `later`: kept runs after this one that depend on the same tables or paths.
    Rollback {
        reason: String,
        later: Vec<String>,
    },
    Resolve {
        effect: Effect,
        done: bool,
        reason: String,
    },
    /// Retention: the events at these places of the run lose their bodies. `outcomes`: how each
    /// revision ended.
    Compact {
        pruned: Vec<u64>,
        outcomes: Vec<Outcome>,
    },
}

/// Why a command may not happen now. The run is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{run} is {status}: {command} needs {needs}")]
    WrongState { run: String, status: String, command: &'static str, needs: &'static str },
    #[error("{run} has ended as {outcome}; {command} changes nothing any more")]
    AlreadyFinished { run: String, outcome: Outcome, command: &'static str },
    #[error("{run} was already approved by {who}")]
    AlreadyApproved { run: String, who: String },
    #[error("{who} is not one of the approvers of {run}: {}", approvers.join(", "))]
    NotAnApprover { run: String, who: String, approvers: Vec<String> },
    #[error("{who} started {run} and may not approve it: the workflow separates these duties")]
    OwnRun { run: String, who: String },
    #[error("a name given with --as is not verified, and {run} asks for {asks}")]
    Unverified { run: String, asks: &'static str },
    #[error("the digest {given} is not what {run} asks about now ({current})")]
    DigestChanged { run: String, given: String, current: String },
    #[error("the request for approval of {run} expired at {at}")]
    Expired { run: String, at: Timestamp },
    #[error("a reason is needed, so that the trail can say why")]
    NoReason,
    #[error("{rating} is no rating: a change is rated from 1 (poor) to 5 (excellent)")]
    BadRating { rating: u8 },
    #[error("{run} is rolling back, which nothing interrupts")]
    RollingBack { run: String },
    #[error("later kept changes depend on {run}: roll back {} first", later.join(", then "))]
    LaterRuns { run: String, later: Vec<String> },
    #[error("{run} has nothing to resolve for {effect}: it is {state}")]
    NothingToResolve { run: String, effect: Effect, state: &'static str },
    #[error("{run} was compacted: what its phases handed over is gone, and with it the way back")]
    Compacted { run: String },
    #[error("{run} has moved on; this is no longer what it waits for")]
    Stale { run: String },
    /// A driver said what does not fit: a bug of the engine or of a step.
    #[error("{run}: {source}")]
    Illegal { run: String, source: IllegalEvent },
}

impl Refusal {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Refusal::WrongState { .. } => "wrong_state",
            Refusal::AlreadyFinished { .. } => "already_finished",
            Refusal::AlreadyApproved { .. } => "already_approved",
            Refusal::NotAnApprover { .. } => "not_an_approver",
            Refusal::OwnRun { .. } => "separation_of_duties",
            Refusal::Unverified { .. } => "unverified",
            Refusal::DigestChanged { .. } => "digest_changed",
            Refusal::Expired { .. } => "expired",
            Refusal::NoReason => "no_reason",
            Refusal::BadRating { .. } => "bad_rating",
            Refusal::RollingBack { .. } => "rolling_back",
            Refusal::LaterRuns { .. } => "later_runs",
            Refusal::NothingToResolve { .. } => "nothing_to_resolve",
            Refusal::Compacted { .. } => "compacted",
            Refusal::Stale { .. } => "stale",
            Refusal::Illegal { .. } => "illegal_event",
        }
    }
}
