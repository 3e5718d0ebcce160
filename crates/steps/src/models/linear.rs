//! Ridge regression by `linfa-elasticnet`, with the prior as pseudo-rows.
//!
//! Deliberately not here: what its features mean and when it is used (`quality`).

use super::{error::Error, measures::count, standard::standards};
use linfa::{Dataset, traits::Fit};
use linfa_elasticnet::ElasticNet;
use ndarray::{Array1, Array2};
use serde::{Deserialize, Serialize};

/// Weight of the squared coefficients of standardised features beside the sum of squared errors: as
/// much as ten rows. With it 20 rows of five features are told from noise (`quality_tests`).
const L2: f64 = 10.0;

/// A fitted model: `score = intercept + Σ coefficient × (x - mean) / scale`. Everything that a
/// program in another language needs to score it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Linear {
    pub names: Vec<String>,
    pub means: Vec<f64>,
    pub scales: Vec<f64>,
    pub coefficients: Vec<f64>,
    pub intercept: f64,
    /// Examples learned from, pseudo-rows not counted.
    pub rows: usize,
    pub l2: f64,
}

impl Linear {
    /// Fits the model to rows of finite numbers and their targets; `prior` is the target of as many
    /// more rows with average features.
    pub(super) fn fit(
        names: &[&str],
        encoded: &[Vec<f64>],
        targets: &[f64],
        prior: (usize, f64),
    ) -> Result<Linear, Error> {
        let (rows, width) = (encoded.len(), names.len());
        let (means, scales) = standards(encoded, width, width);
        let mut inputs = Array2::zeros((rows + prior.0, width));
        for (mut row, values) in inputs.rows_mut().into_iter().zip(encoded) {
            for (at, value) in values.iter().enumerate() {
                row[at] = (value - means[at]) / scales[at];
            }
        }
        let imagined = std::iter::repeat_n(prior.1, prior.0);
        let targets = targets.iter().copied().chain(imagined).collect::<Array1<f64>>();
        // `linfa` takes the mean of the squared errors.
        let fitted = ElasticNet::<f64>::ridge()
            .penalty(L2 / count(rows + prior.0))
            .max_iterations(2_000)
            .tolerance(1e-10)
            .fit(&Dataset::new(inputs, targets))
            .map_err(|source| Error::FitLinear { rows, source })?;
        let model = Linear {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            means,
            scales,
            coefficients: fitted.hyperplane().to_vec(),
            intercept: fitted.intercept(),
            rows,
            l2: L2,
        };
        if model.is_finite() { Ok(model) } else { Err(Error::NotFinite { rows }) }
    }

    /// The score and what each feature adds to it; NaN only where an edited model makes it so.
    pub(super) fn score(&self, encoded: &[f64]) -> (f64, Vec<(String, f64)>) {
        let mut parts = vec![("intercept".to_owned(), self.intercept)];
        for (at, name) in self.names.iter().enumerate() {
            let part = self.coefficients[at] * (encoded[at] - self.means[at]) / self.scales[at];
            parts.push((name.clone(), part));
        }
        (parts.iter().map(|(_, part)| part).sum(), parts)
    }

    /// Whether it is a model of these features.
    pub(super) fn is_sound(&self, names: &[&str]) -> bool {
        let lengths = [self.means.len(), self.scales.len(), self.coefficients.len()];
        self.names == names
            && lengths.iter().all(|length| *length == names.len())
            && self.scales.iter().all(|scale| *scale > 0.0)
            && self.is_finite()
    }

    fn is_finite(&self) -> bool {
        let all = [&self.means, &self.scales, &self.coefficients];
        all.into_iter().flatten().all(|value| value.is_finite()) && self.intercept.is_finite()
    }
}
