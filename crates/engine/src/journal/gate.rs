//! The gate: what an approval binds to, who may give it, and what was decided.

use super::time::Timestamp;
use crate::digest::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything that an approver saw, by name. An approval holds for exactly this.
///
/// Keys: `change_set`, `base_commit`, `evidence`, `workflow`, `policy`, `target`, `schema`,
/// `kaizen`. Values are digests or identifiers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Binding(pub BTreeMap<String, String>);

impl Binding {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One digest over all of it: what `--digest` takes and `show` prints.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut bytes = Vec::new();
        for (name, value) in &self.0 {
            for part in [name, value] {
                bytes.extend_from_slice(part.as_bytes());
                bytes.push(0);
            }
        }
        Digest::of(&[&bytes])
    }

    /// The names whose values differ in `now`, or are there on one side only.
    #[must_use]
    pub fn differences(&self, now: &Binding) -> Vec<String> {
        let names: std::collections::BTreeSet<_> = self.0.keys().chain(now.0.keys()).collect();
        names.into_iter().filter(|name| self.0.get(*name) != now.0.get(*name)).cloned().collect()
    }
}

/// A place where policy asks for a human.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// In an event nothing: the change set's own, which the event before it holds. (Version 1
    /// repeated it.) In a run always the whole.
    #[serde(default, skip_serializing_if = "Binding::is_empty")]
    pub binding: Binding,
    /// Why a human is asked, one sentence each.
    pub reasons: Vec<String>,
    /// After this the approval can no longer be given.
    pub expires_at: Timestamp,
}

/// How a decision came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// `approve` or `reject` by the user that the operating system names.
    Cli,
    /// The same under a name given with `--as`: not verified.
    Unverified,
    /// Given when the run was started (`start --approve`).
    PreApproved,
    /// By the workflow's `[auto_approve]`.
    Policy,
}

/// One recorded decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub who: String,
    pub reason: String,
    pub method: Method,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub os_user: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// The binding's digest that was decided on.
    pub digest: Digest,
    /// What a reviewer thinks of the change, 1 to 5; `None`: not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating: Option<u8>,
}

/// What a reviewer may say of a change.
pub const RATINGS: std::ops::RangeInclusive<u8> = 1..=5;

/// What a workflow asks of approvals, pinned when the run is created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApprovalPolicy {
    /// How many different people must approve.
    pub quorum: u32,
    /// Who may decide; empty: anybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// Whether who started the run may not approve it.
    pub separation_of_duties: bool,
    pub expires_after_ms: u64,
    /// What an expired request does: end the run, or leave it waiting to be asked again.
    pub on_expiry: OnExpiry,
    /// Kinds of change that policy approves by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub auto_kinds: Vec<String>,
    /// The least probability of success for that.
    pub auto_min_probability: f64,
}

/// What happens to a request that nobody answered in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExpiry {
    /// The run ends as `expired`.
    Reject,
    /// The run stays where it is, paused, until somebody resumes it.
    Park,
}

impl Default for ApprovalPolicy {
    fn default() -> ApprovalPolicy {
        ApprovalPolicy {
            quorum: 1,
            approvers: Vec::new(),
            separation_of_duties: false,
            expires_after_ms: 7 * 24 * 3_600_000,
            on_expiry: OnExpiry::Reject,
            auto_kinds: Vec::new(),
            auto_min_probability: 0.9,
        }
    }
}
