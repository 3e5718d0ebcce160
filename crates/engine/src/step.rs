//! The engine's seam: typed phases, and effects with a probe.
//!
//! What a phase does is somebody else's matter. Phases are wired by type: a pipeline whose
//! phases do not fit does not compile.
//!
//! ```compile_fail
//! # use kaizen_engine::step::*;
//! fn wrong<A, D, G, P, E, U, R>(a: A, d: D, g: G, p: P, e: E, u: U, r: R) -> Pipeline
//! where
//!     A: Step<Input = Start> + 'static, D: Step + 'static, G: Step + 'static,
//!     P: Step + 'static, E: Step + 'static, U: Step + 'static, R: Step + 'static,
//! {
//!     Pipeline::new(a, d, g, p, e, u, r) // D need not take what A makes
//! }
//! ```

use crate::{
    digest::Digest,
    error::{Class, Classified},
    journal::{
        Binding, Effect, EffectState, Facts, Payload, Phase, Run, Timestamp, event::Failure,
    },
    json::Json,
    shell::{Error, Reader},
};
use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Outputs up to this many bytes of JSON stand in the event itself.
const INLINE_BYTES: usize = 1_024;

/// A phase's output: its checkpoint.
pub trait Output: Serialize + DeserializeOwned + Send + 'static {
    /// The phase that makes it.
    const PHASE: Phase;

    /// What the state machine must know of it.
    fn facts(&self) -> Facts;
}

/// A phase's input: an earlier output, or nothing for the first.
pub trait Input: Sized + Send {
    /// Reads it from the run's checkpoints.
    ///
    /// # Errors
    /// Where the checkpoint is missing or of another shape.
    fn read(cx: &Context) -> Result<Self, StepError>;
}

/// The first phase's input: the target, which the steps know.
#[derive(Debug, Clone, Copy)]
pub struct Start;

impl Input for Start {
    fn read(_cx: &Context) -> Result<Start, StepError> {
        Ok(Start)
    }
}

impl<T: Output> Input for T {
    fn read(cx: &Context) -> Result<T, StepError> {
        cx.output::<T>()?.ok_or_else(|| {
            StepError::bug("missing_checkpoint", format!("{} has no checkpoint", T::PHASE))
        })
    }
}

impl<T: Output> Input for Option<T> {
    fn read(cx: &Context) -> Result<Option<T>, StepError> {
        cx.output::<T>()
    }
}

/// One of the seven phases.
#[async_trait]
pub trait Step: Send + Sync {
    type Input: Input;
    type Output: Output;

    /// Does the phase's work. It may be run again after a crash: effects on the outside world
    /// belong into [`Effects`]. A phase that must wait answers [`StepError::wait`] and is run anew.
    async fn run(&self, input: Self::Input, cx: &Context) -> Result<Self::Output, StepError>;
}

/// What a probe of the outside world found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    Done(Value),
    NotDone,
    /// It was begun and not finished. Going on it is performed to its end; going back it counts as done
    /// with this receipt, so that its undoing takes back whatever stands.
    Partly(Value),
    /// The place where one would look cannot be reached now.
    Unreachable(String),
    /// Only a person can tell; what to look at.
    Unknown(String),
}

/// Everything that changes the outside world, each with its probe.
#[async_trait]
pub trait Effects: Send + Sync {
    /// What the approval binds to, as everything is at this moment.
    async fn binding(&self, cx: &Context) -> Result<Binding, StepError>;
    /// Exactly what will be done. Reads only.
    async fn plan(&self, effect: Effect, cx: &Context) -> Result<Value, StepError>;
    /// Whether it has been done. `head` is the hash of the event that announced it.
    async fn probe(
        &self,
        effect: Effect,
        plan: &Value,
        head: &Digest,
        cx: &Context,
    ) -> Result<Probe, StepError>;
    /// Does it, durably, and returns the receipt.
    async fn perform(
        &self,
        effect: Effect,
        plan: &Value,
        head: &Digest,
        cx: &Context,
    ) -> Result<Value, StepError>;
    /// Compares with what was there before, once everything has been taken back.
    async fn verify_rollback(&self, cx: &Context) -> Result<Value, StepError>;
}

/// Why a phase or an effect did not come about.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    pub code: String,
    pub message: String,
    pub class: Class,
    /// For `retry`: when to try again.
    pub retry_after: Duration,
    /// Nothing went wrong: a phase has nothing to do before this time, and then goes on as the same
    /// attempt.
    pub not_before: Option<Timestamp>,
    /// For a person: what to look at, commands to type.
    pub look_at: Vec<String>,
}

impl StepError {
    /// A person must act.
    #[must_use]
    pub fn operator(code: &str, message: impl Into<String>) -> StepError {
        StepError::new(Class::Operator, code, message.into())
    }

    /// The same may work later.
    #[must_use]
    pub fn retry(code: &str, message: impl Into<String>, after: Duration) -> StepError {
        StepError { retry_after: after, ..StepError::new(Class::Retry, code, message.into()) }
    }

    /// A phase waits until a time; what it has noted and kept is stored.
    #[must_use]
    pub fn wait(until: Timestamp, why: impl Into<String>) -> StepError {
        StepError { not_before: Some(until), ..StepError::new(Class::Retry, "waits", why.into()) }
    }

    /// An invariant did not hold.
    #[must_use]
    pub fn bug(code: &str, message: impl Into<String>) -> StepError {
        StepError::new(Class::Bug, code, message.into())
    }

    /// From any error that says who must act.
    #[must_use]
    pub fn of(error: &dyn Classified) -> StepError {
        StepError::new(error.class(), error.code(), error.to_string())
    }

    /// The same with what a person should look at.
    #[must_use]
    pub fn looking_at(self, look_at: Vec<String>) -> StepError {
        StepError { look_at, ..self }
    }

    /// The part that goes into the journal.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let (code, message) = (self.code.clone(), self.message.clone());
        Failure { code, message, class: self.class }
    }

    fn new(class: Class, code: &str, message: String) -> StepError {
        let retry_after = Duration::from_secs(1);
        let code = code.to_owned();
        StepError { code, message, class, retry_after, not_before: None, look_at: Vec::new() }
    }
}

impl From<Error> for StepError {
    fn from(error: Error) -> StepError {
        StepError::of(&error)
    }
}

/// Where progress is told while a phase works.
pub type Report = Arc<dyn Fn(&str) + Send + Sync>;

/// What a phase is given besides its input.
#[derive(Clone)]
pub struct Context {
    pub run: Arc<Run>,
    /// The time of the last transition.
    pub now: Timestamp,
    /// The run lease's epoch: the fence for what leaves this process.
    pub epoch: u64,
    /// When the run's budget of computing is spent; `None`: no budget limits this.
    pub deadline: Option<Instant>,
    journal: Arc<Path>,
    report: Report,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    artifacts: Vec<Vec<u8>>,
    notes: Vec<(String, Value)>,
}

impl Context {
    pub(crate) fn new(
        run: Arc<Run>,
        now: Timestamp,
        epoch: u64,
        deadline: Option<Instant>,
        journal: Arc<Path>,
        report: Report,
    ) -> Context {
        Context { run, now, epoch, deadline, journal, report, kept: Arc::default() }
    }

    /// A connection for reading the journal.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn reader(&self) -> Result<Reader, StepError> {
        Ok(Reader::open(&self.journal)?)
    }

    /// An earlier phase's output, where there is one.
    ///
    /// # Errors
    /// Where it cannot be read back.
    pub fn output<T: Output>(&self) -> Result<Option<T>, StepError> {
        let Some(payload) = self.run.outputs.get(&T::PHASE) else { return Ok(None) };
        Ok(Some(match payload {
            Payload::Inline(json) => json.read().map_err(|e| misshapen(T::PHASE, &e))?,
            Payload::Artifact(_) => self.reader()?.payload(payload)?,
        }))
    }

    /// Tells what is going on, for people who watch.
    pub fn progress(&self, text: &str) {
        (self.report)(text);
    }

    /// The sink of [`Context::progress`], to hand on.
    #[must_use]
    pub fn report(&self) -> Report {
        self.report.clone()
    }

    /// Keeps bytes as an artifact, stored with the phase's outcome. Returns their digest.
    #[must_use]
    pub fn keep(&self, bytes: Vec<u8>) -> Digest {
        let digest = Digest::of(&[&bytes]);
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).artifacts.push(bytes);
        digest
    }

    /// Leaves a note in the trail, stored with the phase's outcome.
    pub fn note(&self, topic: &str, body: Value) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.notes.push((topic.to_owned(), body));
    }

    /// The effect's plan and receipt, once it is done.
    #[must_use]
    pub fn done(&self, effect: Effect) -> Option<(&Value, &Value)> {
        match self.run.effects.get(&effect) {
            Some(EffectState::Done { plan, receipt, .. }) => Some((plan, receipt)),
            Some(EffectState::Announced { .. } | EffectState::Failed { .. }) | None => None,
        }
    }

    pub(crate) fn take_kept(&self) -> (Vec<Vec<u8>>, Vec<(String, Value)>) {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        (kept.artifacts, kept.notes)
    }
}

/// What a phase made, ready for the journal.
pub(crate) struct Produced {
    pub payload: Payload,
    pub facts: Facts,
    pub artifact: Option<Vec<u8>>,
}

#[async_trait]
trait Erased: Send + Sync {
    async fn run(&self, cx: &Context) -> Result<Produced, StepError>;
}

struct Typed<S>(S);

#[async_trait]
impl<S: Step> Erased for Typed<S> {
    async fn run(&self, cx: &Context) -> Result<Produced, StepError> {
        let input = S::Input::read(cx)?;
        let output = self.0.run(input, cx).await?;
        let facts = output.facts();
        let json = Json::of(&output).map_err(|e| misshapen(S::Output::PHASE, &e))?;
        if S::Output::PHASE == Phase::RecordProvenance {
            // The history row is read from the event itself.
            return Ok(Produced { payload: Payload::Inline(json), facts, artifact: None });
        }
        let (payload, artifact) = payload(json);
        Ok(Produced { payload, facts, artifact })
    }
}

/// JSON as it goes into an event: itself where it is small, else the digest of its bytes, which
/// are to be stored as an artifact.
pub(crate) fn payload(json: Json) -> (Payload, Option<Vec<u8>>) {
    let bytes = json.text().as_bytes();
    if bytes.len() <= INLINE_BYTES {
        return (Payload::Inline(json), None);
    }
    (Payload::Artifact(Digest::of(&[bytes])), Some(bytes.to_vec()))
}

/// The seven phases, wired by type.
pub struct Pipeline {
    steps: [Box<dyn Erased>; 7],
}

impl Pipeline {
    /// Wires the seven. Each takes what the one before it makes; the last one also runs where
    /// nothing was learnt.
    pub fn new<A, D, G, P, E, U, R>(
        analyze: A,
        design: D,
        generate: G,
        deploy: P,
        evaluate: E,
        update_weights: U,
        record_provenance: R,
    ) -> Pipeline
    where
        A: Step<Input = Start> + 'static,
        D: Step<Input = A::Output> + 'static,
        G: Step<Input = D::Output> + 'static,
        P: Step<Input = G::Output> + 'static,
        E: Step<Input = P::Output> + 'static,
        U: Step<Input = E::Output> + 'static,
        R: Step<Input = Option<U::Output>> + 'static,
    {
        const {
            assert!(matches!(A::Output::PHASE, Phase::Analyze));
            assert!(matches!(D::Output::PHASE, Phase::Design));
            assert!(matches!(G::Output::PHASE, Phase::Generate));
            assert!(matches!(P::Output::PHASE, Phase::Deploy));
            assert!(matches!(E::Output::PHASE, Phase::Evaluate));
            assert!(matches!(U::Output::PHASE, Phase::UpdateWeights));
            assert!(matches!(R::Output::PHASE, Phase::RecordProvenance));
        }
        Pipeline {
            steps: [
                Box::new(Typed(analyze)),
                Box::new(Typed(design)),
                Box::new(Typed(generate)),
                Box::new(Typed(deploy)),
                Box::new(Typed(evaluate)),
                Box::new(Typed(update_weights)),
                Box::new(Typed(record_provenance)),
            ],
        }
    }

    pub(crate) async fn run(&self, phase: Phase, cx: &Context) -> Result<Produced, StepError> {
        self.steps[phase as usize].run(cx).await
    }
}

fn misshapen(phase: Phase, error: &serde_json::Error) -> StepError {
    StepError::bug("misshapen_output", format!("the output of {phase}: {error}"))
}
