//! The `SearchReranker`: which of the earlier attempts that a search found a designer should be shown
//! first. Learned from which shown attempts a kept change drew on.
//!
//! Deliberately not here: the search itself, and what a proposal says that it drew on.

use super::{boosted::Boosted, error::Error, promote::Model};
use serde::{Deserialize, Serialize};

/// Shown attempts from which on the trees are grown.
pub const LEAST_SHOWN: usize = 20;

/// What sharing all tables is worth beside the lexical score, in the order before anything is learnt.
pub(super) const SAME_TABLES: f64 = 0.25;

/// The names of the features, in the order of [`ShownFeatures::encode`].
pub const SHOWN_FEATURES: [&str; 7] = [
    "lexical",
    "same_tables",
    "same_kind",
    "same_designer",
    "was_kept",
    "was_rolled_back",
    "age_days_log",
];

/// How an earlier attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShownOutcome {
    Kept,
    RolledBack,
    /// Rejected, failed, a dry run: it was never judged.
    Other,
}

/// What is known of an earlier attempt when it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ShownFeatures {
    /// How alike the texts are, 0 to 1.
    pub lexical: f64,
    /// Share of the tables in question that it touched, 0 to 1.
    pub same_tables: f64,
    pub same_kind: bool,
    pub same_designer: bool,
    pub outcome: ShownOutcome,
    /// Days since it ended.
    pub age_days: f64,
}

impl ShownFeatures {
    /// As finite numbers; one that is none counts as 0.
    #[must_use]
    pub fn encode(&self) -> Vec<f64> {
        let within =
            |value: f64, most: f64| if value.is_finite() { value.clamp(0.0, most) } else { 0.0 };
        let mark = |is: bool| if is { 1.0 } else { 0.0 };
        vec![
            within(self.lexical, 1.0),
            within(self.same_tables, 1.0),
            mark(self.same_kind),
            mark(self.same_designer),
            mark(self.outcome == ShownOutcome::Kept),
            mark(self.outcome == ShownOutcome::RolledBack),
            within(self.age_days, 1e6).ln_1p(),
        ]
    }
}

/// An earlier attempt that a designer was shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// The attempt: `r12`.
    pub run: String,
    pub features: ShownFeatures,
    /// Whether the proposal says that it drew on it.
    pub drew_on: bool,
}

/// One shown attempt, and whether showing it was of use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShownExample {
    pub features: ShownFeatures,
    /// The proposal drew on it, and the change was kept.
    pub useful: bool,
    /// The run whose designer was shown it: `r42`.
    pub run: String,
}

/// A version of the reranker, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "method")]
pub enum Reranker {
    /// By the lexical score, a quarter more for sharing all tables.
    Order {
        rows: usize,
    },
    Boosted(Boosted),
}

impl Default for Reranker {
    fn default() -> Reranker {
        Reranker::Order { rows: 0 }
    }
}

impl Reranker {
    /// How useful it would be to show this attempt, 0 to 1, never NaN. Only the order counts.
    #[must_use]
    pub fn score(&self, features: &ShownFeatures) -> f64 {
        self.score_encoded(&features.encode())
    }

    pub(super) fn score_encoded(&self, encoded: &[f64]) -> f64 {
        match self {
            Reranker::Boosted(model) if model.is_sound(&SHOWN_FEATURES) => model.score(encoded),
            // A stored model of other features (an older version, an edited file) orders nothing.
            Reranker::Boosted(_) | Reranker::Order { .. } => {
                let (lexical, same_tables) = (encoded[0], encoded[1]);
                (lexical + SAME_TABLES * same_tables) / (1.0 + SAME_TABLES)
            }
        }
    }

    /// Places of the attempts, the most useful first; equal ones stay as they were.
    #[must_use]
    pub fn order(&self, found: &[ShownFeatures]) -> Vec<usize> {
        let scores: Vec<f64> = found.iter().map(|features| self.score(features)).collect();
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        order
    }

    /// For people: what it rests on.
    #[must_use]
    pub fn basis(&self) -> String {
        match self {
            Reranker::Boosted(model) if self.is_sound() => {
                format!("{} trees grown from {} shown attempts", model.trees.len(), model.rows)
            }
            Reranker::Boosted(_) => {
                "the stored model does not fit this version: the lexical order".to_owned()
            }
            Reranker::Order { rows } => format!(
                "the lexical score with a quarter more for the same tables ({rows} shown attempts; \
                 {LEAST_SHOWN} are needed)"
            ),
        }
    }
}

impl Model for Reranker {
    type Example = ShownExample;

    const LOSS: &'static str = "Brier score";
    const LEAST_ROWS: usize = LEAST_SHOWN;
    const MOST_FITS: usize = 20;

    fn fit(examples: &[ShownExample]) -> Result<Reranker, Error> {
        let useful = examples.iter().filter(|example| example.useful).count();
        // One class only has no order to learn.
        if examples.len() < LEAST_SHOWN || useful == 0 || useful == examples.len() {
            return Ok(Reranker::simplest(examples));
        }
        let encoded: Vec<_> = examples.iter().map(|example| example.features.encode()).collect();
        let labels: Vec<_> = examples.iter().map(|example| example.useful).collect();
        Boosted::fit(&SHOWN_FEATURES, &encoded, &labels).map(Reranker::Boosted)
    }

    fn simplest(examples: &[ShownExample]) -> Reranker {
        Reranker::Order { rows: examples.len() }
    }

    fn is_simplest(&self) -> bool {
        matches!(self, Reranker::Order { .. })
    }

    fn is_sound(&self) -> bool {
        match self {
            Reranker::Order { .. } => true,
            Reranker::Boosted(model) => model.is_sound(&SHOWN_FEATURES),
        }
    }

    fn expects(&self, example: &ShownExample) -> f64 {
        self.score(&example.features)
    }

    fn happened(example: &ShownExample) -> f64 {
        if example.useful { 1.0 } else { 0.0 }
    }

    fn run_of(example: &ShownExample) -> &str {
        &example.run
    }
}
