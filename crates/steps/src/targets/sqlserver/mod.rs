//! A SQL Server database as a target: seeing it, live or from an exported file; running scripts on it;
//! watching what they did.

pub mod access;
pub mod analyze;
pub mod catalogue;
pub mod check;
pub mod document;
pub mod interval;
pub mod limits;
pub mod observe;
pub mod script;
pub mod stats;
mod values;
mod version;
pub mod watch;

#[cfg(test)]
pub(crate) mod tests;

pub use document::Document;
