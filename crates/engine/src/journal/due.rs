//! `due(state, now) -> what must be done`. The same for a live run and for one just recovered.

use super::{
    phase::{Effect, Phase},
    state::{Live, Run, Status},
    time::Timestamp,
};

/// What a driver does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    RunPhase {
        phase: Phase,
        attempt: u32,
    },
    /// Its own computing is spent; what was done is undone.
    StopForBudget {
        phase: Phase,
        attempt: u32,
    },
    AskApproval,
    AcquireTarget,
    /// Plan the effect, then announce it.
    Announce(Effect),
    /// Probe an announced effect; where it is not done, do it.
    Settle(Effect),
    /// Probe an announced effect; where it is not done, leave it undone.
    Probe(Effect),
    VerifyRollback,
    /// The time to decide is over.
    Expire,
    Wake,
    /// Nothing before this time.
    Sleep(Timestamp),
    /// Nothing until a person acts.
    Person,
    /// Nothing any more.
    End,
}

/// What must be done now.
#[must_use]
pub fn due(run: &Run, now: Timestamp) -> Due {
    match &run.status {
        Status::Live(Live::Running { phase: Phase::Deploy, attempt }) => deploy(run, *attempt),
        Status::Live(Live::Running { phase, attempt }) => {
            let (phase, attempt) = (*phase, *attempt);
            if phase < Phase::UpdateWeights && over_budget(run) {
                return Due::StopForBudget { phase, attempt };
            }
            Due::RunPhase { phase, attempt }
        }
        Status::Live(Live::Queued { .. }) => Due::AcquireTarget,
        Status::Live(Live::WaitingApproval { gate, .. }) => {
            if now > gate.expires_at {
                Due::Expire
            } else {
                Due::Person
            }
        }
        Status::Live(Live::RollingBack { .. }) => roll_back(run),
        Status::Sleeping { until, .. } => {
            if now >= *until {
                Due::Wake
            } else {
                Due::Sleep(*until)
            }
        }
        Status::Paused { .. } | Status::NeedsOperator { .. } => Due::Person,
        Status::Finished { .. } => Due::End,
    }
}

fn over_budget(run: &Run) -> bool {
    run.spent_ms >= run.created.budget_ms
}

fn deploy(run: &Run, attempt: u32) -> Due {
    if run.gate.is_none() {
        return Due::AskApproval;
    }
    if run.target_epoch.is_none() {
        return Due::AcquireTarget;
    }
    if over_budget(run) && run.effects.is_empty() {
        return Due::StopForBudget { phase: Phase::Deploy, attempt };
    }
    match (run.unresolved(), run.next_planned()) {
        (Some(effect), _) => return Due::Settle(effect),
        (None, Some(effect)) => return Due::Announce(effect),
        (None, None) => {}
    }
    Due::RunPhase { phase: Phase::Deploy, attempt }
}

fn roll_back(run: &Run) -> Due {
    if run.target_epoch.is_none() {
        return Due::AcquireTarget;
    }
    if let Some(effect) = run.unresolved() {
        // A worktree may be half done, which neither probing nor leaving it would show or mend: it
        // is finished, to be taken back whole.
        let finish = effect.undone_by().is_none() || effect == Effect::Worktree;
        return if finish { Due::Settle(effect) } else { Due::Probe(effect) };
    }
    run.next_undoing().map_or(Due::VerifyRollback, Due::Announce)
}
