//! Why what was learnt could not be read, or not be learnt anew.

use crate::models;
use kaizen_engine::{
    error::{Class, Classified},
    shell,
};

/// The journal or a model stood in the way.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Journal(#[from] shell::Error),
    #[error(transparent)]
    Model(#[from] models::Error),
    #[error("the history row of r{run} is of another shape: {source}")]
    History {
        run: i64,
        #[source]
        source: serde_json::Error,
    },
    #[error("{name} {version} is of another shape: {source}")]
    Misshapen {
        name: &'static str,
        version: i64,
        #[source]
        source: serde_json::Error,
    },
    #[error("{name} could not be written as JSON: {source}")]
    Unwritable {
        name: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("{name} has no version {version}; {there}")]
    NoVersion { name: &'static str, version: i64, there: String },
    #[error("{name} has no version yet: nothing has been learnt")]
    NothingYet { name: &'static str },
    #[error("{name} {version} is in force already")]
    InForce { name: &'static str, version: i64 },
    #[error(
        "{name} was updated {most} times within the last hour: no loop may teach itself faster"
    )]
    TooOften { name: &'static str, most: usize },
    #[error("{name} {version} has no function of T-SQL: only a logistic model has")]
    NoFunction { name: &'static str, version: i64 },
    #[error("{name} is a table of weights and no model of features")]
    NoModel { name: &'static str },
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::Journal(source) => source.class(),
            Error::Model(source) => source.class(),
            Error::History { .. } | Error::Misshapen { .. } | Error::Unwritable { .. } => {
                Class::Bug
            }
            Error::NoVersion { .. }
            | Error::NothingYet { .. }
            | Error::InForce { .. }
            | Error::TooOften { .. }
            | Error::NoFunction { .. }
            | Error::NoModel { .. } => Class::Operator,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Journal(source) => source.code(),
            Error::Model(source) => source.code(),
            Error::History { .. } => "misshapen_history",
            Error::Misshapen { .. } => "misshapen_model",
            Error::Unwritable { .. } => "unwritable_model",
            Error::NoVersion { .. } => "no_such_version",
            Error::NothingYet { .. } => "nothing_learnt",
            Error::InForce { .. } => "version_in_force",
            Error::TooOften { .. } => "refused_too_often",
            Error::NoFunction { .. } => "no_function",
            Error::NoModel { .. } => "no_model_of_features",
        }
    }
}
