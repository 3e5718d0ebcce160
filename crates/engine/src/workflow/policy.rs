//! `kaizen.toml`: what holds for every workflow of a project, and what no workflow may loosen.
//!
//! Matching a change's paths against the protected ones belongs to the phase that writes files;
//! here is only the list.

use super::definition::{Confinement, Definition};
use super::document::Document;
use super::error::Error;
use super::rules::CONFINEMENT;
use super::schema::{PROBABILITY, Schema, Shape, key};
use crate::digest::Digest;
use serde::{Deserialize, Serialize};

/// Paths that no change may touch, lower case; a directory ends in `/`. The loop cannot change
/// its own gate. Compare case-folded.
pub const PROTECTED_PATHS: &[&str] = &[
    "kaizen.toml",
    "workflows/",
    ".kaizen/",
    ".git/",
    ".gitattributes",
    ".gitmodules",
    ".github/",
    ".gitlab-ci.yml",
    ".gitlab/",
    ".circleci/",
    ".buildkite/",
    ".ci/",
    ".travis.yml",
    "azure-pipelines.yml",
    "bitbucket-pipelines.yml",
    "jenkinsfile",
];

/// A project's policy. Every key is optional.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    pub journal: Journal,
    pub protected: Protected,
    pub floor: Floor,
    pub data: Data,
    pub provenance: Provenance,
}

/// What the trail outside this host has to do with what runs do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provenance {
    pub require: Require,
}

/// When that trail must have a run's events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Require {
    /// At some time: runs go on and finish while it is away.
    #[default]
    Eventually,
    /// All of them before anything outside is done. Undoing is exempt.
    BeforeEffects,
}

/// Where the journal is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Journal {
    /// Relative to the project's root.
    pub path: String,
}

/// Paths that no change may touch, besides [`PROTECTED_PATHS`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Protected {
    /// Glob patterns.
    pub paths: Vec<String>,
}

/// What no workflow may loosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Floor {
    /// Least `approval.quorum`.
    pub quorum: u32,
    /// Whether a workflow may let any change go without a human.
    pub auto_approve: bool,
    /// Least `evaluate.min_success_probability`, 0 to 1.
    pub min_success_probability: f64,
    /// Least `confine.mode`: off, prefer, require.
    pub confine: Confinement,
}

/// What may be stored and shown to designers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Data {
    pub literals: Literals,
}

/// Whether literals in queries and plans are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Literals {
    Strip,
    Keep,
}

const POLICY: Schema = Schema(&[
    key("journal", "path", Shape::Filled),
    key("protected", "paths", Shape::Set(&Shape::Glob)),
    key("floor", "quorum", Shape::Whole { min: 1, max: 20 }),
    key("floor", "auto_approve", Shape::Flag),
    key("floor", "min_success_probability", PROBABILITY),
    key("floor", "confine", CONFINEMENT),
    key("data", "literals", Shape::Choice { what: "choice", known: &["strip", "keep"] }),
    key(
        "provenance",
        "require",
        Shape::Choice { what: "choice", known: &["eventually", "before_effects"] },
    ),
]);

impl Policy {
    /// Reads `kaizen.toml`. An empty text is the default policy.
    ///
    /// # Errors
    /// The first thing wrong, with its position.
    pub fn parse(text: &str) -> Result<Policy, Error> {
        Document::parse(text, &POLICY)?.typed()
    }

    /// The digest that an approval is bound to: of the bytes as they stand in the file.
    pub fn digest(text: &str) -> Digest {
        Digest::of(&[text.as_bytes()])
    }

    /// Refuses a workflow that asks for less than the floor.
    ///
    /// # Errors
    /// [`Error::BelowFloor`], naming the workflow's key, its value and the floor.
    pub fn check(&self, definition: &Definition) -> Result<(), Error> {
        let floor = &self.floor;
        let quorum = definition.approval.quorum;
        if quorum < floor.quorum {
            let of = format!("`floor.quorum` = {} in kaizen.toml", floor.quorum);
            return Err(below("approval.quorum", quorum.to_string(), of));
        }
        let probability = definition.evaluate.min_success_probability;
        if probability < floor.min_success_probability {
            let least = floor.min_success_probability;
            let of = format!("`floor.min_success_probability` = {least} in kaizen.toml");
            return Err(below("evaluate.min_success_probability", probability.to_string(), of));
        }
        let mode = definition.confine.mode;
        if mode < floor.confine {
            let word = |mode| match mode {
                Confinement::Off => "\"off\"",
                Confinement::Prefer => "\"prefer\"",
                Confinement::Require => "\"require\"",
            };
            let of = format!("`floor.confine` = {} in kaizen.toml", word(floor.confine));
            return Err(below("confine.mode", word(mode).to_owned(), of));
        }
        let kinds = &definition.auto_approve.kinds;
        if !floor.auto_approve && !kinds.is_empty() {
            let of = "`floor.auto_approve` = false in kaizen.toml".to_owned();
            return Err(below("auto_approve.kinds", format!("{kinds:?}"), of));
        }
        Ok(())
    }
}

fn below(key: &'static str, value: String, floor: String) -> Error {
    Error::BelowFloor { key, value, floor }
}

impl Default for Journal {
    fn default() -> Journal {
        Journal { path: ".kaizen/journal.db".to_owned() }
    }
}

impl Default for Floor {
    fn default() -> Floor {
        Floor {
            quorum: 1,
            auto_approve: false,
            min_success_probability: 0.5,
            confine: Confinement::Prefer,
        }
    }
}

impl Default for Data {
    fn default() -> Data {
        Data { literals: Literals::Strip }
    }
}
