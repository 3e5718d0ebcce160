//! Why a predictor could not be fitted or read.
//!
//! Deliberately not here: too few rows or one class only, which are no errors (the base rate
//! answers for them).

use kaizen_engine::error::{Class, Classified};

/// A predictor could not be fitted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the logistic model could not be fitted to {rows} rows: {source}")]
    Fit {
        rows: usize,
        #[source]
        source: linfa_logistic::error::Error,
    },
    #[error("the logistic model fitted to {rows} rows has a coefficient that is no number")]
    NotFinite { rows: usize },
}

impl Classified for Error {
    fn class(&self) -> Class {
        // Features are finite and both classes present by construction.
        Class::Bug
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Fit { .. } => "model_fit_failed",
            Error::NotFinite { .. } => "model_not_finite",
        }
    }
}
