//! L2-regularised logistic regression by `linfa-logistic`, with the prior as pseudo-rows.
//!
//! Deliberately not here: when it is used (`predictor`) and whether it replaces another model
//! (`promote`).

use super::{
    error::Error,
    features::{NUMBERS, encode, names},
    predictor::Example,
    standard::standards,
};
use linfa::{Dataset, traits::Fit};
use linfa_logistic::LogisticRegression;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

/// Weight of the squared coefficients in the loss: 10 at 20 rows, falling to 3.
///
/// Chosen by simulation (`models_tests`, 20 seeds, mean Brier score on fresh data). With a fixed 3
/// the model beats the base rate by more at 20 rows (0.229 against 0.263), but where the features
/// say nothing it invents something (0.285 against 0.259); with a fixed 10 it invents little
/// (0.267) and still learns too slowly at 100 rows (0.188, where 3 gives 0.172). Choosing by
/// cross-validation did as well as this at 21 times the fits.
fn penalty(rows: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^53")]
    let rows = rows.max(1) as f64;
    3.0 + 140.0 / rows
}

/// A fitted model: `probability = 1 / (1 + exp(-(intercept + Σ coefficient × (x - mean) / scale)))`.
/// Everything that a program in another language needs to score it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    pub names: Vec<String>,
    pub means: Vec<f64>,
    pub scales: Vec<f64>,
    pub coefficients: Vec<f64>,
    pub intercept: f64,
    /// Examples learned from, pseudo-rows not counted.
    pub rows: usize,
    pub l2: f64,
}

impl Logistic {
    /// Fits the model. The prior Beta(1, 1) is two more rows with average features, one success
    /// and one failure; it also sees to it that both classes are there.
    pub fn fit(examples: &[Example]) -> Result<Logistic, Error> {
        let rows = examples.len();
        let l2 = penalty(rows);
        let encoded: Vec<Vec<f64>> = examples.iter().map(|e| encode(&e.features)).collect();
        let names = names();
        let (means, scales) = standards(&encoded, names.len(), NUMBERS.len());
        let mut inputs = Array2::zeros((rows + 2, names.len()));
        for (mut row, values) in inputs.rows_mut().into_iter().zip(&encoded) {
            for (at, value) in values.iter().enumerate() {
                row[at] = (value - means[at]) / scales[at];
            }
        }
        let outcomes = examples.iter().map(|example| example.success).chain([true, false]);
        let data = Dataset::new(inputs, outcomes.collect::<Array1<bool>>());
        let fitted = LogisticRegression::default()
            .alpha(l2)
            .max_iterations(200)
            .fit(&data)
            .map_err(|source| Error::Fit { rows, source })?;
        // `linfa` calls the more frequent class the positive one.
        let sign = if fitted.labels().pos.class { 1.0 } else { -1.0 };
        let model = Logistic {
            names,
            means,
            scales,
            coefficients: fitted.params().iter().map(|value| sign * value).collect(),
            intercept: sign * fitted.intercept(),
            rows,
            l2,
        };
        if model.is_finite() { Ok(model) } else { Err(Error::NotFinite { rows }) }
    }

    /// The probability of success and what each feature adds to the log-odds.
    pub fn score(&self, encoded: &[f64]) -> (f64, Vec<(String, f64)>) {
        let mut parts = vec![("intercept".to_owned(), self.intercept)];
        for (at, name) in self.names.iter().enumerate() {
            let standard = (encoded[at] - self.means[at]) / self.scales[at];
            let part = self.coefficients[at] * standard;
            if part != 0.0 {
                parts.push((name.clone(), part));
            }
        }
        let log_odds: f64 = parts.iter().map(|(_, part)| part).sum();
        // Infinite parts of both signs, in an edited model, say nothing.
        let log_odds = if log_odds.is_nan() { 0.0 } else { log_odds };
        (1.0 / (1.0 + (-log_odds).exp()), parts)
    }

    /// The same model of the features as they are: names with coefficients, and the intercept, with
    /// means and scales folded in.
    #[must_use]
    pub fn raw(&self) -> (Vec<(&str, f64)>, f64) {
        let raw = |at: usize| self.coefficients[at] / self.scales[at];
        let shift: f64 = (0..self.names.len()).map(|at| raw(at) * self.means[at]).sum();
        let named = self.names.iter().enumerate().map(|(at, name)| (name.as_str(), raw(at)));
        (named.collect(), self.intercept - shift)
    }

    /// Whether it can be used: stored by this or another version, edited or not.
    pub fn is_sound(&self) -> bool {
        let width = names().len();
        let lengths = [self.means.len(), self.scales.len(), self.coefficients.len()];
        self.names == names()
            && lengths.iter().all(|length| *length == width)
            && self.scales.iter().all(|scale| *scale > 0.0)
            && self.is_finite()
    }

    fn is_finite(&self) -> bool {
        let all = [&self.means, &self.scales, &self.coefficients];
        all.into_iter().flatten().all(|value| value.is_finite()) && self.intercept.is_finite()
    }
}
