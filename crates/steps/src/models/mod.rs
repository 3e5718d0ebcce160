//! The `ChangeSuccessPredictor`, the `QualityScorer`, the `SearchReranker`, and the weights that
//! outcomes move.
//!
//! Pure functions of examples; models are plain data that serialise to JSON. Deliberately not
//! here: storing and numbering versions (the journal does), learning once per outcome revision and
//! at most 10 times an hour (the update-weights phase does), and what was measured (`evidence`):
//! a feature that is known only after measuring would leak the answer.

mod boosted;
mod error;
mod features;
mod linear;
mod logistic;
mod measures;
#[cfg(test)]
mod models_tests;
mod onnx;
mod predictor;
mod promote;
mod quality;
#[cfg(test)]
mod quality_tests;
mod reranker;
#[cfg(test)]
mod reranker_tests;
mod standard;
mod weights;

pub use boosted::{Boosted, Node, Tree};
pub use error::Error;
pub use features::{Features, PlanPattern, designer_name, encode, names};
pub use linear::Linear;
pub use logistic::Logistic;
pub use measures::{BINS, Bin, Measures, brier, mean_absolute_error, measure};
pub use predictor::{Example, LEAST_ROWS, Prediction, Predictor};
pub use promote::{Model, Promotion, prequential, promote};
pub use quality::{
    LEAST_RATED, MIDDLE, QUALITY_FEATURES, Quality, QualityFeatures, QualityScorer, Rated, score_of,
};
pub use reranker::{
    LEAST_SHOWN, Reranker, SHOWN_FEATURES, Shown, ShownExample, ShownFeatures, ShownOutcome,
};
pub use weights::{Change, Outcome, Weights};
