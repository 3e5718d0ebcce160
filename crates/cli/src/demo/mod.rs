//! The sample project that `kaizen demo` works on: its data and its files.
//!
//! The rows are generated (TPC-H, always the same for a scale); no result of any run is written
//! in advance. Making the git repository and running the loop belong to the command.

pub mod data;
pub mod project;
mod tables;

use kaizen_engine::error::{Class, Classified};
use std::path::PathBuf;

/// The scale that the demo uses: 60 thousand line items, 12 MB.
pub const SCALE: f64 = 0.01;

/// Why the sample project could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something is there already; nothing is overwritten.
    #[error("{} exists already, and the demo overwrites nothing", .0.display())]
    Exists(PathBuf),
    /// The scale is not one that can be generated here.
    #[error("the scale {0} is out of range: from {min} to {max}", min = data::SCALES.start(), max = data::SCALES.end())]
    Scale(f64),
    /// The database could not be written.
    #[error("writing the sample database {}: {source}", path.display())]
    Database { path: PathBuf, source: rusqlite::Error },
    /// A file could not be written.
    #[error("writing {}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
}

impl Classified for Error {
    fn class(&self) -> Class {
        Class::Operator
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Exists(_) => "demo_exists",
            Error::Scale(_) => "demo_scale",
            Error::Database { .. } => "demo_database",
            Error::File { .. } => "demo_file",
        }
    }
}
