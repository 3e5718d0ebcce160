//! Deploy's output: what was done to the outside world.

use kaizen_engine::{
    digest::Digest,
    journal::{Facts, Phase},
    step::Output,
};
use serde::{Deserialize, Serialize};

/// What stands deployed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    pub branch: String,
    /// The commit that was made; `None` where no file changed.
    pub commit: Option<String>,
    /// Where it was pushed to.
    pub pushed_to: Option<String>,
    /// Whether the up script was applied.
    pub applied: bool,
    /// Schema of the database with the change.
    pub schema_digest: Digest,
}

impl Output for Deployment {
    const PHASE: Phase = Phase::Deploy;

    fn facts(&self) -> Facts {
        Facts::Plain
    }
}
