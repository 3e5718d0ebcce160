//! Phase 6. Update weights learns from the outcome: the weights by kind and designer, and the models,
//! fitted anew on everything that was judged so far.
//!
//! Idempotent by nature: the models are fitted anew on all outcomes, this run's latest among them, and
//! the journal takes one version a run and revision. Where a kept change was rolled back later, what
//! the weights had learnt from it is taken back before they learn the opposite; where it was taken
//! back because its time was over, what was learnt stays.

use super::{blocking, past, step};
use crate::{
    models,
    payload::{ChangeSet, Evaluation, WeightsUpdate},
    training::{self, By, Examples, Lesson, MOST_AN_HOUR, Name},
};
use async_trait::async_trait;
use kaizen_engine::{
    journal::{Outcome, event::ModelVersion},
    shell::Reader,
    step::{Context, Step, StepError},
};

/// Phase 6.
pub struct UpdateWeights;

#[async_trait]
impl Step for UpdateWeights {
    type Input = Evaluation;
    type Output = WeightsUpdate;

    async fn run(&self, evaluation: Evaluation, cx: &Context) -> Result<WeightsUpdate, StepError> {
        let cx = cx.clone();
        blocking(move || learn(&cx, &evaluation)).await
    }
}

fn learn(cx: &Context, evaluation: &Evaluation) -> Result<WeightsUpdate, StepError> {
    let reader = cx.reader()?;
    let mut update = WeightsUpdate::default();
    let recent = training::updates_last_hour(&reader, Name::Weights, cx.now).map_err(step)?;
    if recent >= MOST_AN_HOUR {
        update.notes.push(format!("nothing learnt: {MOST_AN_HOUR} updates in the last hour"));
        return Ok(update);
    }
    let change: ChangeSet = cx
        .output()?
        .ok_or_else(|| StepError::bug("missing_checkpoint", "generate has no checkpoint"))?;
    if past::ended_in_time(&cx.run, &change, cx.now) {
        update.notes.push("its time was over: what was learnt from it stays".to_owned());
        return Ok(update);
    }
    let lesson = past::lesson(cx, &change);
    fit(cx, &reader, &lesson, &mut update)?;
    move_weights(cx, &reader, evaluation, &change, &mut update)?;
    Ok(update)
}

/// Fits the models on everything judged so far; each is promoted only if its prequential loss is not
/// worse than that of the one in force. What this run says nothing about is left alone.
fn fit(
    cx: &Context,
    reader: &Reader,
    lesson: &Lesson,
    update: &mut WeightsUpdate,
) -> Result<(), StepError> {
    let mut named = vec![Name::Predictor];
    named.extend((!lesson.ratings.is_empty()).then_some(Name::Quality));
    named.extend((!lesson.shown.is_empty()).then_some(Name::Reranker));
    let earlier = training::lessons(reader).map_err(step)?;
    let examples = Examples::of(earlier.into_iter().chain([lesson.clone()]));
    for name in named {
        let fitted = training::candidate(reader, name, &examples, By::Outcome).map_err(step)?;
        let Some(candidate) = fitted else { continue };
        update.models.push(candidate.version());
        update.notes.push(candidate.note);
        let _ = cx.keep(candidate.bytes);
    }
    Ok(())
}

/// Moves the weights of the change's kind and designer by the outcome.
fn move_weights(
    cx: &Context,
    reader: &Reader,
    evaluation: &Evaluation,
    change: &ChangeSet,
    update: &mut WeightsUpdate,
) -> Result<(), StepError> {
    let outcome = if cx.run.outcome == Some(Outcome::Kept) {
        let measured = evaluation.evidence.improvement.map_or(0.0, |estimate| estimate.pct);
        models::Outcome::Kept { improvement_pct: measured }
    } else {
        models::Outcome::RolledBack
    };
    // A run that is judged anew still has what it learnt the first time.
    let learnt: Option<WeightsUpdate> = if cx.run.revision > 1 { cx.output()? } else { None };
    let learnt = learnt.map(|update| update.changes).unwrap_or_default();
    let (weights, moved) =
        past::weights(reader)?.relearn(change.kind, &change.features.designer, outcome, &learnt);
    let bytes = serde_json::to_vec(&weights)
        .map_err(|e| StepError::bug("misshapen_model", format!("the weights: {e}")))?;
    let (name, digest) = (Name::Weights.as_str().to_owned(), cx.keep(bytes));
    update.models.push(ModelVersion { name, digest, promoted: true });
    update.changes = moved.into_iter().map(|one| (one.name, one.before, one.after)).collect();
    Ok(())
}
