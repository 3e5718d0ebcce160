//! What the journal teaches: examples from its history, versions of the models, fitting anew.
//!
//! Reads the journal, never writes it. Deliberately not here: what a model is and how it is fitted
//! (`models`).

mod describe;
mod error;
mod export;
mod fit;
mod lessons;
mod name;
mod versions;

pub use describe::{Description, Feature, Figures, describe, figures};
pub use error::Error;
pub use export::{onnx, tsql, usable};
pub use fit::{By, Candidate, candidate};
pub use lessons::{Examples, Lesson, lessons, success};
pub use name::Name;
pub use versions::{MOST_AN_HOUR, active, asked, in_force, read, updates_last_hour, version};
