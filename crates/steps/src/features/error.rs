//! Why a feature was not turned on, and who must act.

use super::Feature;
use crate::adapters::mssql;
use kaizen_engine::error::{Class, Classified};

/// What can go wrong with a feature.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Server(#[from] mssql::Error),
    #[error("there is no feature {name}: there are {}", names())]
    Unknown { name: String },
    /// Missing, malformed or unknown.
    #[error("{feature}: {name} {why}")]
    Parameter { feature: &'static str, name: String, why: String },
    #[error("{feature} cannot be had: {why}")]
    Unsupported { feature: &'static str, why: String },
    #[error("{script} is PERMANENT: {why}")]
    Permanent { script: String, why: String },
    /// A model that cannot be written as T-SQL.
    #[error("no scoring function: {0}")]
    Model(String),
    /// A script of Kaizen's own with a placeholder that nothing fills.
    #[error("{feature}: nothing fills {{{{{placeholder}}}}}")]
    Placeholder { feature: &'static str, placeholder: String },
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::Server(error) => error.class(),
            Error::Placeholder { .. } => Class::Bug,
            Error::Unknown { .. }
            | Error::Parameter { .. }
            | Error::Unsupported { .. }
            | Error::Permanent { .. }
            | Error::Model(_) => Class::Operator,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Server(error) => error.code(),
            Error::Unknown { .. } => "feature_unknown",
            Error::Parameter { .. } => "feature_parameter",
            Error::Unsupported { .. } => "feature_unsupported",
            Error::Permanent { .. } => "feature_permanent",
            Error::Model(_) => "feature_model",
            Error::Placeholder { .. } => "feature_placeholder",
        }
    }
}

fn names() -> String {
    Feature::ALL.map(Feature::name).join(", ")
}
