//! Update weights' output: what was learnt from the outcome.

use kaizen_engine::{
    journal::{Facts, Phase, event::ModelVersion},
    step::Output,
};
use serde::{Deserialize, Serialize};

/// What the outcome taught.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WeightsUpdate {
    /// New versions, each an artifact of the journal; empty where nothing was learnt.
    pub models: Vec<ModelVersion>,
    /// Weights that moved: name, before, after.
    pub changes: Vec<(String, f64, f64)>,
    /// For people: what the predictor is now, and why it was or was not promoted.
    pub notes: Vec<String>,
}

impl Output for WeightsUpdate {
    const PHASE: Phase = Phase::UpdateWeights;

    fn facts(&self) -> Facts {
        Facts::Learned(self.models.clone())
    }
}
