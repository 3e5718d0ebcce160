//! What the engine is measured with: seven phases that do nothing, each of which takes and
//! returns some 300 bytes of JSON that do not compress. Everything else is as in production:
//! both hash chains, triggers, artifacts, the run's and the target's lease, an approval by policy.

#![allow(dead_code, clippy::expect_used, clippy::unwrap_used)]

pub mod meter;

use async_trait::async_trait;
use kaizen_engine::{
    digest::Digest,
    journal::{
        ApprovalPolicy, Binding, Created, Effect, Facts, Phase, Run,
        event::{Generated, HandedIn, Judged},
    },
    shell::{Engine, Store, SystemClock, runner::Observer},
    step::{Context, Effects, Input, Output, Pipeline, Probe, Start, Step, StepError},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{fmt::Write, marker::PhantomData, path::Path, sync::Arc, time::Duration};

/// Told of each phase's body as it runs, and of each run as it is created.
pub trait Log: Send + Sync + 'static {
    fn created(&self, wf: usize);
    fn ran(&self, wf: usize, step: usize);
}

/// Listens to nothing.
pub struct NoLog;

impl Log for NoLog {
    fn created(&self, _: usize) {}
    fn ran(&self, _: usize, _: usize) {}
}

/// About 300 bytes of JSON when written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Body {
    pub wf: usize,
    pub step: usize,
    pub noise: String,
}

impl Body {
    /// The same body for the same place, however often it is made.
    pub fn of(wf: usize, step: usize) -> Body {
        let mut x = (wf as u64 * 31 + step as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut noise = String::with_capacity(256);
        while noise.len() < 256 {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            write!(noise, "{x:016x}").expect("a string takes everything");
        }
        Body { wf, step, noise }
    }
}

/// One output type a phase, so that they are wired by type as the real ones are.
macro_rules! outputs {
    ($($name:ident: $facts:expr),+ $(,)?) => {$(
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Body);

        impl Output for $name {
            const PHASE: Phase = Phase::$name;
            fn facts(&self) -> Facts {
                $facts
            }
        }

        impl From<Body> for $name {
            fn from(body: Body) -> $name {
                $name(body)
            }
        }

        impl Inside for $name {
            fn wf(&self) -> Option<usize> {
                Some(self.0.wf)
            }
        }
    )+};
}

outputs! {
    Analyze: Facts::Plain,
    Design: Facts::Plain,
    Generate: Facts::Generated(Arc::new(generated())),
    Deploy: Facts::Plain,
    Evaluate: Facts::Judged(Judged { keep: true, reasons: Vec::new() }),
    UpdateWeights: Facts::Learned(Vec::new()),
    RecordProvenance: Facts::Plain,
}

/// An input that tells which run it belongs to.
trait Inside {
    fn wf(&self) -> Option<usize>;
}

impl Inside for Start {
    fn wf(&self) -> Option<usize> {
        None
    }
}

impl<T: Inside> Inside for Option<T> {
    fn wf(&self) -> Option<usize> {
        self.as_ref().and_then(Inside::wf)
    }
}

struct Nothing<I, O> {
    log: Arc<dyn Log>,
    pause: Duration,
    types: PhantomData<fn(I) -> O>,
}

#[async_trait]
impl<I, O> Step for Nothing<I, O>
where
    I: Input + Inside + 'static,
    O: Output + From<Body>,
{
    type Input = I;
    type Output = O;

    async fn run(&self, input: I, cx: &Context) -> Result<O, StepError> {
        let wf = number(&cx.run);
        assert!(input.wf().is_none_or(|of| of == wf), "r{wf} was given another run's input");
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
        let step = O::PHASE as usize + 1;
        self.log.ran(wf, step);
        Ok(O::from(Body::of(wf, step)))
    }
}

/// The wiring of seven phases that do nothing for `pause`.
pub fn pipeline(log: &Arc<dyn Log>, pause: Duration) -> Pipeline {
    fn step<I, O>(log: &Arc<dyn Log>, pause: Duration) -> Nothing<I, O> {
        Nothing { log: log.clone(), pause, types: PhantomData }
    }
    Pipeline::new(
        step::<Start, Analyze>(log, pause),
        step::<Analyze, Design>(log, pause),
        step::<Design, Generate>(log, pause),
        step::<Generate, Deploy>(log, pause),
        step::<Deploy, Evaluate>(log, pause),
        step::<Evaluate, UpdateWeights>(log, pause),
        step::<Option<UpdateWeights>, RecordProvenance>(log, pause),
    )
}

/// A change set without effects, which policy may approve by itself.
fn generated() -> Generated {
    Generated {
        title: "nothing".to_owned(),
        kind: "index".to_owned(),
        risk: "low".to_owned(),
        digest: Digest::of(&[b"nothing"]),
        effects: Vec::new(),
        needs_human: Vec::new(),
        preflight_improved: true,
        probability: 1.0,
        binding: Binding([("change_set".to_owned(), Digest::of(&[b"nothing"]).to_string())].into()),
    }
}

/// Run `wf` of the workload, and the artifacts that it names: its definition and policy, as every
/// run keeps them, and its first input, which is handed in.
pub fn created(wf: usize) -> (Created, Vec<Vec<u8>>) {
    let body = serde_json::to_vec(&Body::of(wf, 0)).unwrap();
    let created = Created {
        number: 0,
        workflow: "seven-steps".to_owned(),
        workflow_path: "workflows/seven-steps.toml".to_owned(),
        definition: Digest::of(&[b"definition"]),
        policy: Digest::of(&[b"policy"]),
        engine: kaizen_engine::BEHAVIOUR,
        kaizen: env!("CARGO_PKG_VERSION").to_owned(),
        dry_run: false,
        // A target of its own, so that runs do not wait for each other.
        target: format!("t{wf}"),
        from_run: None,
        change: Some(HandedIn { name: "input".to_owned(), digest: Digest::of(&[&body]) }),
        export: None,
        designer: None,
        started_by: "bench".to_owned(),
        approval: ApprovalPolicy {
            auto_kinds: vec!["index".to_owned()],
            auto_min_probability: 0.5,
            ..ApprovalPolicy::default()
        },
        pre_approved: None,
        budget_ms: 3_600_000,
        max_attempts: 3,
    };
    (created, vec![b"definition".to_vec(), b"policy".to_vec(), body])
}

/// The place of a run in the workload.
pub fn number(run: &Run) -> usize {
    place(&run.created.target)
}

/// The place in the workload of the run that has this target.
pub fn place(target: &str) -> usize {
    target.trim_start_matches('t').parse().expect("a target of this workload")
}

/// An engine over the journal in `dir`.
pub fn engine(dir: &Path, log: Arc<dyn Log>, pause: Duration) -> Engine {
    let journal = dir.join("journal.db");
    let clock = Arc::new(SystemClock);
    let store = Store::open(&journal, clock.clone()).expect("the journal opens");
    Engine {
        store,
        journal: journal.into(),
        pipeline: Arc::new(pipeline(&log, pause)),
        effects: Arc::new(NoEffects),
        clock,
        trail: None,
        observer: Arc::new(Watcher(log)),
        patience: Duration::ZERO,
    }
}

struct Watcher(Arc<dyn Log>);

impl Observer for Watcher {
    fn moved(&self, run: &Run) {
        if run.seq == 1 {
            self.0.created(number(run));
        }
    }
    fn progress(&self, _: &Run, _: &str) {}
}

/// The workload announces no effect, so none of these is ever asked.
struct NoEffects;

fn none() -> StepError {
    StepError::bug("no_effects", "the workload has no effects")
}

#[async_trait]
impl Effects for NoEffects {
    async fn binding(&self, _: &Context) -> Result<Binding, StepError> {
        Err(none())
    }
    async fn plan(&self, _: Effect, _: &Context) -> Result<Value, StepError> {
        Err(none())
    }
    async fn probe(
        &self,
        _: Effect,
        _: &Value,
        _: &Digest,
        _: &Context,
    ) -> Result<Probe, StepError> {
        Err(none())
    }
    async fn perform(
        &self,
        _: Effect,
        _: &Value,
        _: &Digest,
        _: &Context,
    ) -> Result<Value, StepError> {
        Err(none())
    }
    async fn verify_rollback(&self, _: &Context) -> Result<Value, StepError> {
        Err(none())
    }
}
