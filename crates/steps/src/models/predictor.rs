//! The predictor: a base rate while there is little to learn from, a logistic model after that.
//!
//! Deliberately not here: fitting the logistic model (`logistic`), replacing a version
//! (`promote`), the update by measured evidence (`evidence::probability`).

use super::{
    error::Error,
    features::{Features, encode},
    logistic::Logistic,
    promote::Model,
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

    /// The probability that any change stays; even odds of a model that asks which.
    pub(super) fn base(&self) -> f64 {
        match self {
            Predictor::BaseRate { successes, failures, prior } if self.is_sound() => {
                Prior::beta(*successes, *failures, *prior).probability
            }
            Predictor::BaseRate { .. } | Predictor::Logistic(_) => 0.5,
        }
    }

    /// The probability that a change with these features stays, before anything is measured.
    pub fn predict(&self, features: &Features) -> Prediction {
        // A stored model of other features (an older version, an edited file) scores nothing.
        if !self.is_sound() {
            return Prediction {
                probability: 0.5,
                basis: "the stored model does not fit this version: even odds".to_owned(),
                parts: Vec::new(),
            };
        }
        match self {
            Predictor::BaseRate { successes, failures, prior } => {
                base_rate_prediction(*successes, *failures, *prior)
            }
            Predictor::Logistic(model) => {
                let (probability, parts) = model.score(&encode(features));
                let basis = format!("logistic model of {} finished changes", model.rows);
                Prediction { probability, basis, parts }
            }
        }
    }
}

impl Model for Predictor {
    type Example = Example;

    const LOSS: &'static str = "Brier score";
    const LEAST_ROWS: usize = LEAST_ROWS;
    const MOST_FITS: usize = 200;

    fn fit(examples: &[Example]) -> Result<Predictor, Error> {
        Predictor::fit(examples)
    }

    fn simplest(examples: &[Example]) -> Predictor {
        Predictor::base_rate(examples)
    }

    fn is_simplest(&self) -> bool {
        matches!(self, Predictor::BaseRate { .. })
    }

    fn is_sound(&self) -> bool {
        match self {
            Predictor::BaseRate { successes, failures, prior: (a, b) } => {
                let counted = successes.checked_add(*failures).is_some();
                counted && [a, b].iter().all(|prior| prior.is_finite() && **prior > 0.0)
            }
            Predictor::Logistic(model) => model.is_sound(),
        }
    }

    fn expects(&self, example: &Example) -> f64 {
        self.predict(&example.features).probability
    }

    fn happened(example: &Example) -> f64 {
        if example.success { 1.0 } else { 0.0 }
    }

    fn run_of(example: &Example) -> &str {
        &example.run
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
