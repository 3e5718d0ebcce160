//! Design's output: what is proposed, by whom, and why.

use super::change_set::{Kind, Risk};
use crate::models::Shown;
use kaizen_engine::{
    journal::{Facts, Phase},
    step::Output,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a designer proposes: change sets, best first, or nothing with the reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// At most `max_changes`. Empty: there is nothing to change.
    pub candidates: Vec<Candidate>,
    /// Where the candidates come from.
    pub source: Source,
    /// For people: what was tried, what was ruled out and why, one line each.
    pub notes: Vec<String>,
    /// Earlier attempts that the designer was shown, and which of them it says that it drew on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shown: Vec<Shown>,
}

/// Where a proposal comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by", content = "of")]
pub enum Source {
    /// The rule-based designer.
    Rules,
    /// A person's file, with its name.
    File(String),
    /// The change set of an earlier run, or what its designer answered: `r12`.
    Run(String),
    /// A model, by its name.
    Model(String),
    /// An external agent, by its program.
    Agent(String),
}

/// One proposed change set, before it has been checked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    pub change: ChangeFile,
    /// Why it should help, for people.
    pub rationale: String,
    /// What the designer expects, percent of workload time saved; `None`: it does not say.
    pub expected_improvement_pct: Option<f64>,
    /// How it is taken back, for people.
    pub rollback_plan: String,
}

/// A change as a person, a model or an agent writes it (`--change FILE`, TOML). All but the title
/// is optional.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeFile {
    pub title: String,
    /// What it claims to be; the parsed scripts may only raise it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// SQL that makes the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up: Option<String>,
    /// SQL that takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down: Option<String>,
    /// Path in the repository to its whole new content.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// A unified diff, of as many files as need be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// Replacements in files that are there, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// Paths of files that go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delete: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_improvement_pct: Option<f64>,
}

/// One replacement in a file that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    pub path: String,
    /// What stands there now, exactly once.
    pub search: String,
    pub replace: String,
}

impl ChangeFile {
    /// Whether it says anything of files.
    #[must_use]
    pub fn touches_files(&self) -> bool {
        let text = self.diff.as_ref().is_some_and(|diff| !diff.trim().is_empty());
        text || !(self.files.is_empty() && self.edits.is_empty() && self.delete.is_empty())
    }
}

impl Output for Proposal {
    const PHASE: Phase = Phase::Design;

    fn facts(&self) -> Facts {
        if self.candidates.is_empty() {
            return Facts::NoChange(self.notes.last().cloned().unwrap_or_default());
        }
        Facts::Plain
    }
}
