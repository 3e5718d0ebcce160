//! Update weights' output: what was learnt from the outcome.

use kaizen_engine::{
    journal::{Facts, Phase, event::ModelVersion},
    step::Output,
};
use serde::{Deserialize, Serialize};

/// What the outcome taught.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WeightsUpdate {
    /// New versions, each an artifact of the journal; empty where nothing was learnt.
    pub models: Vec<ModelVersion>,
    /// Weights that moved: name, before, after.
    pub changes: Vec<(String, f64, f64)>,
    /// For people: what the predictor is now, and why it was or was not promoted.
    pub notes: Vec<String>,
    /// What a person asked for, where no outcome taught it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
}

/// What a person asked of the models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Asked {
    /// To fit anew from the whole history.
    Train,
    /// To put an earlier version back.
    Restore { name: String, version: i64, reason: String },
}

impl Output for WeightsUpdate {
    const PHASE: Phase = Phase::UpdateWeights;

    fn facts(&self) -> Facts {
        Facts::Learned(self.models.clone())
    }
}
