//! What a probe of the outside world answers after a crash. What follows from the answer (adopt,
//! perform, sleep, ask a person) is the engine's to decide.

use serde::{Deserialize, Serialize};

/// Whether an announced effect has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "probe", content = "reason")]
pub enum Probe {
    /// It has: adopt it.
    Done,
    /// It has not: perform it.
    NotDone,
    /// The place to look cannot be reached now, with the reason.
    Unreachable(String),
    /// It cannot be told; says what a person should look at.
    Unknown(String),
}
