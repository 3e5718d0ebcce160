//! Reading SQL text without running it: splitting, shapes without literals, normal forms.
//!
//! Tokens come from `sqlparser`; what it cannot read is refused or hidden, never guessed. Whether
//! a statement is allowed is decided in [`super::workload`] and by SQLite, not here.

use sqlparser::dialect::SQLiteDialect;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, TokenizerError, Whitespace};

/// One statement of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// From its first token to its last, without the `;`. Empty where only comments were left.
    pub sql: String,
    /// The line of its first token (or of its first comment where it has none).
    pub line: u64,
    /// The `--` comments before its first token: line and text.
    pub comments: Vec<(u64, String)>,
}

fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>, TokenizerError> {
    Tokenizer::new(&SQLiteDialect {}, sql).with_unescape(false).tokenize_with_location()
}

/// Splits at `;` outside of quotes and comments. Line numbers count from 1.
pub(super) fn split(source: &str) -> Result<Vec<Piece>, TokenizerError> {
    let offsets = Offsets::of(source);
    let mut pieces = Vec::new();
    let mut open = Open::default();
    for token in tokens(source)? {
        match &token.token {
            Token::SemiColon => pieces.extend(std::mem::take(&mut open).close(source)),
            Token::Whitespace(Whitespace::SingleLineComment { comment, .. }) => {
                if open.range.is_none() {
                    open.comments.push((token.span.start.line, comment.trim().to_owned()));
                }
            }
            Token::Whitespace(_) | Token::EOF => {}
            _ => {
                let start = offsets.byte(token.span.start.line, token.span.start.column);
                let end = offsets.byte(token.span.end.line, token.span.end.column);
                let (first, line) =
                    open.range.map_or((start, token.span.start.line), |(s, _, l)| (s, l));
                open.range = Some((first, end, line));
            }
        }
    }
    pieces.extend(open.close(source));
    Ok(pieces)
}

#[derive(Default)]
struct Open {
    /// Byte range and first line of the statement so far.
    range: Option<(usize, usize, u64)>,
    comments: Vec<(u64, String)>,
}

impl Open {
    fn close(self, source: &str) -> Option<Piece> {
        let (sql, line) = match self.range {
            Some((start, end, line)) => (source.get(start..end)?.to_owned(), line),
            None => (String::new(), self.comments.first()?.0),
        };
        Some(Piece { sql, line, comments: self.comments })
    }
}

/// Turns the tokenizer's lines and columns (characters) into byte offsets.
struct Offsets<'a> {
    source: &'a str,
    lines: Vec<usize>,
}

impl<'a> Offsets<'a> {
    fn of(source: &'a str) -> Offsets<'a> {
        let breaks = source.match_indices('\n').map(|(at, _)| at + 1);
        Offsets { source, lines: std::iter::once(0).chain(breaks).collect() }
    }

    fn byte(&self, line: u64, column: u64) -> usize {
        let index = |n: u64| usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
        let Some(&start) = self.lines.get(index(line)) else { return self.source.len() };
        let rest = &self.source[start..];
        start + rest.char_indices().nth(index(column)).map_or(rest.len(), |(at, _)| at)
    }
}

/// The statement on one line, its literals replaced by `?` and its comments dropped.
///
/// Words in double quotes stay: a workload is prepared with double-quoted strings switched off,
/// so that they can only be names.
pub fn shape(sql: &str) -> String {
    words(sql, |token| is_literal(token).then(|| "?".to_owned()))
        .unwrap_or_else(|| "(not shown: cannot be parsed)".to_owned())
}

/// The statement with its comments dropped and its white space evened out, so that texts which
/// mean the same compare equal. What cannot be read is only trimmed.
pub(super) fn normal_form(sql: &str) -> String {
    words(sql, |_| None).unwrap_or_else(|| sql.trim().to_owned())
}

/// Joins the tokens by single spaces, where `replace` may put something else in a token's place.
fn words(sql: &str, replace: impl Fn(&Token) -> Option<String>) -> Option<String> {
    let mut out = String::with_capacity(sql.len());
    let mut previous = Token::EOF;
    for token in tokens(sql).ok()?.into_iter().map(|token| token.token) {
        if matches!(token, Token::Whitespace(_) | Token::EOF) {
            continue;
        }
        if !matches!(previous, Token::EOF) && !is_tight(&previous, &token) {
            out.push(' ');
        }
        out.push_str(&replace(&token).unwrap_or_else(|| token.to_string()));
        previous = token;
    }
    Some(out)
}

fn is_tight(previous: &Token, next: &Token) -> bool {
    matches!(previous, Token::LParen | Token::Period)
        || matches!(next, Token::RParen | Token::Comma | Token::Period | Token::SemiColon)
        || (matches!(next, Token::LParen) && is_called(previous))
}

/// Whether a word before a bracket looks like a function or a table rather than a keyword.
fn is_called(previous: &Token) -> bool {
    const SPACED: [&str; 12] =
        ["and", "as", "by", "exists", "from", "in", "not", "on", "or", "select", "using", "where"];
    matches!(previous, Token::Word(word) if !SPACED.contains(&word.value.to_lowercase().as_str()))
}

fn is_literal(token: &Token) -> bool {
    // Everything that can carry a user's data, other dialects' forms too: a shape that hides too
    // much is harmless.
    !matches!(token, Token::Word(_) | Token::Placeholder(_))
        && (matches!(token, Token::Number(..)) || token.to_string().contains(['\'', '"', '$']))
}

/// What in the statement answers differently from one moment to the next, if anything does:
/// results of two runs a moment apart may agree by luck, so running it twice does not tell.
pub(super) fn moving_part(sql: &str) -> Option<String> {
    const CLOCK: [&str; 3] = ["current_timestamp", "current_date", "current_time"];
    const RANDOM: [&str; 2] = ["random", "randomblob"];
    const DATES: [&str; 7] =
        ["date", "time", "datetime", "julianday", "unixepoch", "strftime", "timediff"];
    let tokens: Vec<Token> = tokens(sql)
        .ok()?
        .into_iter()
        .map(|token| token.token)
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .collect();
    let word = |token: &Token| match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.to_lowercase()),
        _ => None,
    };
    let mut dates = false;
    for pair in tokens.windows(2) {
        let called = matches!(pair[1], Token::LParen);
        match word(&pair[0]) {
            Some(name) if CLOCK.contains(&name.as_str()) => return Some(name),
            Some(name) if called && RANDOM.contains(&name.as_str()) => {
                return Some(format!("{name}()"));
            }
            Some(name) if called && DATES.contains(&name.as_str()) => dates = true,
            _ => {}
        }
        let now = matches!(&pair[0], Token::SingleQuotedString(s) if s.eq_ignore_ascii_case("now"));
        if dates && now {
            return Some("the date and time 'now'".to_owned());
        }
    }
    None
}

/// The name of a function that the statement calls and that a workload may not.
pub(super) fn forbidden_call(sql: &str) -> Option<String> {
    const FORBIDDEN: [&str; 4] = ["load_extension", "fts3_tokenizer", "readfile", "writefile"];
    let tokens = tokens(sql).ok()?;
    tokens.iter().find_map(|token| match &token.token {
        Token::Word(word) if FORBIDDEN.contains(&word.value.to_lowercase().as_str()) => {
            Some(word.value.to_lowercase())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_semicolon_in_a_string_or_a_comment_does_not_split() {
        let source =
            "-- name: ö; x\nSELECT 'a;b', \"c;d\" -- e;f\n, 'é' /* ; */ ;\n\n-- two\nSELECT 2";
        let pieces = split(source).unwrap();
        assert_eq!(pieces.len(), 2);
        assert_eq!(pieces[0].sql, "SELECT 'a;b', \"c;d\" -- e;f\n, 'é'");
        assert_eq!(pieces[0].line, 2);
        assert_eq!(pieces[0].comments, [(1, "name: ö; x".to_owned())]);
        assert_eq!((pieces[1].sql.as_str(), pieces[1].line), ("SELECT 2", 6));
    }

    #[test]
    fn quotes_inside_strings_survive_splitting() {
        let pieces = split("SELECT 'it''s', x'00ff' FROM [a b] WHERE `c` = 1;").unwrap();
        assert_eq!(pieces[0].sql, "SELECT 'it''s', x'00ff' FROM [a b] WHERE `c` = 1");
    }

    #[test]
    fn a_shape_has_no_literal_left() {
        let sql = "SELECT a -- secret\nFROM t WHERE n='Ann O''Hara' AND m>-1.5e3 AND b=x'beef' AND k IN (1,2)";
        let shape = shape(sql);
        assert_eq!(shape, "SELECT a FROM t WHERE n = ? AND m > - ? AND b = ? AND k IN (?, ?)");
        assert_eq!(super::shape("SELECT 'open"), "(not shown: cannot be parsed)");
    }

    #[test]
    fn white_space_and_comments_do_not_make_a_schema_differ() {
        let one = normal_form("CREATE TABLE t(a INT , b TEXT /* x */)");
        assert_eq!(one, normal_form("CREATE TABLE t (a INT,\n b TEXT)"));
        assert_ne!(one, normal_form("CREATE TABLE t(a INT, b BLOB)"));
        assert_ne!(normal_form("SELECT 'a  b'"), normal_form("SELECT 'a b'"));
    }

    #[test]
    fn the_clock_and_chance_are_seen() {
        assert_eq!(moving_part("SELECT date('now', '-1 day')").unwrap(), "the date and time 'now'");
        assert_eq!(moving_part("SELECT random() FROM t").unwrap(), "random()");
        assert_eq!(moving_part("SELECT CURRENT_DATE, 1").unwrap(), "current_date");
        assert_eq!(moving_part("SELECT random, 'now', date(d) FROM t"), None);
    }
}
