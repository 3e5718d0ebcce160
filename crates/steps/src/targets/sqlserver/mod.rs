//! A SQL Server database as a target: seeing it, live or from an exported file.
//!
//! Deliberately not here yet: changing it. Scripts are made, shown and stop at the gate.

pub mod analyze;
pub mod document;
pub mod observe;
pub mod stats;

#[cfg(test)]
pub(crate) mod tests;

pub use document::Document;
