//! What was measured, judged: estimates from pairs, the verdict, the probability of success.
//!
//! Pure functions of numbers and a seed. Deliberately not here: taking the measurements (the
//! targets do), deciding to keep or roll back (the evaluate phase does, with the policy's
//! `min_success_probability`), and the prior (`models`).

#[cfg(test)]
mod loop_tests;
pub mod paired;
#[cfg(test)]
mod paired_tests;
pub mod probability;
mod rules;
pub mod verdict;
#[cfg(test)]
mod verdict_tests;

pub use paired::{clear, estimate, log_ratio};
pub use probability::{Prior, Probability, posterior, unmeasured};
pub use verdict::{Limits, Measured, Objective, judge, size_saved};
