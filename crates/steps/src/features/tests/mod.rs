//! What of the features can be tested without SQL Server: scripts and their placeholders, parameters,
//! who is refused, and that a generated function scores as the formula does.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod refusals;
mod scoring;
mod texts;
