//! The `QualityScorer`: what reviewers would think of a change, 0 to 100, before any of them has
//! seen it. Learned from the ratings that they give with an approval.
//!
//! Deliberately not here: whether a change will stay (`predictor`), and anything that is measured:
//! a good change that does not help is still a good change.

use super::{error::Error, linear::Linear, measures::count, promote::Model};
use crate::payload::{Change, Check, CheckResult};
use serde::{Deserialize, Serialize};

/// Rated changes from which on the linear model is fitted.
pub const LEAST_RATED: usize = 20;

/// Three of five stars: the score of what nobody has said anything about.
pub const MIDDLE: f64 = 60.0;

/// Points of a star, as in the system that Kaizen grows out of: five are 100.
const POINTS: f64 = 20.0;

/// As many imagined changes with [`MIDDLE`] temper the first ratings.
const IMAGINED: usize = 5;

/// The names of the features, in the order of [`QualityFeatures::encode`].
pub const QUALITY_FEATURES: [&str; 5] =
    ["tests_share", "diff_lines_log", "complexity_log", "files_log", "past_score"];

/// What is known of a change when it is first shown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct QualityFeatures {
    /// Share of the preflight's checks that passed, 0 to 1: the others could not be made.
    pub tests_share: f64,
    /// ln(1 + lines of the diff).
    pub diff_lines_log: f64,
    /// ln(1 + statements of both scripts + tables touched).
    pub complexity_log: f64,
    /// ln(1 + files).
    pub files_log: f64,
    /// Mean score of earlier rated changes of the same designer, 0 to 100; 60 where there are none.
    pub past_score: f64,
}

impl QualityFeatures {
    /// Of a change, the checks that its preflight made, and how its designer's earlier ones were rated.
    #[must_use]
    pub fn of(change: &Change, checks: &[Check], past_score: f64) -> QualityFeatures {
        let passed = checks.iter().filter(|check| check.result == CheckResult::Passed).count();
        let lines = change.diff.lines().filter(|line| line.starts_with(['+', '-'])).count();
        let statements = change.statements_up.len() + change.statements_down.len();
        QualityFeatures {
            tests_share: count(passed) / count(checks.len().max(1)),
            diff_lines_log: count(lines).ln_1p(),
            complexity_log: count(statements + change.tables.len()).ln_1p(),
            files_log: count(change.files.len()).ln_1p(),
            past_score,
        }
    }

    /// As finite numbers; one that is none counts as 0.
    #[must_use]
    pub fn encode(&self) -> Vec<f64> {
        let within =
            |value: f64, most: f64| if value.is_finite() { value.clamp(0.0, most) } else { 0.0 };
        vec![
            within(self.tests_share, 1.0),
            within(self.diff_lines_log, 18.0),
            within(self.complexity_log, 18.0),
            within(self.files_log, 18.0),
            within(self.past_score, 100.0),
        ]
    }
}

/// A change that reviewers rated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rated {
    pub features: QualityFeatures,
    /// 0 to 100.
    pub score: f64,
    /// `r12`.
    pub run: String,
}

/// The mean of ratings as a score, 20 points a star; `None` without any. What is no rating is no vote.
#[must_use]
pub fn score_of(ratings: &[u8]) -> Option<f64> {
    let valid = ratings.iter().filter(|rating| (1..=5).contains(*rating));
    let (stars, votes) = valid.fold((0.0, 0), |(sum, n), rating| (sum + f64::from(*rating), n + 1));
    (votes > 0).then(|| POINTS * stars / count(votes))
}

/// A version of the scorer, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "method")]
pub enum QualityScorer {
    /// The mean of all ratings and five of three stars, whatever the change.
    Mean {
        rows: usize,
        sum: f64,
    },
    Linear(Linear),
}

/// What the scorer thinks of a change, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    pub features: QualityFeatures,
    /// 0 to 100, never NaN.
    pub score: f64,
    /// For people, with the count of rows that it rests on.
    pub basis: String,
}

impl Default for QualityScorer {
    fn default() -> QualityScorer {
        QualityScorer::Mean { rows: 0, sum: 0.0 }
    }
}

impl QualityScorer {
    /// The score of a change with these features.
    #[must_use]
    pub fn score(&self, features: QualityFeatures) -> Quality {
        let (score, basis) = self.score_encoded(&features.encode());
        Quality { features, score, basis }
    }

    pub(super) fn score_encoded(&self, encoded: &[f64]) -> (f64, String) {
        let middle = |why: &str| (MIDDLE, format!("{why}: three of five stars"));
        if !self.is_sound() {
            return middle("the stored model does not fit this version");
        }
        match self {
            QualityScorer::Mean { rows: 0, .. } => middle("nobody has rated a change yet"),
            QualityScorer::Mean { rows, sum } => {
                let basis = format!("mean of {rows} rated changes and {IMAGINED} of three stars");
                (mean(*rows, *sum), basis)
            }
            QualityScorer::Linear(model) => {
                let (score, _) = model.score(encoded);
                let score = if score.is_nan() { MIDDLE } else { score.clamp(0.0, 100.0) };
                (score, format!("linear model of {} rated changes", model.rows))
            }
        }
    }
}

/// The mean of this many scores and the imagined ones.
pub(super) fn mean(rows: usize, sum: f64) -> f64 {
    (sum + MIDDLE * count(IMAGINED)) / count(rows + IMAGINED)
}

impl Model for QualityScorer {
    type Example = Rated;

    const LOSS: &'static str = "mean squared error (of 1)";
    const IS_SCORE: bool = true;
    const LEAST_ROWS: usize = LEAST_RATED;
    const MOST_FITS: usize = 200;

    fn fit(examples: &[Rated]) -> Result<QualityScorer, Error> {
        if examples.len() < LEAST_RATED {
            return Ok(QualityScorer::simplest(examples));
        }
        let encoded: Vec<_> = examples.iter().map(|rated| rated.features.encode()).collect();
        let scores: Vec<_> = examples.iter().map(finite).collect();
        Linear::fit(&QUALITY_FEATURES, &encoded, &scores, (IMAGINED, MIDDLE))
            .map(QualityScorer::Linear)
    }

    fn simplest(examples: &[Rated]) -> QualityScorer {
        QualityScorer::Mean { rows: examples.len(), sum: examples.iter().map(finite).sum() }
    }

    fn is_simplest(&self) -> bool {
        matches!(self, QualityScorer::Mean { .. })
    }

    fn is_sound(&self) -> bool {
        match self {
            QualityScorer::Mean { rows, sum } => *sum >= 0.0 && *sum <= 100.0 * count(*rows) + 1e-6,
            QualityScorer::Linear(model) => model.is_sound(&QUALITY_FEATURES),
        }
    }

    fn expects(&self, example: &Rated) -> f64 {
        self.score_encoded(&example.features.encode()).0 / 100.0
    }

    fn happened(example: &Rated) -> f64 {
        finite(example) / 100.0
    }

    fn run_of(example: &Rated) -> &str {
        &example.run
    }
}

fn finite(rated: &Rated) -> f64 {
    if rated.score.is_finite() { rated.score.clamp(0.0, 100.0) } else { MIDDLE }
}
