//! SQLite's tokens. Follows `sqlite3GetToken` (tokenize.c): comments do not nest, an unclosed `/*`
//! runs to the end, quotes are doubled, no backslash escapes, bytes above 127 are letters.
//!
//! Deliberately not here: operators of several characters; nobody needs them whole.

use super::error::Error;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A keyword or a bare name.
    Word,
    /// `"x"`, `` `x` `` or `[x]`.
    Quoted,
    /// `'x'`.
    Text,
    /// `x'00'`, `1`, `1.5e3`, `0xff`.
    Number,
    /// `?1`, `:a`, `@a`, `$a`.
    Variable,
    /// Any other single character.
    Punct(char),
}

/// One token: where it stands in the script, and on which line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    pub shape: Shape,
    pub text: &'a str,
    pub start: usize,
    pub line: usize,
}

impl Token<'_> {
    /// Whether it is this keyword (upper case), unquoted.
    pub fn is(&self, keyword: &str) -> bool {
        self.shape == Shape::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    pub fn is_punct(&self, wanted: char) -> bool {
        self.shape == Shape::Punct(wanted)
    }

    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// The name that it stands for, lower case, without quotes. SQLite takes a text literal where
    /// only a name can stand, so that is a name too.
    pub fn name(&self) -> Option<String> {
        match self.shape {
            Shape::Word => Some(self.text.to_ascii_lowercase()),
            Shape::Quoted | Shape::Text => {
                Some(self.text[1..self.text.len() - 1].to_ascii_lowercase())
            }
            Shape::Number | Shape::Variable | Shape::Punct(_) => None,
        }
    }
}

/// The tokens of a script, comments and blanks left out.
///
/// # Errors
/// A quote that is never closed; a character that deceives a reader: NUL, at which SQLite stops
/// reading, and those that reverse the direction of writing or show nothing.
pub fn tokens(script: &str) -> Result<Vec<Token<'_>>, Error> {
    refuse_deception(script)?;
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < script.len() {
        let rest = &script[at..];
        let (shape, length) = next(rest, line)?;
        let text = &rest[..length];
        if let Some(shape) = shape {
            found.push(Token { shape, text, start: at, line });
        }
        line += text.matches('\n').count();
        at += length;
    }
    Ok(found)
}

fn refuse_deception(script: &str) -> Result<(), Error> {
    let deceives = |c: char| {
        // The zero-width joiners (U+200C, U+200D) stay: some languages cannot be written without.
        matches!(c, '\0' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
    };
    match script.char_indices().find(|(_, c)| deceives(*c)) {
        Some((at, c)) => {
            let line = 1 + script[..at].matches('\n').count();
            Err(Error::Deceptive { line, code: u32::from(c) })
        }
        None => Ok(()),
    }
}

/// The shape (`None`: blank or comment) and length in bytes of what `rest` begins with.
fn next(rest: &str, line: usize) -> Result<(Option<Shape>, usize), Error> {
    let mut chars = rest.chars();
    let first = chars.next().unwrap_or(' ');
    let second = chars.next();
    Ok(match first {
        ' ' | '\t' | '\n' | '\r' | '\x0c' => (None, 1),
        '-' if second == Some('-') => (None, rest.find('\n').unwrap_or(rest.len())),
        '/' if second == Some('*') => {
            // `/*/` opens only: the search starts behind the star, as SQLite's does.
            (None, rest[2..].find("*/").map_or(rest.len(), |end| end + 4))
        }
        '\'' => (Some(Shape::Text), quoted(rest, '\'', "a text in single quotes", line)?),
        '"' => (Some(Shape::Quoted), quoted(rest, '"', "a name in double quotes", line)?),
        '`' => (Some(Shape::Quoted), quoted(rest, '`', "a name in backquotes", line)?),
        '[' => match rest.find(']') {
            Some(end) => (Some(Shape::Quoted), end + 1),
            None => return Err(Error::Unterminated { what: "a name in brackets", line }),
        },
        'x' | 'X' if second == Some('\'') => {
            (Some(Shape::Number), 1 + quoted(&rest[1..], '\'', "a blob", line)?)
        }
        '?' | ':' | '@' | '$' | '#' => (Some(Shape::Variable), 1 + run(&rest[1..], is_letter)),
        '.' if second.is_some_and(|c| c.is_ascii_digit()) => (Some(Shape::Number), number(rest)),
        _ if first.is_ascii_digit() => (Some(Shape::Number), number(rest)),
        _ if is_letter(first) => (Some(Shape::Word), run(rest, is_letter)),
        _ => (Some(Shape::Punct(first)), first.len_utf8()),
    })
}

/// Length of a quoted token, in which a doubled quote stands for one.
fn quoted(rest: &str, quote: char, what: &'static str, line: usize) -> Result<usize, Error> {
    let mut at = 1;
    while let Some(found) = rest[at..].find(quote) {
        at += found + 1;
        if !rest[at..].starts_with(quote) {
            return Ok(at);
        }
        at += 1;
    }
    Err(Error::Unterminated { what, line })
}

/// Length of a number with fraction and exponent; letters that follow belong to it, as an error
/// that SQLite reports itself.
fn number(rest: &str) -> usize {
    let mut before = ' ';
    run(rest, |c| {
        let sign_of_exponent = matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
        let hexadecimal = rest.starts_with("0x") || rest.starts_with("0X");
        before = c;
        is_letter(c) || c == '.' || (sign_of_exponent && !hexadecimal)
    })
}

fn run(rest: &str, mut belongs: impl FnMut(char) -> bool) -> usize {
    rest.find(|c| !belongs(c)).unwrap_or(rest.len())
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}
