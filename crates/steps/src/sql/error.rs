//! Why a script is not accepted. Every sentence names the script, the statement and the line.
//!
//! Deliberately not here: the next command to type (the CLI adds it).

use super::{literals::strip_literals, split::Statement};
use crate::payload::Kind;
use kaizen_engine::error::{Class, Classified};
use std::fmt;

/// A script that cannot be read as SQL at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the script holds only comments or blanks, so it changes nothing")]
    Empty,
    #[error("line {line}: {what} is opened and never closed")]
    Unterminated { what: &'static str, line: usize },
    #[error(
        "line {line}: the character U+{code:04X} can make a script read differently from what runs"
    )]
    Deceptive { line: usize, code: u32 },
}

/// Which of a change's two scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    Up,
    Down,
}

/// A change whose scripts are not accepted, whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the {script} script cannot be read: {source}")]
    Unreadable { script: Script, source: Error },
    #[error("statement {number} of the {script} script (line {line}) is refused: {why}: {text}")]
    Forbidden { script: Script, number: usize, line: usize, text: String, why: String },
    #[error(
        "the change is declared as {declared}, but statement {number} of the {script} script \
         (line {line}) is {found}: {text}"
    )]
    OutsideKind {
        script: Script,
        number: usize,
        line: usize,
        text: String,
        declared: Kind,
        /// What the statement is: `drop_table (schema)`.
        found: String,
    },
    #[error("there is a down script, but no up script that it could take back")]
    DownWithoutUp,
}

impl Classified for Error {
    fn class(&self) -> Class {
        Class::Operator
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Empty => "script_empty",
            Error::Unterminated { .. } => "script_unterminated",
            Error::Deceptive { .. } => "script_deceptive",
        }
    }
}

impl Classified for Refusal {
    fn class(&self) -> Class {
        Class::Operator
    }

    fn code(&self) -> &'static str {
        match self {
            Refusal::Unreadable { source, .. } => source.code(),
            Refusal::Forbidden { .. } => "statement_forbidden",
            Refusal::OutsideKind { .. } => "statement_outside_kind",
            Refusal::DownWithoutUp => "down_without_up",
        }
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Script::Up => "up",
            Script::Down => "down",
        })
    }
}

/// A statement on one line, short and without its literals: refusals are stored.
pub(super) fn excerpt(statement: &Statement) -> String {
    let stripped = strip_literals(&statement.text);
    let mut short: String = stripped.chars().take(80).collect();
    if short.len() < stripped.len() {
        short.push('…');
    }
    short
}
