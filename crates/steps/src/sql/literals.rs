//! Statements without their literals, for storage and for designers.
//!
//! Deliberately not here: result rows (they exist as hashes only).

use super::lexer::{Shape, Token, tokens};

/// The statement with literals replaced by `?`, comments dropped (people write values into them),
/// and runs of blanks made one. Text that cannot be read becomes a single `?`.
pub fn strip_literals(sql: &str) -> String {
    let Ok(tokens) = tokens(sql) else { return "?".to_owned() };
    let mut stripped = String::with_capacity(sql.len());
    for (at, token) in tokens.iter().enumerate() {
        if at > 0 && tokens[at - 1].end() < token.start {
            stripped.push(' ');
        }
        stripped.push_str(if is_literal(&tokens, at) { "?" } else { token.text });
    }
    stripped
}

fn is_literal(tokens: &[Token<'_>], at: usize) -> bool {
    match tokens[at].shape {
        Shape::Text | Shape::Number => true,
        Shape::Quoted => tokens[at].text.starts_with('"') && stands_for_a_value(tokens, at),
        // Money in T-SQL.
        Shape::Variable => {
            let mut chars = tokens[at].text.chars();
            chars.next() == Some('$') && chars.next().is_some_and(|c| c.is_ascii_digit())
        }
        Shape::Word | Shape::Punct(_) => false,
    }
}

/// SQLite reads `"x"` as a text where no column has that name. Without the schema nobody can tell,
/// so what is compared with something and is no part of a dotted name counts as a text.
fn stands_for_a_value(tokens: &[Token<'_>], at: usize) -> bool {
    let dotted = tokens.get(at + 1).is_some_and(|next| next.is_punct('.'));
    let Some(before) = at.checked_sub(1).map(|before| tokens[before]) else { return false };
    let compared = matches!(before.shape, Shape::Punct('=' | '<' | '>'))
        || ["LIKE", "GLOB", "MATCH", "REGEXP", "IS", "NOT", "BETWEEN"]
            .iter()
            .any(|keyword| before.is(keyword));
    compared && !dotted
}
