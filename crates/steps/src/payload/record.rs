//! Record provenance's output: the history row of a run, whatever its outcome.

use crate::models::Features;
use kaizen_engine::{
    journal::{Facts, Phase},
    step::Output,
};
use serde::{Deserialize, Serialize};

/// One row of the history: the columns of the seed's `AutonomousImprovementHistory`, and what the
/// next runs need to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProvenanceRecord {
    pub run_id: String,
    pub outcome: String,
    pub title: Option<String>,
    pub change_type: Option<String>,
    pub risk_level: Option<String>,
    /// Percent that the designer expected.
    pub estimated_impact_pct: Option<f64>,
    pub designer: Option<String>,
    /// Files changed, the scripts first.
    pub files: Vec<String>,
    pub tables: Vec<String>,
    /// The up script, for designers not to propose it again.
    pub up: Option<String>,
    pub git_commit: Option<String>,
    pub revert_commit: Option<String>,
    /// Probability of success that the decision rested on, 0 to 1.
    pub success_score: Option<f64>,
    pub tests_passed: u32,
    pub tests_failed: u32,
    /// Percent of the objective, as measured; positive is better.
    pub performance_delta_pct: Option<f64>,
    pub error_message: Option<String>,
    pub was_deployed: bool,
    pub was_rolled_back: bool,
    pub started_at: String,
    pub completed_at: String,
    pub rolled_back_at: Option<String>,
    pub approved_by: Vec<String>,
    /// Lease key of what was changed.
    pub target: String,
    /// What was known before measuring; `None` where there was no change set.
    pub features: Option<Features>,
    /// The verdict of the last measurement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// Digest of what the change does, whatever it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Digest of what was found of the target before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

impl Output for ProvenanceRecord {
    const PHASE: Phase = Phase::RecordProvenance;

    fn facts(&self) -> Facts {
        Facts::Plain
    }
}
