//! Phase 7. Record provenance writes the history row, whatever the outcome; the seal follows in
//! the same transaction.

use super::{blocking, past};
use crate::{
    models::designer_name,
    payload::{Analysis, ChangeSet, CheckResult, Evaluation, ProvenanceRecord, WeightsUpdate},
    project::Project,
};
use async_trait::async_trait;
use kaizen_engine::{
    journal::{Effect, EffectState, Outcome, state::Verdict},
    step::{Context, Step, StepError},
};
use std::sync::Arc;

/// Phase 7.
pub struct RecordProvenance {
    pub project: Arc<Project>,
}

#[async_trait]
impl Step for RecordProvenance {
    type Input = Option<WeightsUpdate>;
    type Output = ProvenanceRecord;

    async fn run(
        &self,
        _learnt: Option<WeightsUpdate>,
        cx: &Context,
    ) -> Result<ProvenanceRecord, StepError> {
        let (project, cx) = (self.project.clone(), cx.clone());
        blocking(move || {
            let record = record(&cx)?;
            // Copies of the database are of no use any more.
            let _ = std::fs::remove_dir_all(project.scratch_path(&cx.run));
            Ok(record)
        })
        .await
    }
}

fn record(cx: &Context) -> Result<ProvenanceRecord, StepError> {
    let run = &cx.run;
    let change: Option<ChangeSet> = cx.output()?;
    let evaluation: Option<Evaluation> = cx.output()?;
    let evidence = evaluation
        .as_ref()
        .map(|evaluation| &evaluation.evidence)
        .or(change.as_ref().map(|change| &change.preflight));
    let tests = |result| {
        let checks = evidence.map_or(&[][..], |evidence| &evidence.checks);
        u32::try_from(checks.iter().filter(|check| check.result == result).count()).unwrap_or(0)
    };
    let commit = |effect| {
        let receipt = cx.done(effect).map(|(_, receipt)| receipt.clone());
        receipt.and_then(|receipt| receipt["commit"].as_str().map(str::to_owned))
    };
    let undone_at = [Effect::Down, Effect::Revert].into_iter().find_map(|effect| {
        match run.effects.get(&effect) {
            Some(EffectState::Done { at, .. }) => Some(at.to_string()),
            _ => None,
        }
    });
    let approved = run.decisions.iter().filter(|(_, verdict, _)| *verdict == Verdict::Approved);
    let of = change.as_ref();
    Ok(ProvenanceRecord {
        run_id: run.id.to_string(),
        outcome: run.outcome.map_or("", Outcome::word).to_owned(),
        title: of.map(|change| change.title.clone()),
        change_type: of.map(|change| change.kind.to_string()),
        risk_level: of.map(|change| change.risk.to_string()),
        estimated_impact_pct: of.and_then(|change| change.expected_improvement_pct),
        designer: of.map(|change| designer_name(&change.source).to_owned()),
        files: of.map(|change| change.paths().cloned().collect()).unwrap_or_default(),
        tables: of.map(|change| change.tables.clone()).unwrap_or_default(),
        up: of.filter(|change| !change.up.is_empty()).map(|change| change.up.clone()),
        git_commit: commit(Effect::Commit),
        revert_commit: commit(Effect::Revert),
        success_score: evaluation
            .as_ref()
            .map(|evaluation| evaluation.probability.posterior)
            .or(of.map(|change| change.probability.posterior)),
        tests_passed: tests(CheckResult::Passed),
        tests_failed: tests(CheckResult::Failed),
        performance_delta_pct: evidence.and_then(|e| e.improvement).map(|estimate| estimate.pct),
        error_message: run.failure.as_ref().map(|failure| failure.message.clone()),
        was_deployed: cx.done(Effect::Commit).is_some() || cx.done(Effect::Up).is_some(),
        was_rolled_back: undone_at.is_some(),
        started_at: run.created_at.to_string(),
        completed_at: cx.now.to_string(),
        rolled_back_at: undone_at,
        approved_by: approved.map(|(_, _, decision)| decision.who.clone()).collect(),
        target: run.created.target.clone(),
        verdict: evidence.map(|evidence| evidence.verdict.to_string()),
        content: match of {
            Some(change) => Some(past::content_of(change)?),
            None => None,
        },
        evidence: cx.output::<Analysis>()?.as_ref().map(past::evidence),
        ended_in_time: of.is_some_and(|change| past::ended_in_time(run, change, cx.now)),
        quality: of.and_then(|change| Some(change.quality.as_ref()?.features)),
        ratings: past::ratings(run),
        shown: past::shown(cx),
        features: change.map(|change| change.features),
    })
}
