//! Small pieces of T-SQL's grammar that several rooms read: dotted names, types, the forms of INSERT,
//! UPDATE and DELETE that SQLite writes otherwise.

use crate::{
    error::SqlError,
    lexer::{Kind, Token, after_group, by_commas},
    names::HINTS,
    types::SqlType,
};

/// The parts of a dotted name, and the index after it. `tempdb..#t` has an empty part.
pub fn parts(tokens: &[Token], at: usize) -> (Vec<Token>, usize) {
    let (mut found, mut end) = (vec![tokens[at].clone()], at + 1);
    while tokens.get(end).is_some_and(|token| token.symbol(".")) {
        match tokens.get(end + 1) {
            Some(token) if token.as_name().is_some() => {
                found.push(token.clone());
                end += 2;
            }
            Some(token) if token.symbol(".") => {
                found.push(Token::name(""));
                end += 1;
            }
            _ => break,
        }
    }
    (found, end)
}

/// A type at the beginning of `tokens`, and how many tokens it takes.
pub fn sql_type(tokens: &[Token]) -> Result<(SqlType, usize), SqlError> {
    let (names, mut end) = match tokens.first() {
        Some(token) if token.as_name().is_some() => parts(tokens, 0),
        _ => return Err(SqlError::syntax("a type")),
    };
    let name = names.last().and_then(Token::as_name).unwrap_or_default();
    let mut numbers = Vec::new();
    if tokens.get(end).is_some_and(|token| token.symbol("(")) {
        let after = after_group(tokens, end)?;
        for argument in by_commas(&tokens[end + 1..after - 1]) {
            numbers.push(match argument.first().map(|token| &token.kind) {
                Some(Kind::Number(digits)) => digits.parse().unwrap_or(0),
                _ => -1,
            });
        }
        end = after;
    }
    let ty = SqlType::named(name, numbers.first().copied(), numbers.get(1).copied());
    let unknown = || SqlError::new(243, 16, format!("Type {name} is not a defined system type."));
    ty.map(|ty| (ty, end)).ok_or_else(unknown)
}

/// `WITH (hint, …)` and `OPTION (…)`, which a planner may need and SQLite does not.
pub fn is_advice(tokens: &[Token], at: usize) -> bool {
    let hint = tokens.get(at + 2).is_some_and(|token| token.is_any(HINTS));
    tokens[at].is("OPTION") || (tokens[at].is("WITH") && hint)
}

pub fn follows_dot(tokens: &[Token], at: usize) -> bool {
    at.checked_sub(1).is_some_and(|at| tokens[at].symbol("."))
}

/// Names before `AS (` in a statement that begins with WITH.
pub fn ctes(tokens: &[Token]) -> Vec<String> {
    if !tokens.first().is_some_and(|token| token.is("WITH")) {
        return Vec::new();
    }
    let (mut names, mut at) = (Vec::new(), 1);
    while let Some(name) = tokens.get(at).and_then(Token::as_name) {
        names.push(name.to_owned());
        // Past an optional list of columns, AS, the query, and a comma.
        at += 1;
        while tokens.get(at).is_some_and(|token| token.symbol("(") || token.is("AS")) {
            at = if tokens[at].is("AS") {
                at + 1
            } else {
                after_group(tokens, at).unwrap_or(tokens.len())
            };
        }
        if !tokens.get(at).is_some_and(|token| token.symbol(",")) {
            break;
        }
        at += 1;
    }
    names
}

/// INSERT without INTO, DELETE without FROM, and the forms that name an alias before FROM.
pub fn rewritten(tokens: &[Token]) -> Vec<Token> {
    let mut tokens = tokens.to_vec();
    let second = tokens.get(1).cloned();
    let Some(second) = second else { return tokens };
    if tokens[0].is("INSERT") && !second.is("INTO") {
        tokens.insert(1, Token { kind: Kind::Word("INTO".to_owned()), line: 0 });
    } else if tokens[0].is("DELETE") && !second.is("FROM") {
        if tokens.get(2).is_some_and(|token| token.is("FROM")) {
            tokens.remove(1);
        } else {
            tokens.insert(1, Token { kind: Kind::Word("FROM".to_owned()), line: 0 });
        }
    } else if tokens[0].is("UPDATE")
        && let Some(from) = tokens.iter().position(|token| token.is("FROM"))
    {
        let until = tokens.iter().skip(from).position(|token| token.is("WHERE"));
        let until = until.map_or(tokens.len(), |until| from + until);
        let target: Vec<Token> = tokens[from + 1..until].to_vec();
        if target.last() == Some(&second) && !target.iter().any(|token| token.is("JOIN")) {
            tokens.drain(from..until);
            tokens.splice(1..2, target);
        }
    }
    tokens
}
