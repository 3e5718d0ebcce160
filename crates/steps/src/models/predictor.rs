//! The predictor: a base rate while there is little to learn from, a logistic model after that.
//!
//! Deliberately not here: fitting the logistic model (`logistic`), replacing a version
//! (`promote`), the update by measured evidence (`evidence::probability`).

use super::{
    error::Error,
    features::{Features, encode},
    logistic::Logistic,
};
use crate::evidence::Prior;
use serde::{Deserialize, Serialize};

/// Rows from which on the logistic model is fitted: below, 23 features are more than the data.
pub const LEAST_ROWS: usize = 20;

/// One finished change: what was known before, and whether it stayed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    pub features: Features,
    /// It was kept and is still deployed.
    pub success: bool,
    /// `r12`.
    pub run: String,
}

/// A version of the predictor, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "method")]
pub enum Predictor {
    /// The mean of Beta(a + successes, b + failures), whatever the change.
    BaseRate {
        successes: u32,
        failures: u32,
        prior: (f64, f64),
    },
    Logistic(Logistic),
}

/// What the predictor thinks of a change, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// Between 0 and 1, never NaN.
    pub probability: f64,
    /// For people, with the count of rows that it rests on.
    pub basis: String,
    /// Counts of a base rate, or what each feature adds to the log-odds.
    pub parts: Vec<(String, f64)>,
}

impl Default for Predictor {
    /// Nothing learned yet: even odds.
    fn default() -> Predictor {
        Predictor::base_rate(&[])
    }
}

impl Predictor {
    /// The base rate under [`LEAST_ROWS`] examples, else the logistic model.
    ///
    /// # Errors
    /// Where the solver fails, which no finite examples are known to bring about.
    pub fn fit(examples: &[Example]) -> Result<Predictor, Error> {
        if examples.len() < LEAST_ROWS {
            return Ok(Predictor::base_rate(examples));
        }
        Logistic::fit(examples).map(Predictor::Logistic)
    }

    /// The Beta-binomial base rate with the uniform prior Beta(1, 1).
    pub fn base_rate(examples: &[Example]) -> Predictor {
        let count = |success| examples.iter().filter(|example| example.success == success).count();
        Predictor::BaseRate {
            successes: u32::try_from(count(true)).unwrap_or(u32::MAX),
            failures: u32::try_from(count(false)).unwrap_or(u32::MAX),
            prior: (1.0, 1.0),
        }
    }

    /// The probability that a change with these features stays, before anything is measured.
    pub fn predict(&self, features: &Features) -> Prediction {
        match self {
            Predictor::BaseRate { successes, failures, prior } => {
                base_rate_prediction(*successes, *failures, *prior)
            }
            // A stored model of other features (an older version, an edited file) scores nothing.
            Predictor::Logistic(model) if !model.is_sound() => Prediction {
                probability: 0.5,
                basis: "the stored logistic model does not fit this version: even odds".to_owned(),
                parts: Vec::new(),
            },
            Predictor::Logistic(model) => {
                let (probability, parts) = model.score(&encode(features));
                let basis = format!("logistic model of {} finished changes", model.rows);
                Prediction { probability, basis, parts }
            }
        }
    }
}

fn base_rate_prediction(successes: u32, failures: u32, (a, b): (f64, f64)) -> Prediction {
    let Prior { probability, basis } = Prior::beta(successes, failures, (a, b));
    let parts = vec![
        ("successes".to_owned(), f64::from(successes)),
        ("failures".to_owned(), f64::from(failures)),
        ("prior_successes".to_owned(), a),
        ("prior_failures".to_owned(), b),
    ];
    Prediction { probability, basis, parts }
}

impl From<&Prediction> for Prior {
    fn from(prediction: &Prediction) -> Prior {
        Prior { probability: prediction.probability, basis: prediction.basis.clone() }
    }
}
