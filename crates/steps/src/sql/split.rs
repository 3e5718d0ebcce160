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
    let (mut statements, mut body) = (Vec::new(), Body::default());
    let mut first = 0;
    for (at, token) in tokens.iter().enumerate() {
        let inside = body.is_open() && is_trigger(&tokens[first..at]);
        if token.is_punct(';') && !inside {
            statements.extend(statement(script, &tokens[first..at]));
            (first, body) = (at + 1, Body::default());
        } else {
            body.read(&tokens[first..at], token);
        }
    }
    statements.extend(statement(script, &tokens[first..]));
    if statements.is_empty() { Err(Error::Empty) } else { Ok(statements) }
}

fn statement(script: &str, tokens: &[Token<'_>]) -> Option<Statement> {
    let (first, last) = (tokens.first()?, tokens.last()?);
    Some(Statement { text: script[first.start..last.end()].to_owned(), line: first.line })
}

/// Whether a statement that begins with these tokens makes a trigger.
fn is_trigger(tokens: &[Token<'_>]) -> bool {
    let temporary = tokens.get(1).is_some_and(|t| t.is("TEMP") || t.is("TEMPORARY"));
    let head = if temporary { 2 } else { 1 };
    tokens.first().is_some_and(|t| t.is("CREATE"))
        && tokens.get(head).is_some_and(|t| t.is("TRIGGER"))
}

/// How far a trigger's body has been read; every token is looked at once.
#[derive(Default)]
struct Body {
    begun: bool,
    ended: bool,
}

impl Body {
    /// Whether a semicolon belongs to it: there was a BEGIN, and no END as the first word of a
    /// statement of the body. The END of a CASE never follows a semicolon or BEGIN.
    fn is_open(&self) -> bool {
        self.begun && !self.ended
    }

    fn read(&mut self, before: &[Token<'_>], token: &Token<'_>) {
        let starts = before.last().is_some_and(|last| last.is_punct(';') || last.is("BEGIN"));
        self.ended |= self.begun && starts && token.is("END");
        self.begun |= token.is("BEGIN");
    }
}
