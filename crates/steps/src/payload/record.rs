//! Record provenance's output: the history row of a run, whatever its outcome.

use crate::models::{Features, QualityFeatures, Shown};
use kaizen_engine::{
    journal::{Facts, Outcome, Phase, Run},
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
    /// What was known of the change when it was first shown to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<QualityFeatures>,
    /// What reviewers gave it with their approval, 1 to 5.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ratings: Vec<u8>,
    /// Earlier attempts that the designer was shown, and which of them the proposal drew on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<Shown>,
    /// It was kept, and taken back because its time was over: no failure.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended_in_time: bool,
}

impl ProvenanceRecord {
    /// Of a run that only learns: nothing was changed.
    #[must_use]
    pub fn of_learning(run: &Run, title: String) -> ProvenanceRecord {
        ProvenanceRecord {
            run_id: run.id.to_string(),
            outcome: Outcome::NoChange.word().to_owned(),
            title: Some(title),
            change_type: None,
            risk_level: None,
            estimated_impact_pct: None,
            designer: None,
            files: Vec::new(),
            tables: Vec::new(),
            up: None,
            git_commit: None,
            revert_commit: None,
            success_score: None,
            tests_passed: 0,
            tests_failed: 0,
            performance_delta_pct: None,
            error_message: None,
            was_deployed: false,
            was_rolled_back: false,
            started_at: run.created_at.to_string(),
            completed_at: run.created_at.to_string(),
            rolled_back_at: None,
            approved_by: Vec::new(),
            target: run.created.target.clone(),
            features: None,
            quality: None,
            ratings: Vec::new(),
            shown: Vec::new(),
            ended_in_time: false,
            verdict: None,
            content: None,
            evidence: None,
        }
    }
}

impl Output for ProvenanceRecord {
    const PHASE: Phase = Phase::RecordProvenance;

    fn facts(&self) -> Facts {
        Facts::Plain
    }
}
