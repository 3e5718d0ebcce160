//! Why a definition or a policy was refused, and where.
//!
//! Messages name the key, the value and the line. The file's name and the next command are the
//! caller's to add.

use crate::error::{Class, Classified};
use std::fmt;

/// A place in the text, both counted from 1; columns count characters, not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// The first thing wrong with a definition or a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The text is not TOML.
    #[error("not valid TOML at line {}, column {}: {message}", at.line, at.column)]
    Syntax { at: Position, message: String },
    /// A key or a section that this version does not know.
    #[error("unknown key `{key}` {place} ({at}); {hint}")]
    UnknownKey { at: Position, key: String, place: Place, hint: String },
    /// A key or a section that must be there.
    #[error("`{key}` is missing {place} ({at})")]
    Missing { at: Position, key: &'static str, place: Place },
    /// A name out of a fixed list, misspelt or from another version.
    #[error("unknown {what} `{name}` in `{key}` ({at}); {hint}")]
    UnknownName { at: Position, key: String, what: &'static str, name: String, hint: String },
    /// A value of the wrong type, unit or range, or one that contradicts another.
    #[error("`{key}` ({at}): {reason}")]
    Invalid { at: Position, key: String, reason: String },
    /// The workflow asks for less than `kaizen.toml` demands of every workflow.
    #[error("`{key}` = {value} is looser than {floor} allows")]
    BelowFloor { key: &'static str, value: String, floor: String },
}

/// Where in the document a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Outside every section.
    TopLevel,
    /// In `[section]`.
    Section(&'static str),
}

impl Error {
    /// Where it is, `None` for what is wrong with the whole.
    pub fn position(&self) -> Option<Position> {
        match self {
            Error::Syntax { at, .. }
            | Error::UnknownKey { at, .. }
            | Error::Missing { at, .. }
            | Error::UnknownName { at, .. }
            | Error::Invalid { at, .. } => Some(*at),
            Error::BelowFloor { .. } => None,
        }
    }
}

impl Classified for Error {
    fn class(&self) -> Class {
        Class::Operator
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Syntax { .. } => "workflow_syntax",
            Error::UnknownKey { .. } => "workflow_unknown_key",
            Error::Missing { .. } => "workflow_missing_key",
            Error::UnknownName { .. } => "workflow_unknown_name",
            Error::Invalid { .. } => "workflow_invalid_value",
            Error::BelowFloor { .. } => "workflow_below_floor",
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::TopLevel => f.write_str("at the top level"),
            Place::Section(name) => write!(f, "in [{name}]"),
        }
    }
}
