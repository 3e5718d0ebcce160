//! What a script says, read as SQLite would read it: statements, kinds, literals, secrets.
//!
//! Pure functions of text. SQLite decides by a statement's first keywords what it does, so this
//! room has a lexer that cuts text exactly as SQLite's tokenizer does (`lexer`), and every other
//! file works on its tokens; `sqlparser` must then agree about the statement as a whole, or nobody
//! claims to have understood it. Deliberately not here: running anything, and the schema that the
//! script will meet (whether an index exists, whether it is unique).

mod action;
mod classify;
#[cfg(test)]
mod classify_tests;
mod depth;
mod error;
mod forbidden;
pub mod forcing;
mod lexer;
mod literals;
mod secrets;
mod split;
mod statement;
#[cfg(test)]
mod text_tests;
pub mod tsql;
mod undo;

pub use classify::{Classification, Declared, classify, least_risk};
pub use error::{Error, Refusal, Script};
pub use literals::strip_literals;
pub use secrets::{looks_like_secret, without_secrets};
pub use split::{Statement, split};
pub use undo::{Objects, objects, undo};
