//! `decide(state, command, now) -> facts | Refusal`: what may happen.

use super::{
    apply::{IllegalEvent, apply},
    command::{Command, Refusal},
    event::{Event, Fact, Facts, Failure, Generated, Payload},
    gate::{Binding, Decision, Gate, Method, OnExpiry, RATINGS},
    phase::{Effect, Outcome, Phase},
    retention::Compacted,
    state::{EffectState, Live, Run, Status, Verdict},
    time::Timestamp,
};
use crate::{digest::Digest, error::Class};
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// The facts that a command brings about, in order.
///
/// # Errors
/// A refusal, where the command may not happen in this state. The facts returned always fold.
pub fn decide(run: &Run, command: Command, now: Timestamp) -> Result<Vec<Fact>, Refusal> {
    let facts = untried(run, command, now)?;
    folds(run, &facts, now).map_err(|source| Refusal::Illegal { run: run.name(), source })?;
    Ok(facts)
}

/// Folds the facts on trial, so that what a step made up is refused here and not on replay.
fn folds(run: &Run, facts: &[Fact], at: Timestamp) -> Result<(), IllegalEvent> {
    let mut folded = run.clone();
    for fact in facts {
        let event = Event { run: None, at, actor: String::new(), fact: fact.clone() };
        folded = apply(Some(folded), &event, Digest::ZERO)?;
    }
    Ok(())
}

/// The same for who folds the facts in any case, and takes them back where they do not: what a step
/// made up is not refused here.
///
/// # Errors
/// A refusal, where the command may not happen in this state.
pub fn untried(run: &Run, command: Command, now: Timestamp) -> Result<Vec<Fact>, Refusal> {
    match command {
        Command::Complete { phase, attempt, spent_ms, output, facts } => {
            expect_phase(run, phase, attempt)?;
            Ok(complete(run, phase, attempt, spent_ms, output, facts, now))
        }
        Command::Fail { phase, attempt, spent_ms, failure, retry_after_ms } => {
            expect_phase(run, phase, attempt)?;
            Ok(vec![fail(run, phase, attempt, spent_ms, failure, retry_after_ms, now)])
        }
        Command::Learn { output, models } => match &run.status {
            Status::Live(Live::Running { phase: Phase::Analyze, .. }) if run.seq == 1 => {
                let (phase, attempt, spent_ms) = (Phase::UpdateWeights, 1, 0);
                let facts = Facts::Learned(models);
                Ok(vec![Fact::PhaseCompleted { phase, attempt, spent_ms, output, facts }])
            }
            _ => Err(stale(run)),
        },
        Command::AskApproval => match (&run.change, &run.status) {
            (Some(change), Status::Live(Live::Running { phase: Phase::Deploy, .. })) => {
                Ok(ask(run, change, now))
            }
            _ => Err(stale(run)),
        },
        Command::Queue { target, behind } => queue(run, target, behind),
        Command::Hold { target, epoch } => {
            expect_live(run)?;
            Ok(vec![Fact::TargetAcquired { target, epoch }])
        }
        Command::Announce { effect, plan, now: observed } => announce(run, effect, plan, observed),
        Command::Settled { effect, how, receipt } => {
            expect_announced(run, effect)?;
            Ok(vec![Fact::EffectDone { effect, how, receipt }])
        }
        Command::NotDone { effect, failure } => {
            expect_live(run)?;
            Ok(vec![Fact::EffectFailed { effect, failure }])
        }
        Command::Sleep { until, why } => {
            expect_live(run)?;
            Ok(vec![Fact::Slept { until, why }])
        }
        Command::Wake => match &run.status {
            Status::Sleeping { .. } => Ok(vec![Fact::Woken {}]),
            _ => Err(stale(run)),
        },
        Command::Expire => expire(run, now),
        Command::AskOperator { effect, failure, look_at } => {
            expect_live(run)?;
            Ok(vec![Fact::OperatorNeeded { effect, failure, look_at }])
        }
        Command::RolledBack { report } => match &run.status {
            Status::Live(Live::RollingBack { .. }) => Ok(vec![Fact::RollbackCompleted { report }]),
            _ => Err(stale(run)),
        },
        Command::Note { topic, body } => {
            not_finished(run, "note")?;
            Ok(vec![Fact::Noted { topic, body }])
        }
        Command::Resume { after_crash_of } => {
            not_finished(run, "resume")?;
            Ok(vec![Fact::RunResumed { after_crash_of }])
        }
        Command::Approve { decision } => {
            may_decide(run, &decision, now, "approve")?;
            Ok(vec![Fact::Approved { decision }])
        }
        Command::Reject { decision } => {
            may_decide(run, &decision, now, "reject")?;
            Ok(vec![Fact::Rejected { decision }])
        }
        Command::Pause { reason } => pause(run, reason),
        Command::Unpause => match &run.status {
            Status::Paused { .. } => Ok(vec![Fact::Unpaused {}]),
            _ => Err(stale(run)),
        },
        Command::Cancel { reason } => cancel(run, reason),
        Command::Rollback { reason, later } => rollback(run, reason, later),
        Command::Resolve { effect, done, reason } => resolve(run, effect, done, reason),
        Command::Compact { pruned, outcomes } => compact(run, pruned, outcomes),
    }
}

fn complete(
    run: &Run,
    phase: Phase,
    attempt: u32,
    spent_ms: u64,
    output: Payload,
    facts: Facts,
    now: Timestamp,
) -> Vec<Fact> {
    let asks = match &facts {
        Facts::Generated(change) if !run.created.dry_run => ask(run, change, now),
        _ => Vec::new(),
    };
    let mut events = vec![Fact::PhaseCompleted { phase, attempt, spent_ms, output, facts }];
    events.extend(asks);
    if phase == Phase::RecordProvenance {
        events.push(Fact::RunSealed { events: run.seq + 1 });
    }
    events
}

fn fail(
    run: &Run,
    phase: Phase,
    attempt: u32,
    spent_ms: u64,
    failure: Failure,
    retry_after_ms: u64,
    now: Timestamp,
) -> Fact {
    // What has been decided is not undone because writing it down failed.
    if phase >= Phase::UpdateWeights
        && (failure.class != Class::Retry || attempt >= run.created.max_attempts)
    {
        return Fact::OperatorNeeded { effect: None, failure, look_at: Vec::new() };
    }
    let again = failure.class == Class::Retry && attempt < run.created.max_attempts;
    let retry_at = again.then(|| now.plus(Duration::from_millis(retry_after_ms)));
    Fact::PhaseFailed { phase, attempt, spent_ms, failure, retry_at }
}

/// The request for approval, and its answer where policy or a pre-approval gives one.
fn ask(run: &Run, change: &Generated, now: Timestamp) -> Vec<Fact> {
    let policy = &run.created.approval;
    let mut reasons = change.needs_human.clone();
    let asked_before = run.decisions.iter().any(|(_, _, d)| d.method == Method::PreApproved);
    let alone = policy.quorum <= 1 && !policy.separation_of_duties && change.needs_human.is_empty();
    let may =
        run.created.pre_approved.as_ref().is_some_and(|given| {
            policy.approvers.is_empty() || policy.approvers.contains(&given.who)
        });
    let trusted = policy.auto_kinds.contains(&change.kind)
        && change.preflight_improved
        && change.probability >= policy.auto_min_probability;
    let digest = change.binding.digest();
    let answer = match &run.created.pre_approved {
        Some(given) if alone && may && !asked_before => {
            Some(Decision { digest, method: Method::PreApproved, ..given.clone() })
        }
        Some(_) if !alone || !may => {
            reasons.push("the approval given at the start does not count here".to_owned());
            None
        }
        Some(_) | None => (alone && trusted).then(|| Decision {
            who: "policy".to_owned(),
            reason: format!(
                "auto_approve: {} with probability {:.2}",
                change.kind, change.probability
            ),
            method: Method::Policy,
            os_user: String::new(),
            host: String::new(),
            digest,
            rating: None,
        }),
    };
    if reasons.is_empty() {
        reasons.push("the workflow asks a human before every deployment".to_owned());
    }
    let gate = Arc::new(Gate {
        binding: Binding::default(),
        reasons,
        expires_at: now.plus(Duration::from_millis(policy.expires_after_ms)),
    });
    let mut events = vec![Fact::ApprovalRequested { gate }];
    events.extend(answer.map(|decision| Fact::Approved { decision }));
    events
}

fn queue(run: &Run, target: String, behind: Option<i64>) -> Result<Vec<Fact>, Refusal> {
    match &run.status {
        Status::Live(Live::Queued { behind: before, .. }) if *before == behind => Ok(Vec::new()),
        Status::Live(Live::Queued { .. } | Live::Running { phase: Phase::Deploy, .. }) => {
            Ok(vec![Fact::TargetQueued { target, behind }])
        }
        // A rollback stays what it is while it waits for the target.
        Status::Live(Live::RollingBack { .. }) => Ok(Vec::new()),
        _ => Err(stale(run)),
    }
}

/// The first effect of a deployment is announced only for exactly what was approved.
fn announce(
    run: &Run,
    effect: Effect,
    plan: Value,
    observed: Option<Binding>,
) -> Result<Vec<Fact>, Refusal> {
    expect_live(run)?;
    if let (Some(gate), false) = (&run.gate, run.has_effects()) {
        let observed = observed.ok_or_else(|| stale(run))?;
        let changed = gate.binding.differences(&observed);
        if !changed.is_empty() {
            return Ok(vec![Fact::ApprovalVoided { changed }]);
        }
    }
    Ok(vec![Fact::EffectAnnounced { effect, plan }])
}

fn expire(run: &Run, now: Timestamp) -> Result<Vec<Fact>, Refusal> {
    match &run.status {
        Status::Live(Live::WaitingApproval { gate, .. }) if now > gate.expires_at => {
            Ok(match run.created.approval.on_expiry {
                OnExpiry::Reject => vec![Fact::ApprovalExpired {}],
                OnExpiry::Park => {
                    let changed = vec!["expired".to_owned()];
                    vec![
                        Fact::ApprovalVoided { changed },
                        Fact::Paused { reason: "nobody decided in time".to_owned() },
                    ]
                }
            })
        }
        _ => Err(stale(run)),
    }
}

fn may_decide(
    run: &Run,
    decision: &Decision,
    now: Timestamp,
    command: &'static str,
) -> Result<(), Refusal> {
    let name = run.name();
    let who = decision.who.clone();
    if decision.reason.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    if let Some(rating) = decision.rating.filter(|rating| !RATINGS.contains(rating)) {
        return Err(Refusal::BadRating { rating });
    }
    not_finished(run, command)?;
    let Status::Live(Live::WaitingApproval { gate, approvals }) = &run.status else {
        let last = run.decisions.last();
        if let (Some(_), Some((_, Verdict::Approved, last))) = (&run.gate, last) {
            return Err(Refusal::AlreadyApproved { run: name, who: last.who.clone() });
        }
        let needs = "a run that is waiting_approval";
        return Err(wrong_state(run, command, needs));
    };
    if now > gate.expires_at {
        return Err(Refusal::Expired { run: name, at: gate.expires_at });
    }
    let policy = &run.created.approval;
    if !policy.approvers.is_empty() && !policy.approvers.contains(&who) {
        let approvers = policy.approvers.clone();
        return Err(Refusal::NotAnApprover { run: name, who, approvers });
    }
    if policy.separation_of_duties && run.created.started_by == who && command == "approve" {
        return Err(Refusal::OwnRun { run: name, who });
    }
    if decision.method == Method::Unverified {
        let asks =
            match (policy.quorum > 1, policy.separation_of_duties, policy.approvers.is_empty()) {
                (true, ..) => Some("several people"),
                (_, true, _) => Some("separated duties"),
                (.., false) => Some("named approvers"),
                _ => None,
            };
        if let Some(asks) = asks {
            return Err(Refusal::Unverified { run: name, asks });
        }
    }
    let current = gate.binding.digest();
    if decision.digest != current {
        let (given, current) = (decision.digest.short(), current.short());
        return Err(Refusal::DigestChanged { run: name, given, current });
    }
    // Who has approved may still change their mind while others are asked.
    if command == "approve" && approvals.iter().any(|given| given.who == who) {
        return Err(Refusal::AlreadyApproved { run: name, who });
    }
    Ok(())
}

fn pause(run: &Run, reason: String) -> Result<Vec<Fact>, Refusal> {
    not_finished(run, "pause")?;
    match &run.status {
        Status::Live(Live::RollingBack { .. })
        | Status::Sleeping { then: Live::RollingBack { .. }, .. } => {
            Err(Refusal::RollingBack { run: run.name() })
        }
        Status::Live(Live::Running { phase: Phase::RecordProvenance, .. })
        | Status::Sleeping { then: Live::Running { phase: Phase::RecordProvenance, .. }, .. } => {
            Err(wrong_state(run, "pause", "a run whose end is not being recorded yet"))
        }
        Status::Live(Live::Queued { .. } | Live::Running { .. } | Live::WaitingApproval { .. })
        | Status::Sleeping { .. } => Ok(vec![Fact::Paused { reason }]),
        Status::Paused { .. } | Status::NeedsOperator { .. } | Status::Finished { .. } => {
            Err(wrong_state(run, "pause", "a run that is under way"))
        }
    }
}

fn cancel(run: &Run, reason: String) -> Result<Vec<Fact>, Refusal> {
    not_finished(run, "cancel")?;
    match run.status.live() {
        Some(Live::RollingBack { .. }) => Err(Refusal::RollingBack { run: run.name() }),
        Some(Live::Running { phase, .. }) if *phase >= Phase::UpdateWeights => {
            Err(wrong_state(run, "cancel", "a run that is not yet decided; use rollback"))
        }
        Some(Live::Running { .. } | Live::Queued { .. } | Live::WaitingApproval { .. }) => {
            Ok(vec![Fact::CancelRequested { reason }])
        }
        None => Err(stale(run)),
    }
}

fn rollback(run: &Run, reason: String, later: Vec<String>) -> Result<Vec<Fact>, Refusal> {
    let Status::Finished { outcome } = run.status else {
        return Err(wrong_state(run, "rollback", "a run that was kept; use cancel"));
    };
    if outcome != Outcome::Kept {
        return Err(Refusal::AlreadyFinished { run: run.name(), outcome, command: "rollback" });
    }
    not_compacted(run)?;
    if reason.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    if !later.is_empty() {
        return Err(Refusal::LaterRuns { run: run.name(), later });
    }
    Ok(vec![Fact::RollbackRequested { reason }])
}

fn compact(run: &Run, pruned: Vec<u64>, outcomes: Vec<Outcome>) -> Result<Vec<Fact>, Refusal> {
    not_compacted(run)?;
    let (Status::Finished { .. }, Some(finished_at), true) =
        (&run.status, run.finished_at, run.sealed)
    else {
        return Err(wrong_state(run, "compact", "a run that has ended"));
    };
    let (spent_ms, failure) = (run.spent_ms, run.failure.clone());
    let compacted = Compacted { pruned, outcomes, finished_at, spent_ms, failure };
    Ok(vec![Fact::RunCompacted(Arc::new(compacted))])
}

fn not_compacted(run: &Run) -> Result<(), Refusal> {
    match run.compacted {
        Some(_) => Err(Refusal::Compacted { run: run.name() }),
        None => Ok(()),
    }
}

fn resolve(run: &Run, effect: Effect, done: bool, reason: String) -> Result<Vec<Fact>, Refusal> {
    not_finished(run, "resolve")?;
    if reason.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    let Status::NeedsOperator { effect: asked, .. } = &run.status else {
        return Err(wrong_state(run, "resolve", "a run that is needs_operator"));
    };
    let state = match run.effects.get(&effect) {
        None if *asked == Some(effect) => {
            return Ok(vec![Fact::OperatorResolved { effect, done, reason }]);
        }
        Some(EffectState::Announced { .. }) => {
            return Ok(vec![Fact::OperatorResolved { effect, done, reason }]);
        }
        None => "not begun",
        Some(EffectState::Done { .. }) => "done",
        Some(EffectState::Failed { .. }) => "known not to be done",
    };
    Err(Refusal::NothingToResolve { run: run.name(), effect, state })
}

fn expect_phase(run: &Run, phase: Phase, attempt: u32) -> Result<(), Refusal> {
    match &run.status {
        Status::Live(Live::Running { phase: now, attempt: nth })
            if (*now, *nth) == (phase, attempt) =>
        {
            Ok(())
        }
        _ => Err(stale(run)),
    }
}

fn expect_live(run: &Run) -> Result<(), Refusal> {
    match &run.status {
        Status::Live(_) => Ok(()),
        Status::Sleeping { .. }
        | Status::Paused { .. }
        | Status::NeedsOperator { .. }
        | Status::Finished { .. } => Err(stale(run)),
    }
}

fn expect_announced(run: &Run, effect: Effect) -> Result<(), Refusal> {
    expect_live(run)?;
    match run.effects.get(&effect) {
        Some(EffectState::Announced { .. }) => Ok(()),
        Some(EffectState::Done { .. } | EffectState::Failed { .. }) | None => Err(stale(run)),
    }
}

fn not_finished(run: &Run, command: &'static str) -> Result<(), Refusal> {
    match run.status {
        Status::Finished { outcome } => {
            Err(Refusal::AlreadyFinished { run: run.name(), outcome, command })
        }
        _ => Ok(()),
    }
}

fn wrong_state(run: &Run, command: &'static str, needs: &'static str) -> Refusal {
    let status = run.status.word().to_owned();
    Refusal::WrongState { run: run.name(), status, command, needs }
}

fn stale(run: &Run) -> Refusal {
    Refusal::Stale { run: run.name() }
}
