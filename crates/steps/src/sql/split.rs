//! A script cut into its statements, where SQLite would cut it.
//!
//! Deliberately not here: what a statement does (`statement`).

use super::{
    error::Error,
    lexer::{Token, tokens},
};

/// One statement of a script, without its semicolon and the comments around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    pub text: String,
    /// The line it starts on, from 1.
    pub line: usize,
}

/// The statements of a script, in order.
///
/// # Errors
/// [`Error::Empty`] where there is none; a quote that is never closed; a deceptive character.
pub fn split(script: &str) -> Result<Vec<Statement>, Error> {
    let tokens = tokens(script)?;
    let mut statements = Vec::new();
    let mut first = 0;
    for at in 0..tokens.len() {
        if tokens[at].is_punct(';') && !is_inside_trigger(&tokens[first..at]) {
            statements.extend(statement(script, &tokens[first..at]));
            first = at + 1;
        }
    }
    statements.extend(statement(script, &tokens[first..]));
    if statements.is_empty() { Err(Error::Empty) } else { Ok(statements) }
}

fn statement(script: &str, tokens: &[Token<'_>]) -> Option<Statement> {
    let (first, last) = (tokens.first()?, tokens.last()?);
    Some(Statement { text: script[first.start..last.end()].to_owned(), line: first.line })
}

/// Whether a semicolon after these tokens belongs to the body of a trigger: there was a BEGIN, and
/// no END as the first word of a statement of the body. The END of a CASE never follows a
/// semicolon or BEGIN.
fn is_inside_trigger(tokens: &[Token<'_>]) -> bool {
    let temporary = tokens.get(1).is_some_and(|t| t.is("TEMP") || t.is("TEMPORARY"));
    let head = if temporary { 2 } else { 1 };
    let trigger = tokens.first().is_some_and(|t| t.is("CREATE"))
        && tokens.get(head).is_some_and(|t| t.is("TRIGGER"));
    let Some(begin) = tokens.iter().position(|t| t.is("BEGIN")) else { return false };
    let ended = tokens[begin..]
        .windows(2)
        .any(|pair| (pair[0].is_punct(';') || pair[0].is("BEGIN")) && pair[1].is("END"));
    trigger && !ended
}
