//! Tests of the pure core. Runs are made by folding facts, as they are everywhere else.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod pairs;
mod random;
mod refusals;
mod retention;
mod stored;
pub mod story;
