//! The `ChangeSuccessPredictor` and the weights that outcomes move.
//!
//! Pure functions of examples; models are plain data that serialise to JSON. Deliberately not
//! here: storing and numbering versions (the journal does), learning once per outcome revision and
//! at most 10 times an hour (the update-weights phase does), and what was measured (`evidence`):
//! a feature that is known only after measuring would leak the answer.

mod error;
mod features;
mod logistic;
#[cfg(test)]
mod models_tests;
mod predictor;
mod promote;
mod weights;

pub use error::Error;
pub use features::{Features, PlanPattern, designer_name, encode, names};
pub use predictor::{Example, LEAST_ROWS, Prediction, Predictor};
pub use promote::{Promotion, promote};
pub use weights::{Change, Outcome, Weights};
