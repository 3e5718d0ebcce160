//! The seven phases, the effects and the outcomes: the closed vocabularies of the machine.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Writes an enum of unit variants as its snake_case words: `Display`, `FromStr` and `ALL`.
macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $name {
            /// Every one of them, in order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// Its word in the journal, in JSON and on the command line.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<$name, String> {
                Self::ALL.iter().copied().find(|one| one.word() == text).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|one| one.word()).collect();
                    format!("{text:?} is none of {}", known.join(", "))
                })
            }
        }
    };
}

/// One of the seven phases, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Analyze,
    Design,
    Generate,
    Deploy,
    Evaluate,
    UpdateWeights,
    RecordProvenance,
}

words!(Phase {
    Analyze = "analyze",
    Design = "design",
    Generate = "generate",
    Deploy = "deploy",
    Evaluate = "evaluate",
    UpdateWeights = "update_weights",
    RecordProvenance = "record_provenance",
});

/// Something done to the outside world, at most once a run and direction.
///
/// The first four deploy, in this order: a rejected push has not touched the database. The last
/// four undo, in this order: a revert that conflicts does not delay the down script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    Commit,
    Worktree,
    Push,
    Up,
    Down,
    Revert,
    RevertWorktree,
    RevertPush,
}

words!(Effect {
    Commit = "commit",
    Worktree = "worktree",
    Push = "push",
    Up = "up",
    Down = "down",
    Revert = "revert",
    RevertWorktree = "revert_worktree",
    RevertPush = "revert_push",
});

impl Effect {
    /// The effect that takes this one back; `None` for those that are themselves an undoing.
    #[must_use]
    pub const fn undone_by(self) -> Option<Effect> {
        match self {
            Effect::Commit => Some(Effect::Revert),
            Effect::Worktree => Some(Effect::RevertWorktree),
            Effect::Push => Some(Effect::RevertPush),
            Effect::Up => Some(Effect::Down),
            Effect::Down | Effect::Revert | Effect::RevertWorktree | Effect::RevertPush => None,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Kept,
    RolledBack,
    DryRun,
    NoChange,
    Rejected,
    Expired,
    Cancelled,
    Failed,
}

words!(Outcome {
    Kept = "kept",
    RolledBack = "rolled_back",
    DryRun = "dry_run",
    NoChange = "no_change",
    Rejected = "rejected",
    Expired = "expired",
    Cancelled = "cancelled",
    Failed = "failed",
});
