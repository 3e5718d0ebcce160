//! Phase 6. Update weights learns from the outcome: the weights by kind and designer, and the
//! predictor, refitted on everything that was judged so far.
//!
//! Idempotent by nature: the predictor is fitted anew on all outcomes, this run's latest among
//! them, and the journal takes one version a run and revision.

use super::{blocking, past};
use crate::{
    models::{self, Example, Predictor, promote},
    payload::{ChangeSet, Evaluation, WeightsUpdate},
};
use async_trait::async_trait;
use kaizen_engine::{
    journal::{Outcome, Timestamp, event::ModelVersion},
    shell::Reader,
    step::{Context, Step, StepError},
};
use serde::Serialize;
use std::time::Duration;

/// At most so many updates an hour: a loop gone wild must not teach itself.
const MOST_AN_HOUR: usize = 10;
const HOUR: Duration = Duration::from_secs(3_600);

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
    let mut update = WeightsUpdate { models: Vec::new(), changes: Vec::new(), notes: Vec::new() };
    if updates_last_hour(&reader, cx.now)? >= MOST_AN_HOUR {
        update.notes.push(format!("nothing learnt: {MOST_AN_HOUR} updates in the last hour"));
        return Ok(update);
    }
    let change: ChangeSet = cx
        .output()?
        .ok_or_else(|| StepError::bug("missing_checkpoint", "generate has no checkpoint"))?;
    let kept = cx.run.outcome == Some(Outcome::Kept);
    let past = past::all(cx, &reader)?;
    let mut examples: Vec<Example> = past.iter().filter_map(past::Past::example).collect();
    let current = past::predictor(&reader, &examples)?;
    let run = cx.run.name();
    examples.push(Example { features: change.features.clone(), success: kept, run });
    fit(cx, &current, &examples, &mut update)?;

    let outcome = if kept {
        let measured = evaluation.evidence.improvement.map_or(0.0, |estimate| estimate.pct);
        models::Outcome::Kept { improvement_pct: measured }
    } else {
        models::Outcome::RolledBack
    };
    let (weights, moved) =
        past::weights(&reader)?.learn(change.kind, &change.features.designer, outcome);
    update.models.push(version(cx, past::WEIGHTS, &weights, true)?);
    update.changes = moved.into_iter().map(|one| (one.name, one.before, one.after)).collect();
    Ok(update)
}

/// Fits the predictor on everything judged so far; promoted only if its prequential Brier score
/// is not worse than that of the one in force.
fn fit(
    cx: &Context,
    current: &Predictor,
    examples: &[Example],
    update: &mut WeightsUpdate,
) -> Result<(), StepError> {
    let candidate = Predictor::fit(examples).map_err(super::step)?;
    let promotion = promote(current, &candidate, examples).map_err(super::step)?;
    update.notes.push(promotion.reason.clone());
    update.models.push(version(cx, past::PREDICTOR, &candidate, promotion.promoted)?);
    Ok(())
}

fn version<T: Serialize>(
    cx: &Context,
    name: &str,
    model: &T,
    promoted: bool,
) -> Result<ModelVersion, StepError> {
    let bytes = serde_json::to_vec(model)
        .map_err(|e| StepError::bug("misshapen_model", format!("{name}: {e}")))?;
    Ok(ModelVersion { name: name.to_owned(), digest: cx.keep(bytes), promoted })
}

fn updates_last_hour(reader: &Reader, now: Timestamp) -> Result<usize, StepError> {
    let versions = reader.models(past::WEIGHTS)?;
    let recent = versions.iter().filter_map(|version| Timestamp::parse(&version.at));
    Ok(recent.filter(|at| now.since(*at) < HOUR).count())
}
