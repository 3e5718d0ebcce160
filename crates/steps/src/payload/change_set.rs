//! Generate's output: the exact bytes that would be deployed, and what is known about them.

use super::evaluation::{Evidence, Verdict};
use super::proposal::Source;
use crate::{
    adapters::git::Files,
    evidence::Probability,
    models::{Features, Quality},
};
use kaizen_engine::{
    digest::Digest,
    journal::{Binding, Effect, Facts, Phase, event::Generated},
    step::Output,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, ops::Deref, sync::Arc};

/// What a change does, derived by parsing its scripts. Ordered: a bundle is as much as its most
/// far-reaching statement.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Refreshes planner statistics (`ANALYZE`).
    Statistics,
    /// Forces a plan of Query Store, until a time.
    Plan,
    /// Creates indexes.
    Index,
    /// Drops indexes (and perhaps creates others): judged by size and write cost.
    DropIndex,
    /// Changes files of the repository, no script.
    Code,
    /// Creates or drops views.
    View,
    /// Creates or drops triggers: the stored procedures of SQLite.
    Trigger,
    /// Creates or alters tables.
    Schema,
    /// Inserts, updates or deletes rows.
    Data,
    /// Could not be parsed. Always needs a human.
    Unclassified,
}

/// How much can go wrong. What a designer declares may only raise it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    Low,
    Medium,
    High,
    Critical,
}

/// The change as it would be deployed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub title: String,
    pub kind: Kind,
    pub risk: Risk,
    pub rationale: String,
    pub expected_improvement_pct: Option<f64>,
    pub rollback_plan: String,
    pub source: Source,
    /// SQL that makes the change; empty where only files change.
    pub up: String,
    /// SQL that takes it back.
    pub down: String,
    /// Path to whole new content, as it will be committed, the scripts among them.
    pub files: BTreeMap<String, String>,
    /// Files that go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleted: Vec<String>,
    /// Those of `files` that hold the scripts, written by Kaizen.
    pub migrations: Vec<String>,
    /// Statements of `up`, in order.
    pub statements_up: Vec<String>,
    /// Statements of `down`, in order.
    pub statements_down: Vec<String>,
    /// Unified diff against the base commit, as people are shown it.
    pub diff: String,
    /// The commit that the files are based on.
    pub base_commit: String,
    /// The branch that will be moved.
    pub branch: String,
    /// Why a human must decide, whatever policy says. Empty: policy decides.
    pub needs_human: Vec<String>,
    /// Tables and views that the scripts touch, lower case.
    pub tables: Vec<String>,
    /// SHA-256 over title, kind, risk, scripts, files and what goes.
    pub digest: Digest,
    /// What Deploy will do, in order.
    pub effects: Vec<Effect>,
}

impl Change {
    /// What is committed: whole new contents, and `None` for what goes.
    #[must_use]
    pub fn staged(&self) -> Files {
        staged(&self.files, &self.deleted)
    }

    /// Every path that it touches: what is written, then what goes.
    pub fn paths(&self) -> impl Iterator<Item = &String> {
        self.files.keys().chain(&self.deleted)
    }
}

/// See [`Change::staged`].
pub(crate) fn staged(files: &BTreeMap<String, String>, deleted: &[String]) -> Files {
    let written = files.iter().map(|(path, text)| (path.clone(), Some(text.clone().into_bytes())));
    written.chain(deleted.iter().map(|path| (path.clone(), None))).collect()
}

/// A change with what is known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeSet {
    #[serde(flatten)]
    pub change: Change,
    /// What was known before measuring: what the predictor learns from.
    pub features: Features,
    /// What the preflight measured on copies.
    pub preflight: Evidence,
    /// How likely it is to be kept, with its parts.
    pub probability: Probability,
    /// What an approval of it binds to.
    pub binding: Binding,
    /// What reviewers would think of it; `None` before that was scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
}

impl Deref for ChangeSet {
    type Target = Change;

    fn deref(&self) -> &Change {
        &self.change
    }
}

impl Output for ChangeSet {
    const PHASE: Phase = Phase::Generate;

    fn facts(&self) -> Facts {
        Facts::Generated(Arc::new(Generated {
            title: self.title.clone(),
            kind: self.kind.to_string(),
            risk: self.risk.to_string(),
            digest: self.digest,
            effects: self.effects.clone(),
            needs_human: self.needs_human.clone(),
            preflight_improved: self.preflight.verdict == Verdict::Improved,
            probability: self.probability.posterior,
            binding: self.binding.clone(),
        }))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Statistics => "statistics",
            Kind::Plan => "plan",
            Kind::Index => "index",
            Kind::DropIndex => "drop_index",
            Kind::Code => "code",
            Kind::View => "view",
            Kind::Trigger => "trigger",
            Kind::Schema => "schema",
            Kind::Data => "data",
            Kind::Unclassified => "unclassified",
        })
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Risk::Low => "low",
            Risk::Medium => "medium",
            Risk::High => "high",
            Risk::Critical => "critical",
        })
    }
}
