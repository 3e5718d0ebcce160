//! A run as programs see it: the JSON of DESIGN section 9, the same from release to release.

use crate::failure::{Failure, exit};
use kaizen_engine::{
    journal::{Effect, EffectState, Phase, Run, Status, state::Verdict as Decided},
    shell::Reader,
};
use kaizen_steps::payload::{
    Analysis, ChangeSet, Check, Evaluation, Evidence, Proposal, ProvenanceRecord, Verdict,
};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct RunView {
    pub run_id: String,
    pub number: i64,
    pub workflow: String,
    pub status: String,
    pub outcome: Option<String>,
    pub phase: Option<String>,
    pub attempt: Option<u32>,
    pub dry_run: bool,
    pub created_at: String,
    pub finished_at: Option<String>,
    /// When retention took what its phases handed over.
    pub compacted_at: Option<String>,
    pub commit: Option<String>,
    pub revert_commit: Option<String>,
    pub change: Option<ChangeView>,
    pub evidence: Option<EvidenceView>,
    pub approvals: Vec<ApprovalView>,
    /// How many events the run has.
    pub events: u64,
    /// Why it failed or waits, where it does.
    pub failure: Option<FailureView>,
    /// The same in the shape of every other error, where it is why the command did not end well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// The next command to type, where there is one.
    pub next: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ChangeView {
    pub kind: String,
    pub title: String,
    pub risk: String,
    pub files: Vec<String>,
    /// What an approval binds to: change, base, evidence, workflow, policy, target, schema.
    pub digest: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct EvidenceView {
    pub improvement_pct: Option<f64>,
    pub ci_pct: Option<[f64; 2]>,
    pub success_probability: f64,
    pub correct: bool,
    pub verdict: String,
    pub checks: Vec<CheckView>,
}

#[derive(Debug, Clone, Serialize)]
pub struct CheckView {
    pub name: String,
    pub result: Value,
}

#[derive(Debug, Clone, Serialize)]
pub struct ApprovalView {
    pub who: String,
    pub decision: Value,
    pub reason: String,
    pub at: String,
    pub method: Value,
    /// What the reviewer gave the change, 1 to 5.
    pub rating: Option<u8>,
}

#[derive(Debug, Clone, Serialize)]
pub struct FailureView {
    pub code: String,
    pub message: String,
    pub look_at: Vec<String>,
}

/// A run with the payloads that people ask about.
pub struct Full {
    pub run: Arc<Run>,
    pub analysis: Option<Analysis>,
    pub proposal: Option<Proposal>,
    pub change: Option<ChangeSet>,
    pub evaluation: Option<Evaluation>,
    /// Of a compacted run: what there is to tell of it.
    pub record: Option<ProvenanceRecord>,
}

impl Full {
    pub fn read(reader: &Reader, run: impl Into<Arc<Run>>) -> Result<Full, Failure> {
        fn get<T: kaizen_engine::step::Output>(
            reader: &Reader,
            run: &Run,
        ) -> Result<Option<T>, Failure> {
            Ok(run.outputs.get(&T::PHASE).map(|payload| reader.payload(payload)).transpose()?)
        }
        let run = run.into();
        Ok(Full {
            analysis: get(reader, &run)?,
            proposal: get(reader, &run)?,
            change: get(reader, &run)?,
            evaluation: get(reader, &run)?,
            record: if run.compacted.is_some() { get(reader, &run)? } else { None },
            run,
        })
    }

    /// The newest evidence with its probability: of the evaluation, else of the preflight.
    pub fn evidence(&self) -> Option<(&Evidence, f64)> {
        match (&self.evaluation, &self.change) {
            (Some(evaluation), _) => Some((&evaluation.evidence, evaluation.probability.posterior)),
            (None, Some(change)) => Some((&change.preflight, change.probability.posterior)),
            (None, None) => None,
        }
    }

    /// The change's title.
    pub fn title(&self) -> Option<&str> {
        let change = self.change.as_ref().map(|change| change.title.as_str());
        change.or_else(|| self.record.as_ref()?.title.as_deref())
    }

    /// Percent of the objective, as last measured.
    pub fn measured(&self) -> Option<f64> {
        let estimate = self.evidence().and_then(|(evidence, _)| evidence.improvement);
        let measured = estimate.map(|estimate| estimate.pct);
        measured.or_else(|| self.record.as_ref()?.performance_delta_pct)
    }

    /// What an approval of the change binds to.
    pub fn digest(&self) -> Option<String> {
        self.change.as_ref().map(|change| change.binding.digest().to_string())
    }

    pub fn view(&self) -> RunView {
        let run = &self.run;
        RunView {
            run_id: run.id.to_string(),
            number: run.created.number,
            workflow: run.created.workflow.clone(),
            status: run.status.word().to_owned(),
            outcome: run.outcome.filter(|_| finished(run)).map(|outcome| outcome.to_string()),
            phase: run.phase().map(|phase| phase.to_string()),
            attempt: run.attempt(),
            dry_run: run.created.dry_run,
            created_at: run.created_at.to_string(),
            finished_at: run.finished_at.map(|at| at.to_string()),
            compacted_at: run.compacted.is_some().then(|| run.updated_at.to_string()),
            commit: commit(run, Effect::Commit),
            revert_commit: commit(run, Effect::Revert),
            change: self.change.as_ref().map(change_view),
            evidence: self.evidence().map(|(evidence, p)| evidence_view(evidence, p)),
            approvals: approvals(run),
            events: run.seq,
            failure: failure(run),
            error: trouble(run).map(|failure| failure.json()["error"].clone()),
            next: next(run),
        }
    }
}

/// Whether the run has ended.
pub fn finished(run: &Run) -> bool {
    matches!(run.status, Status::Finished { .. })
}

/// The commit that an effect made, where it was done.
pub fn commit(run: &Run, effect: Effect) -> Option<String> {
    match run.effects.get(&effect) {
        Some(EffectState::Done { receipt, .. }) => receipt["commit"].as_str().map(str::to_owned),
        Some(EffectState::Announced { .. } | EffectState::Failed { .. }) | None => None,
    }
}

fn change_view(change: &ChangeSet) -> ChangeView {
    ChangeView {
        kind: change.kind.to_string(),
        title: change.title.clone(),
        risk: change.risk.to_string(),
        files: change.paths().cloned().collect(),
        digest: change.binding.digest().to_string(),
    }
}

fn evidence_view(evidence: &Evidence, probability: f64) -> EvidenceView {
    let check = |check: &Check| CheckView { name: check.name.clone(), result: word(&check.result) };
    EvidenceView {
        improvement_pct: evidence.improvement.map(|estimate| estimate.pct),
        ci_pct: evidence.improvement.map(|estimate| [estimate.lo, estimate.hi]),
        success_probability: probability,
        correct: evidence.verdict != Verdict::Incorrect,
        verdict: word(&evidence.verdict).as_str().unwrap_or_default().to_owned(),
        checks: evidence.checks.iter().map(check).collect(),
    }
}

fn approvals(run: &Run) -> Vec<ApprovalView> {
    let view = |(at, decided, decision): &(_, Decided, kaizen_engine::journal::Decision)| {
        let at: &kaizen_engine::journal::Timestamp = at;
        ApprovalView {
            who: decision.who.clone(),
            decision: word(decided),
            reason: decision.reason.clone(),
            at: at.to_string(),
            method: word(&decision.method),
            rating: decision.rating,
        }
    };
    run.decisions.iter().map(view).collect()
}

fn failure(run: &Run) -> Option<FailureView> {
    let look_at = match &run.status {
        Status::NeedsOperator { look_at, .. } => look_at.clone(),
        _ => Vec::new(),
    };
    run.failure.as_ref().map(|failure| FailureView {
        code: failure.code.clone(),
        message: failure.message.clone(),
        look_at,
    })
}

/// The snake_case word of an enum.
pub fn word<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

/// The next command to type.
pub fn next(run: &Run) -> Option<String> {
    use kaizen_engine::journal::{Live, Outcome};
    let name = run.name();
    match &run.status {
        Status::Live(Live::WaitingApproval { .. }) => {
            Some(format!("kaizen approve {name} --reason 'why' --resume"))
        }
        Status::Live(Live::Running { .. } | Live::Queued { .. } | Live::RollingBack { .. })
        | Status::Sleeping { .. }
        | Status::Paused { .. } => Some(format!("kaizen resume {name}")),
        Status::NeedsOperator { failure, look_at, .. }
            if failure.code == "git_revert_conflict" && !look_at.is_empty() =>
        {
            Some(format!("kaizen resume {name}   # after the commands above, in that order"))
        }
        Status::NeedsOperator { effect: Some(effect), .. } => Some(format!(
            "kaizen resume {name}   # or: kaizen resolve {name} --effect {effect} --done --reason 'why'"
        )),
        Status::NeedsOperator { effect: None, .. } => Some(format!("kaizen resume {name}")),
        Status::Finished { outcome } => match outcome {
            // What is seen of a SQL Server is not deployed by Kaizen yet.
            Outcome::DryRun if run.created.target.starts_with("sqlserver:") => None,
            Outcome::DryRun => {
                Some(format!("kaizen start {} --apply --from {name}", run.created.workflow_path))
            }
            Outcome::Failed => Some(after_failure(run)),
            Outcome::Kept
            | Outcome::RolledBack
            | Outcome::NoChange
            | Outcome::Rejected
            | Outcome::Expired
            | Outcome::Cancelled => None,
        },
    }
}

/// What to type once a run has failed: what it refused can be mended where a person wrote it.
fn after_failure(run: &Run) -> String {
    let again = format!("kaizen start {}", run.created.workflow_path);
    match (&run.created.change, run.failure.as_ref().map(|failure| failure.code.as_str())) {
        (Some(change), Some(code)) if code.starts_with("refused") => {
            let apply = if run.created.dry_run { "" } else { " --apply" };
            format!("{again}{apply} --change {0}   # once {0} is mended", change.name)
        }
        (_, Some("database_locked")) => {
            format!("see who holds it, with: fuser -v {}   # then: {again}", database(run))
        }
        (_, Some("git_push_rejected")) => {
            format!("git fetch && git status   # then: {again} --apply")
        }
        (_, Some("snapshot_failed" | "disk_full")) => {
            format!("df -h .   # a run copies the database several times; then: {again}")
        }
        _ => format!("kaizen why {}", run.name()),
    }
}

/// The target's file; the lease is named after it and the branch.
fn database(run: &Run) -> &str {
    let target = run.created.target.as_str();
    let file = target.rsplit_once('@').map_or(target, |(file, _)| file);
    file.strip_prefix("sqlite:").unwrap_or(file)
}

/// A run's own failure as this command's, where it failed, was refused, or needs an operator.
pub fn trouble(run: &Run) -> Option<Failure> {
    let code = exit_code(run);
    let stuck = matches!(run.status, Status::NeedsOperator { .. });
    let failed = finished(run) && matches!(code, exit::FAILED | exit::REFUSED);
    let failure = run.failure.as_ref().filter(|_| stuck || failed)?;
    Some(Failure {
        code: failure.code.clone(),
        message: failure.message.clone(),
        next: next(run),
        exit: code,
    })
}

/// The exit code that a run's state stands for.
pub fn exit_code(run: &Run) -> u8 {
    use kaizen_engine::journal::Outcome;
    match &run.status {
        Status::Finished { outcome } => match outcome {
            Outcome::Kept | Outcome::DryRun | Outcome::NoChange => exit::DONE,
            Outcome::RolledBack => exit::ROLLED_BACK,
            Outcome::Rejected => exit::REFUSED,
            Outcome::Failed if refused(run) => exit::REFUSED,
            Outcome::Failed | Outcome::Cancelled | Outcome::Expired => exit::FAILED,
        },
        Status::Live(_)
        | Status::Sleeping { .. }
        | Status::Paused { .. }
        | Status::NeedsOperator { .. } => exit::WAITS,
    }
}

/// Whether policy or the preflight refused the change.
pub fn refused(run: &Run) -> bool {
    run.failure.as_ref().is_some_and(|failure| failure.code.starts_with("refused"))
}

/// A phase's word, checked.
pub fn phase(word: &str) -> Result<Phase, Failure> {
    word.parse().map_err(|message: String| {
        Failure::usage("no_such_phase", message).next("kaizen show --help")
    })
}
