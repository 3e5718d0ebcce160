//! Why a model could not be fitted, read or written.
//!
//! Deliberately not here: too few rows or one class only, which are no errors (a base rate or a
//! stated default answers for them).

use kaizen_engine::error::{Class, Classified};

/// A model could not be fitted, or not be exported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the logistic model could not be fitted to {rows} rows: {source}")]
    Fit {
        rows: usize,
        #[source]
        source: linfa_logistic::error::Error,
    },
    #[error("the linear model could not be fitted to {rows} rows: {source}")]
    FitLinear {
        rows: usize,
        #[source]
        source: linfa_elasticnet::ElasticNetError,
    },
    #[error("the model fitted to {rows} rows has a coefficient that is no number")]
    NotFinite { rows: usize },
    #[error("{name:?} is no model; there are {known}")]
    Unknown { name: String, known: String },
    #[error("the stored model does not fit this version of Kaizen, or was edited")]
    Unsound,
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            // Features are finite and both classes present by construction.
            Error::Fit { .. } | Error::FitLinear { .. } | Error::NotFinite { .. } => Class::Bug,
            Error::Unknown { .. } | Error::Unsound => Class::Operator,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Fit { .. } | Error::FitLinear { .. } => "model_fit_failed",
            Error::NotFinite { .. } => "model_not_finite",
            Error::Unknown { .. } => "no_such_model",
            Error::Unsound => "model_unsound",
        }
    }
}
