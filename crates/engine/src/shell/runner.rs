//! The driver: runs what is due, feeds the outcome back as a command, until nothing is due.
//!
//! Live running and recovery are the same path: after a restart the fold says what is due.

use super::{
    clock::Clock,
    crash_point,
    error::Error,
    reader::Reader,
    relay::Acknowledge,
    store::Store,
    transition::{Operated, Tx},
};
use crate::{
    error::Class,
    journal::{
        Command, Created, Due, Effect, EffectState, Phase, Run, Timestamp, due,
        event::{Failure, How},
    },
    json::Json,
    step::{Context, Effects, Pipeline, Probe, Report, StepError, payload},
};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tracing::{Instrument, info_span};
use uuid::Uuid;

/// How often a run that waits for its target looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Who watches a run.
pub trait Observer: Send + Sync {
    /// Something was committed; the run as it is now.
    fn moved(&self, run: &Run);
    /// What a phase is doing.
    fn progress(&self, run: &Run, text: &str);
}

/// Everything that a driver needs.
#[derive(Clone)]
pub struct Engine {
    pub store: Store,
    pub journal: Arc<Path>,
    pub pipeline: Arc<Pipeline>,
    pub effects: Arc<dyn Effects>,
    /// What must have acknowledged every event before an outside effect; undoing is exempt.
    pub trail: Option<Arc<dyn Acknowledge>>,
    pub clock: Arc<dyn Clock>,
    pub observer: Arc<dyn Observer>,
    /// How long a driver waits by itself (for a sleeper to wake, for a target) before it stops.
    pub patience: Duration,
}

/// Why a driver stopped driving.
#[derive(Debug, Clone)]
pub struct Stop {
    pub run: Arc<Run>,
    /// What is due and was left: a person, a time, a target, or nothing more.
    pub due: Due,
}

/// A run under this driver's lease.
struct Lease {
    number: i64,
    epoch: u64,
}

impl Engine {
    /// Creates a run and drives it until it waits or ends. `created.number` is filled in here.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub async fn start(
        &self,
        created: Created,
        actor: &str,
        artifacts: Vec<Vec<u8>>,
    ) -> Result<Stop, Error> {
        let run = self.create(created, actor, artifacts).await?;
        let lease = Lease { number: run.created.number, epoch: 1 };
        let span = span_of(&run);
        self.drive(run, &lease).instrument(span).await
    }

    /// Takes a run's lease and drives it until it waits or ends.
    ///
    /// # Errors
    /// [`Error::Driven`] where another living process drives it.
    pub async fn resume(&self, number: i64, actor: &str) -> Result<Stop, Error> {
        let (me, actor) = (self.store.me().to_owned(), actor.to_owned());
        let (run, epoch) = self.store.write(move |tx| tx.claim(number, &me, &actor)).await?;
        self.observer.moved(&run);
        let span = span_of(&run);
        self.drive(run, &Lease { number, epoch }).instrument(span).await
    }

    /// An operator's command: applied at once, or left for the living driver.
    ///
    /// # Errors
    /// A refusal, or the store's trouble.
    pub async fn operate(
        &self,
        number: i64,
        actor: &str,
        command: Command,
    ) -> Result<Operated, Error> {
        let actor = actor.to_owned();
        self.store.write(move |tx| tx.operate(number, &actor, command)).await
    }

    /// Creates a run under this process's lease, without driving it.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub async fn create(
        &self,
        mut created: Created,
        actor: &str,
        artifacts: Vec<Vec<u8>>,
    ) -> Result<Arc<Run>, Error> {
        let (me, actor) = (self.store.me().to_owned(), actor.to_owned());
        let created = self.store.write(move |tx| {
            for bytes in &artifacts {
                tx.put_artifact(bytes)?;
            }
            created.number = tx.next_number()?;
            tx.create(Uuid::now_v7(), created, &actor, &me)
        });
        let run = created.await?;
        self.observer.moved(&run);
        Ok(run)
    }

    /// Gives a run's lease back, for somebody else to drive it.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub async fn release(&self, run: &Run) -> Result<(), Error> {
        let number = run.created.number;
        self.store.write(move |tx| tx.release(number, 1)).await
    }

    async fn drive(&self, mut run: Arc<Run>, lease: &Lease) -> Result<Stop, Error> {
        let mut waited = Duration::ZERO;
        loop {
            let due = due(&run, self.clock.now().max(run.updated_at));
            match self.advance(&run, lease, &due).await? {
                Advance::To(next) => {
                    run = next;
                    self.observer.moved(&run);
                }
                Advance::Wait(wait) if waited + wait <= self.patience => {
                    waited += wait;
                    tokio::time::sleep(wait).await;
                }
                // The transition that led here has given the lease back.
                Advance::Stop => return Ok(Stop { run, due }),
                Advance::Wait(_) => {
                    let (number, epoch) = (lease.number, lease.epoch);
                    self.store.write(move |tx| tx.release(number, epoch)).await?;
                    return Ok(Stop { run, due });
                }
            }
        }
    }

    async fn advance(&self, run: &Arc<Run>, lease: &Lease, due: &Due) -> Result<Advance, Error> {
        match due {
            Due::RunPhase { phase, attempt } => {
                let span = info_span!("phase", %phase, attempt);
                self.run_phase(run, lease, *phase, *attempt).instrument(span).await
            }
            Due::StopForBudget { phase, attempt } => {
                let failure = Failure {
                    code: "budget_spent".to_owned(),
                    message: format!(
                        "the run's budget of {} s of computing is spent",
                        run.created.budget_ms / 1_000
                    ),
                    class: Class::Operator,
                };
                let (phase, attempt) = (*phase, *attempt);
                let command =
                    Command::Fail { phase, attempt, spent_ms: 0, failure, retry_after_ms: 0 };
                self.commit(lease, vec![command], Vec::new()).await
            }
            Due::AskApproval => self.commit(lease, vec![Command::AskApproval], Vec::new()).await,
            Due::AcquireTarget => self.acquire_target(run, lease).await,
            Due::Announce(effect) => {
                let span = info_span!("announce", %effect);
                self.announce(run, lease, *effect).instrument(span).await
            }
            Due::Settle(effect) => {
                let span = info_span!("effect", %effect);
                self.settle(run, lease, *effect, true).instrument(span).await
            }
            Due::Probe(effect) => {
                let span = info_span!("probe", %effect);
                self.settle(run, lease, *effect, false).instrument(span).await
            }
            Due::VerifyRollback => {
                let cx = self.context(run, lease);
                let command = match self.effects.verify_rollback(&cx).await {
                    Ok(report) => Command::RolledBack { report },
                    Err(error) if error.class == Class::Retry => {
                        self.sleep(error.message.clone(), error.retry_after)
                    }
                    Err(error) => self.trouble(None, error),
                };
                self.commit(lease, vec![command], Vec::new()).await
            }
            // A transition ends it by itself where its own time says so too.
            Due::Expire => self.commit(lease, Vec::new(), Vec::new()).await,
            Due::Wake => self.commit(lease, vec![Command::Wake], Vec::new()).await,
            Due::Sleep(until) => {
                Ok(Advance::Wait(until.since(self.clock.now()).max(Duration::from_millis(1))))
            }
            Due::Person | Due::End => Ok(Advance::Stop),
        }
    }

    async fn run_phase(
        &self,
        run: &Arc<Run>,
        lease: &Lease,
        phase: Phase,
        attempt: u32,
    ) -> Result<Advance, Error> {
        let cx = self.context(run, lease);
        let began = Instant::now();
        crash_point::reach(&format!("phase.{phase}.before"));
        let outcome = self.pipeline.run(phase, &cx).await;
        crash_point::reach(&format!("phase.{phase}.after"));
        let spent_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (mut artifacts, notes) = cx.take_kept();
        let mut commands = Vec::new();
        for (topic, body) in notes {
            let (body, artifact) = payload(Json::of(&body)?);
            artifacts.extend(artifact);
            commands.push(Command::Note { topic, body });
        }
        commands.push(match outcome {
            Ok(made) => {
                artifacts.extend(made.artifact);
                let (output, facts) = (made.payload, made.facts);
                Command::Complete { phase, attempt, spent_ms, output, facts }
            }
            Err(StepError { not_before: Some(until), message, .. }) => {
                Command::Sleep { until, why: message }
            }
            Err(error) => {
                let retry_after_ms =
                    u64::try_from(error.retry_after.as_millis()).unwrap_or(u64::MAX);
                let failure = error.failure();
                Command::Fail { phase, attempt, spent_ms, failure, retry_after_ms }
            }
        });
        self.commit(lease, commands, artifacts).await
    }

    async fn acquire_target(&self, run: &Arc<Run>, lease: &Lease) -> Result<Advance, Error> {
        let (number, epoch, me) = (lease.number, lease.epoch, self.store.me().to_owned());
        // A transition takes the target by itself where that is due and it is free.
        let look = move |tx: &mut Tx<'_>| tx.transition(number, epoch, &me, Vec::new(), &[]);
        let now = self.store.write(look).await?;
        if now.target_epoch.is_some() || now.status != run.status {
            return Ok(Advance::To(now));
        }
        Ok(Advance::Wait(LOOK_AGAIN))
    }

    async fn announce(
        &self,
        run: &Arc<Run>,
        lease: &Lease,
        effect: Effect,
    ) -> Result<Advance, Error> {
        let cx = self.context(run, lease);
        let now = if run.has_effects() {
            None
        } else {
            // The long wait for a trail that is away ends before what was approved is looked at again.
            if let Some(command) = self.not_acknowledged(None).await {
                return self.commit(lease, vec![command], Vec::new()).await;
            }
            match self.effects.binding(&cx).await {
                Ok(binding) => Some(binding),
                // Nothing has been done yet, and the approval may still hold once a person has
                // mended what stands in the way.
                Err(error) if error.class == Class::Operator => {
                    let command = self.trouble(None, error);
                    return self.commit(lease, vec![command], Vec::new()).await;
                }
                Err(error) => return self.fail_effect(run, lease, effect, error).await,
            }
        };
        let plan = match self.effects.plan(effect, &cx).await {
            Ok(plan) => plan,
            Err(error) => return self.fail_effect(run, lease, effect, error).await,
        };
        crash_point::reach(&format!("effect.{effect}.before_announce"));
        let advance = self.commit(lease, vec![Command::Announce { effect, plan, now }], Vec::new());
        let advance = advance.await?;
        crash_point::reach(&format!("effect.{effect}.announced"));
        Ok(advance)
    }

    /// Probes an announced effect, and does it where it is not done and `perform` says so.
    async fn settle(
        &self,
        run: &Arc<Run>,
        lease: &Lease,
        effect: Effect,
        perform: bool,
    ) -> Result<Advance, Error> {
        let Some(EffectState::Announced { plan, hash, .. }) = run.effects.get(&effect) else {
            return Ok(Advance::Stop);
        };
        let cx = self.context(run, lease);
        let command = match self.effects.probe(effect, plan, hash, &cx).await {
            Ok(Probe::Done(receipt)) => Command::Settled { effect, how: How::Adopted, receipt },
            Ok(Probe::NotDone | Probe::Partly(_)) if perform => {
                // Nothing has been done yet: the probe will say so when it goes on.
                if effect.undone_by().is_some()
                    && let Some(command) = self.not_acknowledged(Some(effect)).await
                {
                    return self.commit(lease, vec![command], Vec::new()).await;
                }
                crash_point::reach(&format!("effect.{effect}.before"));
                match self.effects.perform(effect, plan, hash, &cx).await {
                    Ok(receipt) => {
                        crash_point::reach(&format!("effect.{effect}.after"));
                        Command::Settled { effect, how: How::Performed, receipt }
                    }
                    Err(error) => return self.fail_effect(run, lease, effect, error).await,
                }
            }
            Ok(Probe::NotDone) => Command::NotDone { effect, failure: not_done(effect) },
            Ok(Probe::Partly(receipt)) => Command::Settled { effect, how: How::Adopted, receipt },
            Ok(Probe::Unreachable(why)) => self.sleep(why, Duration::from_secs(30)),
            Ok(Probe::Unknown(why)) => {
                let message = format!("nobody can tell whether {effect} was done: {why}");
                self.trouble(Some(effect), StepError::operator("unknown_effect", message))
            }
            Err(error) => return self.fail_effect(run, lease, effect, error).await,
        };
        self.commit(lease, vec![command], Vec::new()).await
    }

    /// An effect could not be planned, probed or done.
    async fn fail_effect(
        &self,
        run: &Arc<Run>,
        lease: &Lease,
        effect: Effect,
        error: StepError,
    ) -> Result<Advance, Error> {
        let undoing = effect.undone_by().is_none();
        let announced = matches!(run.effects.get(&effect), Some(EffectState::Announced { .. }));
        let command = if error.class == Class::Retry {
            self.sleep(error.message.clone(), error.retry_after)
        } else if undoing {
            self.trouble(Some(effect), error)
        } else if announced {
            // It may have happened in part: the probe decides, not the error.
            let cx = self.context(run, lease);
            let Some(EffectState::Announced { plan, hash, .. }) = run.effects.get(&effect) else {
                return Ok(Advance::Stop);
            };
            match self.effects.probe(effect, plan, hash, &cx).await {
                Ok(Probe::NotDone) => Command::NotDone { effect, failure: error.failure() },
                Ok(Probe::Partly(receipt)) => {
                    // What stands is taken back, as if it had been done whole.
                    let settled = Command::Settled { effect, how: How::Adopted, receipt };
                    let failed = Command::Fail {
                        phase: Phase::Deploy,
                        attempt: run.attempt().unwrap_or(1),
                        spent_ms: 0,
                        failure: Failure { class: Class::Operator, ..error.failure() },
                        retry_after_ms: 0,
                    };
                    return self.commit(lease, vec![settled, failed], Vec::new()).await;
                }
                Ok(Probe::Done(receipt)) => Command::Settled { effect, how: How::Adopted, receipt },
                Ok(Probe::Unreachable(why)) => self.sleep(why, Duration::from_secs(30)),
                Ok(Probe::Unknown(_)) | Err(_) => self.trouble(Some(effect), error),
            }
        } else {
            Command::NotDone { effect, failure: error.failure() }
        };
        self.commit(lease, vec![command], Vec::new()).await
    }

    /// What follows where the trail must have everything first, and has not; `None`: it has.
    async fn not_acknowledged(&self, effect: Option<Effect>) -> Option<Command> {
        let error = self.trail.as_ref()?.caught_up().await.err()?;
        Some(if error.class == Class::Retry {
            self.sleep(error.message.clone(), error.retry_after)
        } else {
            self.trouble(effect, error)
        })
    }

    fn sleep(&self, why: String, how_long: Duration) -> Command {
        Command::Sleep { until: self.clock.now().plus(how_long), why }
    }

    fn trouble(&self, effect: Option<Effect>, error: StepError) -> Command {
        let failure = error.failure();
        Command::AskOperator { effect, failure, look_at: error.look_at }
    }

    async fn commit(
        &self,
        lease: &Lease,
        commands: Vec<Command>,
        artifacts: Vec<Vec<u8>>,
    ) -> Result<Advance, Error> {
        let (number, epoch, me) = (lease.number, lease.epoch, self.store.me().to_owned());
        let run = self
            .store
            .write(move |tx| tx.transition(number, epoch, &me, commands, &artifacts))
            .await?;
        Ok(Advance::To(run))
    }

    fn context(&self, run: &Arc<Run>, lease: &Lease) -> Context {
        let limited = run.phase().is_some_and(|phase| phase < Phase::UpdateWeights);
        let left = run.created.budget_ms.saturating_sub(run.spent_ms);
        let deadline = limited.then(|| Instant::now() + Duration::from_millis(left));
        let run = run.clone();
        let (watched, observer) = (run.clone(), self.observer.clone());
        let report: Report = Arc::new(move |text: &str| observer.progress(&watched, text));
        let now: Timestamp = self.clock.now().max(run.updated_at);
        Context::new(run, now, lease.epoch, deadline, self.journal.clone(), report)
    }

    /// A connection for reading.
    ///
    /// # Errors
    /// Where the journal cannot be opened.
    pub fn reader(&self) -> Result<Reader, Error> {
        Reader::open(&self.journal)
    }
}

fn span_of(run: &Run) -> tracing::Span {
    info_span!("run", run = run.created.number, id = %run.id, workflow = run.created.workflow)
}

enum Advance {
    To(Arc<Run>),
    /// Look again after this long.
    Wait(Duration),
    Stop,
}

fn not_done(effect: Effect) -> Failure {
    Failure {
        code: "not_done".to_owned(),
        message: format!("{effect} had been announced and was not done"),
        class: Class::Operator,
    }
}
