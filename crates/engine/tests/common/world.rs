//! A world in memory: what the phases say is scripted, what the effects did is remembered, and
//! any place in between may be where the process dies.

use super::{Place, binding, created, decision, generated, texts};
use async_trait::async_trait;
use kaizen_engine::{
    digest::Digest,
    journal::{
        Binding, Command, Created, Effect, Facts, Phase, Run,
        event::{Judged, ModelVersion},
    },
    shell::{Engine, Stop, runner::Observer},
    step::{Context, Effects, Output, Pipeline, Probe, Start, Step, StepError},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::{BTreeSet, VecDeque},
    future::Future,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

/// What goes otherwise than well, once.
#[derive(Debug, Clone, PartialEq)]
pub enum Trouble {
    /// The phase fails and may work later.
    Retry(Phase),
    /// The phase fails for good.
    Fail(Phase),
    /// Planning the effect fails for good.
    Plan(Effect),
    /// The phase has nothing to do for ten seconds.
    Waits(Phase),
    /// Doing the effect fails, and it is not done.
    Perform(Effect),
    /// Doing the effect fails in the middle; what stands is found by the probe.
    Partly(Effect),
    /// Doing the effect fails after it was done.
    AfterPerform(Effect),
    /// The effect's place cannot be reached.
    Unreachable(Effect),
    /// Nobody can tell whether it was done.
    Unknown(Effect),
    /// Afterwards it is not as it was before.
    Compare,
}

pub struct State {
    /// Every effect performed, in order.
    pub performed: Vec<Effect>,
    /// What the outside world has.
    pub there: BTreeSet<Effect>,
    /// What it has half of.
    pub begun: BTreeSet<Effect>,
    pub troubles: VecDeque<Trouble>,
    pub keep: bool,
    pub nothing_to_change: bool,
    /// What the branch is at: part of what an approval binds to.
    pub base: String,
    /// Every phase run, in order.
    pub phases: Vec<Phase>,
    /// The process dies when this many places have been passed.
    pub dies_after: Option<usize>,
    pub passed: usize,
}

#[derive(Clone)]
pub struct World(Arc<Mutex<State>>, Arc<tokio::sync::Notify>);

impl World {
    pub fn new() -> World {
        let state = State {
            performed: Vec::new(),
            there: BTreeSet::new(),
            begun: BTreeSet::new(),
            troubles: VecDeque::new(),
            keep: true,
            nothing_to_change: false,
            base: "b0".to_owned(),
            phases: Vec::new(),
            dies_after: None,
            passed: 0,
        };
        World(Arc::new(Mutex::new(state)), Arc::default())
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn with(self, troubles: &[Trouble]) -> World {
        self.state().troubles.extend(troubles.iter().cloned());
        self
    }

    /// Judged as worse.
    pub fn worse(self) -> World {
        self.state().keep = false;
        self
    }

    /// An engine on this world, as a new process would have it.
    pub fn engine(&self, place: &Place) -> Engine {
        Engine {
            store: place.store(),
            journal: place.journal().into(),
            pipeline: Arc::new(self.pipeline()),
            effects: Arc::new(self.clone()),
            clock: place.clock.clone(),
            trail: None,
            observer: Arc::new(Quiet),
            patience: Duration::ZERO,
        }
    }

    /// Drives until it stops, or until the process dies.
    pub async fn until_death<T>(&self, driving: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            stopped = driving => Some(stopped),
            () = self.1.notified() => None,
        }
    }

    /// A place where the process may die.
    async fn place(&self) {
        let dies = {
            let mut state = self.state();
            state.passed += 1;
            state.dies_after == Some(state.passed - 1)
        };
        if dies {
            self.1.notify_one();
            std::future::pending::<()>().await;
        }
    }

    fn meets(&self, trouble: &Trouble) -> bool {
        let mut state = self.state();
        let meets = state.troubles.front() == Some(trouble);
        if meets {
            state.troubles.pop_front();
        }
        meets
    }

    async fn phase(&self, phase: Phase, cx: &Context) -> Result<Facts, StepError> {
        self.place().await;
        self.state().phases.push(phase);
        if self.meets(&Trouble::Waits(phase)) {
            cx.note("waited", json!({ "phase": phase }));
            return Err(StepError::wait(cx.now.plus(Duration::from_secs(10)), "it is too early"));
        }
        if self.meets(&Trouble::Retry(phase)) {
            return Err(StepError::retry("away", "not now", Duration::from_secs(10)));
        }
        if self.meets(&Trouble::Fail(phase)) {
            return Err(StepError::operator("broken", "it does not work"));
        }
        let state = self.state();
        Ok(match phase {
            Phase::Design if state.nothing_to_change => Facts::NoChange("fine".to_owned()),
            Phase::Analyze | Phase::Design | Phase::Deploy | Phase::RecordProvenance => {
                Facts::Plain
            }
            Phase::Generate => Facts::Generated(Arc::new(generated(&state.base))),
            Phase::Evaluate => Facts::Judged(Judged { keep: state.keep, reasons: Vec::new() }),
            // What it learnt is as good as any artifact that is there.
            Phase::UpdateWeights => Facts::Learned(vec![ModelVersion {
                name: "weights".to_owned(),
                digest: Digest::of(&[b"policy"]),
                promoted: true,
            }]),
        })
    }

    fn pipeline(&self) -> Pipeline {
        let world = || self.clone();
        Pipeline::new(
            AnalyzeStep(world()),
            DesignStep(world()),
            GenerateStep(world()),
            DeployStep(world()),
            EvaluateStep(world()),
            LearnStep(world()),
            RecordStep(world()),
        )
    }
}

macro_rules! step {
    ($step:ident, $input:ty, $output:ident, $phase:expr) => {
        #[derive(Serialize, Deserialize)]
        struct $output(Facts);

        impl Output for $output {
            const PHASE: Phase = $phase;

            fn facts(&self) -> Facts {
                self.0.clone()
            }
        }

        struct $step(World);

        #[async_trait]
        impl Step for $step {
            type Input = $input;
            type Output = $output;

            async fn run(&self, _: $input, cx: &Context) -> Result<$output, StepError> {
                Ok($output(self.0.phase($phase, cx).await?))
            }
        }
    };
}

step!(AnalyzeStep, Start, Analysis, Phase::Analyze);
step!(DesignStep, Analysis, Proposal, Phase::Design);
step!(GenerateStep, Proposal, ChangeSet, Phase::Generate);
step!(DeployStep, ChangeSet, Deployment, Phase::Deploy);
step!(EvaluateStep, Deployment, Evaluation, Phase::Evaluate);
step!(LearnStep, Evaluation, Learning, Phase::UpdateWeights);
step!(RecordStep, Option<Learning>, Record, Phase::RecordProvenance);

#[async_trait]
impl Effects for World {
    async fn binding(&self, _: &Context) -> Result<Binding, StepError> {
        self.place().await;
        Ok(binding(&self.state().base))
    }

    async fn plan(&self, effect: Effect, _: &Context) -> Result<Value, StepError> {
        self.place().await;
        if self.meets(&Trouble::Plan(effect)) {
            return Err(StepError::operator("conflict", "it cannot be planned"));
        }
        Ok(json!({ "plan": effect }))
    }

    async fn probe(
        &self,
        effect: Effect,
        plan: &Value,
        head: &Digest,
        _: &Context,
    ) -> Result<Probe, StepError> {
        self.place().await;
        assert_eq!(plan, &json!({ "plan": effect }), "probed with what was announced");
        assert_ne!(*head, Digest::ZERO);
        if self.meets(&Trouble::Unreachable(effect)) {
            return Ok(Probe::Unreachable("the network is down".to_owned()));
        }
        if self.meets(&Trouble::Unknown(effect)) {
            return Ok(Probe::Unknown("git log".to_owned()));
        }
        if self.state().begun.contains(&effect) {
            return Ok(Probe::Partly(json!({ "half": effect })));
        }
        let there = self.state().there.contains(&effect);
        Ok(if there { Probe::Done(json!({ "found": effect })) } else { Probe::NotDone })
    }

    async fn perform(
        &self,
        effect: Effect,
        _: &Value,
        _: &Digest,
        _: &Context,
    ) -> Result<Value, StepError> {
        self.place().await;
        if self.meets(&Trouble::Perform(effect)) {
            return Err(StepError::operator("refused", "the other side refused"));
        }
        if self.meets(&Trouble::Partly(effect)) {
            self.state().begun.insert(effect);
            self.place().await;
            return Err(StepError::operator("halfway", "the other side gave up halfway"));
        }
        {
            let mut state = self.state();
            state.begun.remove(&effect);
            state.performed.push(effect);
            state.there.insert(effect);
        }
        self.place().await;
        if self.meets(&Trouble::AfterPerform(effect)) {
            return Err(StepError::operator("lost", "the answer was lost"));
        }
        Ok(json!({ "did": effect }))
    }

    async fn verify_rollback(&self, _: &Context) -> Result<Value, StepError> {
        self.place().await;
        if self.meets(&Trouble::Compare) {
            return Err(StepError::operator("schema_differs", "an index is left"));
        }
        Ok(Value::Null)
    }
}

struct Quiet;

impl Observer for Quiet {
    fn moved(&self, _: &Run) {}
    fn progress(&self, _: &Run, _: &str) {}
}

/// Starts a run that may deploy without asking anybody again.
pub async fn start_approved(engine: &Engine) -> Stop {
    engine.start(pre_approved(), "ada", texts()).await.unwrap()
}

pub fn pre_approved() -> Created {
    Created { pre_approved: Some(decision("ada", "b0")), ..created(0) }
}

pub fn approve(who: &str, base: &str) -> Command {
    Command::Approve { decision: decision(who, base) }
}
