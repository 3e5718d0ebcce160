//! What a version of a model is, and how good its method has been, for people and programs.
//!
//! Deliberately not here: words, columns, and how bins are drawn.

use super::{Error, Examples, Name, versions::read};
use crate::models::{
    Linear, Logistic, Measures, Model, Predictor, QualityScorer, Reranker, SHOWN_FEATURES, Weights,
    mean_absolute_error, measure, prequential,
};
use kaizen_engine::shell::{Reader, reader::ModelRow};
use serde::Serialize;

/// A version of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// `base_rate`, `logistic`, `mean`, `linear`, `order`, `boosted`, `weights`.
    pub method: &'static str,
    /// Examples that it was learned from; `None`: weights, which no examples make.
    pub rows: Option<usize>,
    /// For people: what it rests on.
    pub basis: String,
    pub intercept: Option<f64>,
    pub features: Vec<Feature>,
}

/// One feature of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Feature {
    pub name: String,
    /// Of the standardised feature; of trees, the share of splits that ask for it; of weights, the weight.
    pub coefficient: f64,
    pub mean: Option<f64>,
    pub scale: Option<f64>,
}

/// How good a method has been, each example predicted before it was learned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// What `loss` is: `Brier score`.
    pub loss_name: &'static str,
    /// Examples that were scored.
    pub rows: usize,
    /// 0 is perfect; `None` without examples.
    pub loss: Option<f64>,
    /// The same of the base rate, or of the stated default.
    pub simplest_loss: Option<f64>,
    /// Of probabilities.
    pub auc: Option<f64>,
    pub reliability: Vec<crate::models::Bin>,
    /// Of scores from 0 to 100: by how many points they missed, on average.
    pub mean_absolute_error: Option<f64>,
}

/// What a version says; `None`: what is in force before the first.
///
/// # Errors
/// Where it cannot be read back.
pub fn describe(
    reader: &Reader,
    name: Name,
    row: Option<&ModelRow>,
    examples: &Examples,
) -> Result<Description, Error> {
    Ok(match name {
        Name::Predictor => {
            let model = or_simplest(reader, name, row, &examples.judged)?;
            predictor(&model)
        }
        Name::Quality => {
            let model = or_simplest(reader, name, row, &examples.rated)?;
            quality(&model)
        }
        Name::Reranker => {
            let model = or_simplest(reader, name, row, &examples.shown)?;
            reranker(&model)
        }
        Name::Weights => {
            let held: Option<Weights> = row.map(|row| read(reader, name, row)).transpose()?;
            weights(&held.unwrap_or_default())
        }
    })
}

/// How good the method of a version has been on all that the journal holds; `None` for the weights.
///
/// # Errors
/// Where a model cannot be read or fitted.
pub fn figures(
    reader: &Reader,
    name: Name,
    row: Option<&ModelRow>,
    examples: &Examples,
) -> Result<Option<Figures>, Error> {
    Ok(match name {
        Name::Predictor => {
            let model: Predictor = or_simplest(reader, name, row, &examples.judged)?;
            Some(judged(&model, &examples.judged)?)
        }
        Name::Quality => {
            let model: QualityScorer = or_simplest(reader, name, row, &examples.rated)?;
            Some(judged(&model, &examples.rated)?)
        }
        Name::Reranker => {
            let model: Reranker = or_simplest(reader, name, row, &examples.shown)?;
            Some(judged(&model, &examples.shown)?)
        }
        Name::Weights => None,
    })
}

fn or_simplest<M: Model + serde::de::DeserializeOwned>(
    reader: &Reader,
    name: Name,
    row: Option<&ModelRow>,
    examples: &[M::Example],
) -> Result<M, Error> {
    match row {
        Some(row) => read(reader, name, row),
        None => Ok(M::simplest(examples)),
    }
}

fn judged<M: Model>(model: &M, examples: &[M::Example]) -> Result<Figures, Error> {
    let seen = prequential(model, examples)?;
    let simplest = prequential(&M::simplest(examples), examples)?;
    let outcomes = seen.iter().filter(|_| !M::IS_SCORE);
    let probabilities: Vec<_> =
        outcomes.map(|(guess, happened)| (*guess, *happened > 0.5)).collect();
    let Measures { auc, reliability, .. } = measure(&probabilities);
    let points: Vec<_> = seen.iter().map(|(guess, truth)| (guess * 100.0, truth * 100.0)).collect();
    Ok(Figures {
        loss_name: M::LOSS,
        rows: seen.len(),
        loss: mean_square(&seen),
        simplest_loss: mean_square(&simplest),
        auc,
        reliability,
        mean_absolute_error: mean_absolute_error(&points).filter(|_| M::IS_SCORE),
    })
}

fn mean_square(pairs: &[(f64, f64)]) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "rows are far fewer than 2^53")]
    let rows = pairs.len() as f64;
    let sum: f64 = pairs.iter().map(|(guess, truth)| (guess - truth).powi(2)).sum();
    (!pairs.is_empty()).then_some(sum / rows)
}

fn predictor(model: &Predictor) -> Description {
    match model {
        Predictor::BaseRate { successes, failures, .. } => {
            let rows = *successes as usize + *failures as usize;
            Description {
                method: "base_rate",
                rows: Some(rows),
                basis: format!(
                    "the base rate of {rows} judged changes; a logistic model needs {}",
                    Predictor::LEAST_ROWS
                ),
                intercept: None,
                features: Vec::new(),
            }
        }
        Predictor::Logistic(fitted) if !model.is_sound() => unsound("logistic", fitted.rows),
        Predictor::Logistic(Logistic {
            names,
            means,
            scales,
            coefficients,
            intercept,
            rows,
            ..
        }) => Description {
            method: "logistic",
            rows: Some(*rows),
            basis: format!("logistic model of {rows} judged changes"),
            intercept: Some(*intercept),
            features: standardised(names, coefficients, means, scales),
        },
    }
}

fn quality(model: &QualityScorer) -> Description {
    match model {
        QualityScorer::Mean { rows, .. } => Description {
            method: "mean",
            rows: Some(*rows),
            basis: format!(
                "the mean of {rows} rated changes and five of three stars; a linear model needs {}",
                QualityScorer::LEAST_ROWS
            ),
            intercept: None,
            features: Vec::new(),
        },
        QualityScorer::Linear(fitted) if !model.is_sound() => unsound("linear", fitted.rows),
        QualityScorer::Linear(Linear {
            names,
            means,
            scales,
            coefficients,
            intercept,
            rows,
            ..
        }) => Description {
            method: "linear",
            rows: Some(*rows),
            basis: format!("linear model of {rows} rated changes"),
            intercept: Some(*intercept),
            features: standardised(names, coefficients, means, scales),
        },
    }
}

fn reranker(model: &Reranker) -> Description {
    match model {
        Reranker::Order { rows } => Description {
            method: "order",
            rows: Some(*rows),
            basis: model.basis(),
            intercept: None,
            features: Vec::new(),
        },
        Reranker::Boosted(fitted) => Description {
            method: "boosted",
            rows: Some(fitted.rows),
            basis: model.basis(),
            intercept: model.is_sound().then_some(fitted.base),
            features: fitted
                .shares(SHOWN_FEATURES.len())
                .into_iter()
                .zip(SHOWN_FEATURES)
                .map(|(coefficient, name)| plain(name, coefficient))
                .collect(),
        },
    }
}

fn weights(weights: &Weights) -> Description {
    let named = |of: &str, map: &std::collections::BTreeMap<String, f64>| -> Vec<Feature> {
        map.iter().map(|(key, weight)| plain(&format!("{of}:{key}"), *weight)).collect()
    };
    let features =
        [named("kind", &weights.by_kind), named("designer", &weights.by_designer)].concat();
    Description {
        method: "weights",
        rows: None,
        basis: "moved by each outcome, between 0.01 and 1; what is not named weighs 0.5".to_owned(),
        intercept: None,
        features,
    }
}

fn unsound(method: &'static str, rows: usize) -> Description {
    let basis = "the stored model does not fit this version of Kaizen: it is not used".to_owned();
    Description { method, rows: Some(rows), basis, intercept: None, features: Vec::new() }
}

fn plain(name: &str, coefficient: f64) -> Feature {
    Feature { name: name.to_owned(), coefficient, mean: None, scale: None }
}

fn standardised(
    names: &[String],
    coefficients: &[f64],
    means: &[f64],
    scales: &[f64],
) -> Vec<Feature> {
    let numbers = coefficients.iter().zip(means).zip(scales);
    let feature = |(name, ((coefficient, mean), scale)): (&String, ((&f64, &f64), &f64))| Feature {
        name: name.clone(),
        coefficient: *coefficient,
        mean: Some(*mean),
        scale: Some(*scale),
    };
    names.iter().zip(numbers).map(feature).collect()
}
