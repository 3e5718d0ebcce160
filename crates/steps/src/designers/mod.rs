//! What proposes a change: rules, a model behind an endpoint, an agent.
//!
//! Deliberately not here: asking again, and what a proposal must be (`phases::asking`, `phases::vet`).

pub mod agent;
pub mod answer;
pub mod brief;
pub mod model;
pub mod rules;
pub mod sqlserver;
