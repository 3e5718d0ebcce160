//! The seven phases and everything they use: targets, designers, adapters, evidence, predictors.
//!
//! The steps know no journal: what they learn goes back to the engine as typed payloads
//! ([`payload`]), what they do to the outside world as effects with a probe.

pub mod adapters;
pub mod attempts;
pub mod audit;
pub mod designers;
pub mod effects;
pub mod evidence;
pub mod features;
pub mod models;
pub mod patch;
pub mod payload;
pub mod phases;
pub mod project;
pub mod provenance;
pub mod sql;
pub mod targets;
pub mod training;
