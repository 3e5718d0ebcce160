//! T-SQL as tokens, and tokens as SQLite's text. Comments and blanks are dropped; nothing is judged.

use crate::error::SqlError;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A keyword, a name without quotes, `#temp`.
    Word(String),
    /// A quoted name, without its quotes.
    Name(String),
    /// A string, without its quotes or its N.
    Text(String),
    Number(String),
    /// The digits of a binary literal.
    Hex(String),
    /// `@name` or `@@name`, in capitals.
    Variable(String),
    Symbol(&'static str),
    /// Text that is SQLite's already.
    Raw(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub line: u32,
}

impl Token {
    pub fn raw(text: impl Into<String>) -> Self {
        Self { kind: Kind::Raw(text.into()), line: 0 }
    }

    pub fn name(text: impl Into<String>) -> Self {
        Self { kind: Kind::Name(text.into()), line: 0 }
    }

    /// A keyword, whatever its case.
    pub fn is(&self, word: &str) -> bool {
        matches!(&self.kind, Kind::Word(text) if text.eq_ignore_ascii_case(word))
    }

    pub fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    pub fn symbol(&self, symbol: &str) -> bool {
        matches!(self.kind, Kind::Symbol(s) if s == symbol)
    }

    /// A name, quoted or not.
    pub fn as_name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(text) | Kind::Name(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    fn write(&self, out: &mut String) {
        let quoted = |out: &mut String, quote: char, text: &str| {
            out.push(quote);
            for c in text.chars() {
                if c == quote {
                    out.push(quote);
                }
                out.push(c);
            }
            out.push(quote);
        };
        match &self.kind {
            Kind::Word(text) if text.starts_with('#') => quoted(out, '"', text),
            Kind::Word(text) | Kind::Number(text) | Kind::Variable(text) | Kind::Raw(text) => {
                out.push_str(text);
            }
            Kind::Name(text) => quoted(out, '"', text),
            Kind::Text(text) => quoted(out, '\'', text),
            Kind::Hex(digits) => {
                out.push('X');
                quoted(out, '\'', digits);
            }
            Kind::Symbol(symbol) => out.push_str(symbol),
        }
    }
}

/// The text of tokens, for SQLite.
pub fn render(tokens: &[Token]) -> String {
    let mut out = String::new();
    for token in tokens {
        if !out.is_empty() {
            out.push(' ');
        }
        token.write(&mut out);
    }
    out
}

/// The index after the parenthesis that closes the one at `open`.
pub fn after_group(tokens: &[Token], open: usize) -> Result<usize, SqlError> {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        if token.symbol("(") {
            depth += 1;
        } else if token.symbol(")") {
            depth -= 1;
            if depth == 0 {
                return Ok(at + 1);
            }
        }
    }
    Err(SqlError::syntax("("))
}

/// Parts between commas that stand in no parentheses.
pub fn by_commas(tokens: &[Token]) -> Vec<&[Token]> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, token) in tokens.iter().enumerate() {
        if token.symbol("(") {
            depth += 1;
        } else if token.symbol(")") {
            depth -= 1;
        } else if token.symbol(",") && depth == 0 {
            parts.push(&tokens[start..at]);
            start = at + 1;
        }
    }
    parts.push(&tokens[start..]);
    parts
}

const SYMBOLS: &[&str] = &[
    "<>", "<=", ">=", "!=", "!<", "!>", "+=", "-=", "::", "(", ")", ",", ";", ".", "=", "<", ">",
    "+", "-", "*", "/", "%", "&", "|", "^", "~", ":", "$",
];

pub fn tokens(sql: &str) -> Result<Vec<Token>, SqlError> {
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(c) = sql[at..].chars().next() {
        let rest = &sql[at..];
        let (kind, length) = if c.is_whitespace() || c == '\u{feff}' {
            (None, c.len_utf8())
        } else if rest.starts_with("--") {
            (None, rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            (None, comment(rest)?)
        } else {
            let (kind, length) = token(c, rest)?;
            (Some(kind), length)
        };
        found.extend(kind.map(|kind| Token { kind, line }));
        line += u32::try_from(rest[..length].matches('\n').count()).unwrap_or_default();
        at += length;
    }
    Ok(found)
}

fn token(c: char, rest: &str) -> Result<(Kind, usize), SqlError> {
    if c == '\'' {
        return quoted(rest, '\'').map(|(text, length)| (Kind::Text(text), length));
    }
    if (c == 'N' || c == 'n') && rest[1..].starts_with('\'') {
        return quoted(&rest[1..], '\'').map(|(text, length)| (Kind::Text(text), length + 1));
    }
    if c == '[' || c == '"' {
        let close = if c == '[' { ']' } else { '"' };
        return quoted(rest, close).map(|(text, length)| (Kind::Name(text), length));
    }
    let word = |text: &str| {
        text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '#' | '$' | '@')))
            .unwrap_or(text.len())
    };
    if rest.starts_with("0x") || rest.starts_with("0X") {
        let length = word(rest);
        return Ok((Kind::Hex(rest[2..length].to_owned()), length));
    }
    if c.is_ascii_digit() {
        let length = number(rest);
        return Ok((Kind::Number(rest[..length].to_owned()), length));
    }
    if c.is_alphabetic() || matches!(c, '_' | '#') {
        let length = word(rest);
        return Ok((Kind::Word(rest[..length].to_owned()), length));
    }
    if c == '@' {
        let length = word(rest);
        return Ok((Kind::Variable(rest[..length].to_ascii_uppercase()), length));
    }
    for symbol in SYMBOLS {
        if rest.starts_with(symbol) {
            return Ok((Kind::Symbol(symbol), symbol.len()));
        }
    }
    Err(SqlError::syntax(&c.to_string()))
}

/// The content of quoted text whose closing quote is doubled within, and the length with quotes.
fn quoted(rest: &str, close: char) -> Result<(String, usize), SqlError> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        let doubled = c == close && chars.next_if(|(_, next)| *next == close).is_some();
        if c == close && !doubled {
            return Ok((text, at + c.len_utf8()));
        }
        text.push(c);
    }
    let message = format!("Unclosed quotation mark after the character string '{text}'.");
    Err(SqlError::new(105, 15, message))
}

/// T-SQL's comments nest.
fn comment(rest: &str) -> Result<usize, SqlError> {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Ok(at);
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    Err(SqlError::new(113, 15, "Missing end comment mark '*/'."))
}

fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let exponent = matches!(bytes[at], b'e' | b'E')
            && bytes.get(at + 1).is_some_and(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-'));
        if exponent {
            at += 2;
        } else if bytes[at].is_ascii_digit() || bytes[at] == b'.' {
            at += 1;
        } else {
            break;
        }
    }
    at
}
