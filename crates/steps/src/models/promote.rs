//! Whether a new version of the predictor replaces the current one.
//!
//! Prequential scoring (Dawid 1984): each example is predicted by a model of its method that has
//! seen only the examples before it, then learned. So no model is judged by what it was fitted to.
//! Two versions of one method score alike by construction; the newer has learned more and is
//! taken. Deliberately not here: storing and restoring versions.

use super::{
    error::Error,
    predictor::{Example, Predictor},
};
use serde::{Deserialize, Serialize};

/// Examples that are scored, the newest: each costs one fit, and old outcomes say little about
/// today's targets.
const MOST_SCORED: usize = 200;

/// The decision and the two scores. A Brier score is the mean squared error of the probability: 0
/// is perfect, 0.25 is what even odds always get.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Promotion {
    pub promoted: bool,
    pub current_brier: f64,
    pub candidate_brier: f64,
    /// One sentence with the numbers.
    pub reason: String,
}

/// Promotes the candidate only if its method's prequential Brier score is not worse.
///
/// # Errors
/// Where a model cannot be fitted.
pub fn promote(
    current: &Predictor,
    candidate: &Predictor,
    examples: &[Example],
) -> Result<Promotion, Error> {
    let current_brier = prequential_brier(current, examples)?;
    let same_method = std::mem::discriminant(current) == std::mem::discriminant(candidate);
    let candidate_brier =
        if same_method { current_brier } else { prequential_brier(candidate, examples)? };
    let sound = match candidate {
        Predictor::BaseRate { .. } => true,
        Predictor::Logistic(model) => model.is_sound(),
    };
    let promoted = sound && candidate_brier <= current_brier;
    let scored = examples.len().min(MOST_SCORED);
    let reason = if !sound {
        "the candidate's coefficients cannot be used".to_owned()
    } else if same_method {
        format!("the same method, learned anew from {} changes", examples.len())
    } else {
        let relation = if promoted { "not worse" } else { "worse" };
        format!(
            "Brier score {candidate_brier:.4} against {current_brier:.4} of the current version \
             over {scored} changes, each predicted before it was learned: {relation}"
        )
    };
    Ok(Promotion { promoted, current_brier, candidate_brier, reason })
}

/// The prequential Brier score of a predictor's method; 0.25 without examples.
pub(super) fn prequential_brier(method: &Predictor, examples: &[Example]) -> Result<f64, Error> {
    let from = examples.len().saturating_sub(MOST_SCORED);
    let mut squares = Vec::new();
    for at in from..examples.len() {
        let seen = &examples[..at];
        let model = match method {
            Predictor::BaseRate { .. } => Predictor::base_rate(seen),
            Predictor::Logistic(_) => Predictor::fit(seen)?,
        };
        let outcome = if examples[at].success { 1.0 } else { 0.0 };
        squares.push((model.predict(&examples[at].features).probability - outcome).powi(2));
    }
    #[expect(clippy::cast_precision_loss, reason = "at most MOST_SCORED")]
    let count = squares.len() as f64;
    Ok(if squares.is_empty() { 0.25 } else { squares.iter().sum::<f64>() / count })
}
