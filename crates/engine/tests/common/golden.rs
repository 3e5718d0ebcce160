//! What stands beside a golden journal: how each of its runs was stopped, what the world around
//! it was, and how it must end.

use kaizen_engine::journal::Effect;
use serde::{Deserialize, Serialize};

/// One run of a golden journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stopped {
    pub run: i64,
    pub what: String,
    /// What Evaluate will say.
    pub keep: bool,
    /// The effects that the world has.
    pub there: Vec<Effect>,
    /// The outcome that it must come to.
    pub ends: String,
}
