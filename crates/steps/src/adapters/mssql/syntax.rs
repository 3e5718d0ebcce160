//! How an ADO.NET connection string is written: `name=value` pairs between semicolons.
//!
//! The rules are those of .NET's `DbConnectionStringBuilder` (single and double quotes, doubled to
//! be kept; `==` for an `=` in a name; `=` free in values), with ODBC's braces beside them, as
//! tiberius reads them. Any character may stand in a value, where tiberius' own reader takes ASCII
//! only. What the names mean is not known here.

/// One pair, in the order written. The name as written; the value without its quotes.
pub(super) struct Pair {
    pub name: String,
    pub value: String,
}

/// Where the string cannot be read, and why. It says nothing of what stands there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    /// The number of the pair, from 1.
    pub pair: usize,
    pub why: &'static str,
}

/// The pairs of a connection string.
pub(super) fn pairs(text: &str) -> Result<Vec<Pair>, Flaw> {
    let between = |c: char| c == ';' || c.is_whitespace();
    let mut rest = text.trim_start_matches(between);
    let mut pairs = Vec::new();
    while !rest.is_empty() {
        let flaw = |why| Flaw { pair: pairs.len() + 1, why };
        let (name, after) = name(rest).map_err(flaw)?;
        let (value, after) = value(after).map_err(flaw)?;
        pairs.push(Pair { name, value });
        rest = after.trim_start_matches(between);
    }
    Ok(pairs)
}

fn name(text: &str) -> Result<(String, &str), &'static str> {
    let mut name = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '=' if chars.next_if(|(_, next)| *next == '=').is_some() => name.push('='),
            '=' if name.trim().is_empty() => return Err("there is no keyword before the `=`"),
            '=' => return Ok((name.trim().to_owned(), &text[at + 1..])),
            ';' => break,
            c => name.push(c),
        }
    }
    Err("there is no `=` after the keyword; a value with a `;` in it needs quotes")
}

fn value(text: &str) -> Result<(String, &str), &'static str> {
    let text = text.trim_start();
    let close = match text.chars().next() {
        Some(quote @ ('\'' | '"')) => quote,
        Some('{') => '}',
        _ => {
            let (value, rest) = text.split_at(text.find(';').unwrap_or(text.len()));
            return Ok((value.trim_end().to_owned(), rest));
        }
    };
    let (value, rest) = quoted(&text[1..], close)?;
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with(';') {
        return Ok((value, rest));
    }
    Err("something stands after the closing quote; a quote within the value is written twice")
}

fn quoted(text: &str, close: char) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != close || chars.next_if(|(_, next)| *next == close).is_some() {
            value.push(c);
        } else {
            return Ok((value, &text[at + 1..]));
        }
    }
    Err("a quote or brace is opened and never closed")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, Flaw> {
        Ok(pairs(text)?.into_iter().map(|pair| (pair.name, pair.value)).collect())
    }

    #[test]
    fn values_are_read_by_the_quoting_rules_of_ado_net() {
        let cases = [
            ("a=1", "1"),
            (" a = 1 ; ", "1"),
            (";;a=1;;", "1"),
            ("a=", ""),
            ("a=Zm9v==", "Zm9v=="),
            ("a=it's", "it's"),
            ("a='p;w'", "p;w"),
            ("a='it''s'", "it's"),
            (r#"a="say ""x"";" "#, r#"say "x";"#),
            (r#"a='say "x"'"#, r#"say "x""#),
            ("a='  kept  '", "  kept  "),
            ("a={p;w=1}", "p;w=1"),
            ("a={p}}w}", "p}w"),
            ("a='{x}'", "{x}"),
            ("a=pä;", "pä"),
            ("a='密;码'", "密;码"),
        ];
        for (text, value) in cases {
            assert_eq!(read(text), Ok(vec![("a".into(), value.into())]), "{text}");
        }
    }

    #[test]
    fn names_keep_their_spaces_and_a_doubled_equals_sign() {
        let names: Vec<_> = pairs("User  Id=x;b==c=y").unwrap().into_iter().collect();
        assert_eq!((names[0].name.as_str(), names[0].value.as_str()), ("User  Id", "x"));
        assert_eq!((names[1].name.as_str(), names[1].value.as_str()), ("b=c", "y"));
    }

    #[test]
    fn what_cannot_be_read_says_which_pair_and_shows_nothing_of_it() {
        for text in ["a=1;b", "a=1;=2", "a=1;b='x", "a=1;b={x", "a=1;b='x'y", "a=1;b;c=2"] {
            assert_eq!(read(text).unwrap_err().pair, 2, "{text}");
        }
    }
}
