//! Splits a batch into statements. T-SQL needs no semicolons; where one is missing, a statement ends
//! before a keyword that can only begin another. Not here: what a statement does (`engine`).

use crate::{
    error::SqlError,
    lexer::{Token, after_group},
};

/// Keywords that begin a statement wherever they stand outside parentheses, with the words before
/// them that make them part of another (`AFTER UPDATE`, `ON DELETE`).
const BEGINNINGS: &[&str] = &[
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "ALTER",
    "EXEC",
    "EXECUTE",
    "TRUNCATE",
    "DECLARE",
    "IF",
    "COMMIT",
    "ROLLBACK",
    "THROW",
    "RAISERROR",
    "PRINT",
    "USE",
    "GRANT",
    "REVOKE",
    "DENY",
    "WAITFOR",
    "SAVE",
];
const NOT_AFTER: &[&str] = &[
    "ON", "AFTER", "FOR", "OF", "OR", "THEN", "GRANT", "DENY", "REVOKE", "AS", "TABLE", "WITH",
    "ENABLE", "DISABLE",
];

/// A batch's statements. Views, triggers and procedures fill a batch of their own, as in T-SQL.
pub fn statements(tokens: &[Token]) -> Result<Vec<Vec<Token>>, SqlError> {
    if is_module(tokens) {
        return Ok(vec![without_end(tokens).to_vec()]);
    }
    let (mut found, mut current) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        if token.symbol(";") {
            push(&mut found, &mut current);
            at += 1;
        } else if token.symbol("(") {
            let end = after_group(tokens, at)?;
            current.extend_from_slice(&tokens[at..end]);
            at = end;
        } else if current.is_empty() && token.is("IF") {
            at = conditional(tokens, at, &mut found)?;
        } else if current.is_empty() && token.is("BEGIN") && !begins(tokens, at) {
            let end = after_end(tokens, at)?;
            found.push(tokens[at..end].to_vec());
            at = end;
        } else {
            if begins(tokens, at) && !current.is_empty() {
                push(&mut found, &mut current);
                continue;
            }
            current.push(token.clone());
            at += 1;
        }
    }
    push(&mut found, &mut current);
    Ok(found)
}

fn push(found: &mut Vec<Vec<Token>>, current: &mut Vec<Token>) {
    if !current.is_empty() {
        found.push(std::mem::take(current));
    }
}

fn without_end(tokens: &[Token]) -> &[Token] {
    let mut tokens = tokens;
    while let Some((last, rest)) = tokens.split_last()
        && last.symbol(";")
    {
        tokens = rest;
    }
    tokens
}

fn is_module(tokens: &[Token]) -> bool {
    let mut words = tokens.iter().skip_while(|token| token.symbol(";"));
    let (Some(first), Some(second)) = (words.next(), words.next()) else { return false };
    if !(first.is("CREATE") || first.is("ALTER")) {
        return false;
    }
    let kind = if second.is("OR") { words.nth(1) } else { Some(second) };
    kind.is_some_and(|word| word.is_any(&["VIEW", "TRIGGER", "PROCEDURE", "PROC", "FUNCTION"]))
}

fn begins(tokens: &[Token], at: usize) -> bool {
    let token = &tokens[at];
    let next = tokens.get(at + 1);
    // SET … ON is complete.
    let after_set = at.checked_sub(3).is_some_and(|at| tokens[at].is("SET"));
    if !after_set
        && let Some(before) = at.checked_sub(1).map(|at| &tokens[at])
        && (before.is_any(NOT_AFTER) || before.symbol(",") || before.symbol("."))
    {
        return false;
    }
    if token.is("BEGIN") {
        return next.is_some_and(|next| next.is_any(&["TRAN", "TRANSACTION"]));
    }
    if token.is("SET") {
        // Not the SET of an UPDATE.
        return next.is_some_and(|next| {
            next.is_any(&[
                "XACT_ABORT",
                "NOCOUNT",
                "TRANSACTION",
                "LOCK_TIMEOUT",
                "QUOTED_IDENTIFIER",
                "ANSI_NULLS",
                "DEADLOCK_PRIORITY",
            ])
        });
    }
    if next.is_some_and(|next| next.symbol("(") || next.symbol(".")) {
        // UPDATE(column) and the like, but EXEC (N'…') and IF (…) do begin one.
        return token.is_any(&["EXEC", "EXECUTE", "IF", "RAISERROR"]);
    }
    token.is_any(BEGINNINGS)
}

/// Takes `IF condition body [ELSE body]` as one statement; what follows is split on its own.
fn conditional(
    tokens: &[Token],
    start: usize,
    found: &mut Vec<Vec<Token>>,
) -> Result<usize, SqlError> {
    let mut at = skip_if(tokens, start)?;
    if tokens.get(at).is_some_and(|token| token.symbol(";"))
        && tokens.get(at + 1).is_some_and(|token| token.is("ELSE"))
    {
        at += 1;
    }
    if tokens.get(at).is_some_and(|token| token.is("ELSE")) {
        at = skip_body(tokens, at + 1)?;
    }
    found.push(tokens[start..at].to_vec());
    Ok(at)
}

fn skip_if(tokens: &[Token], start: usize) -> Result<usize, SqlError> {
    skip_body(tokens, condition_end(tokens, start + 1)?)
}

/// The index of the first token of an IF's body.
pub fn condition_end(tokens: &[Token], start: usize) -> Result<usize, SqlError> {
    let mut at = start;
    while let Some(token) = tokens.get(at) {
        if token.symbol("(") {
            at = after_group(tokens, at)?;
            continue;
        }
        if at > start && (begins(tokens, at) || token.is_any(&["BEGIN", "SELECT", "SET"])) {
            return Ok(at);
        }
        at += 1;
    }
    Err(SqlError::syntax("IF"))
}

/// The index after a body: BEGIN … END, or one statement.
pub fn skip_body(tokens: &[Token], start: usize) -> Result<usize, SqlError> {
    let is_transaction =
        tokens.get(start + 1).is_some_and(|token| token.is_any(&["TRAN", "TRANSACTION"]));
    if tokens.get(start).is_some_and(|token| token.is("BEGIN")) && !is_transaction {
        return after_end(tokens, start);
    }
    if tokens.get(start).is_some_and(|token| token.is("IF")) {
        return skip_if(tokens, start);
    }
    let mut at = start + 1;
    while let Some(token) = tokens.get(at) {
        if token.symbol("(") {
            at = after_group(tokens, at)?;
        } else if token.symbol(";") || token.is("ELSE") || begins(tokens, at) {
            break;
        } else {
            at += 1;
        }
    }
    Ok(at)
}

/// The index after the END that closes the BEGIN at `start`; CASE has an END too.
pub fn after_end(tokens: &[Token], start: usize) -> Result<usize, SqlError> {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        let next = tokens.get(at + 1);
        let transaction = next.is_some_and(|next| next.is_any(&["TRAN", "TRANSACTION"]));
        if (token.is("BEGIN") && !transaction) || token.is("CASE") {
            depth += 1;
        } else if token.is("END") {
            depth -= 1;
            if depth == 0 {
                return Ok(at + 1);
            }
        }
    }
    Err(SqlError::syntax("BEGIN"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::lexer::{render, tokens};

    fn split(sql: &str) -> Vec<String> {
        statements(&tokens(sql).unwrap()).unwrap().iter().map(|s| render(s)).collect()
    }

    #[test]
    fn statements_end_at_semicolons_or_where_another_begins() {
        let sql = "SET XACT_ABORT ON BEGIN TRANSACTION INSERT INTO t (a) SELECT 1; COMMIT";
        assert_eq!(split(sql).len(), 4);
        assert_eq!(split("UPDATE t SET a = 1 WHERE b = ';' -- ;").len(), 1);
        assert_eq!(split("IF NOT EXISTS (SELECT 1) EXEC (N'x; y') SELECT 2").len(), 1);
        assert_eq!(split("IF 1 = 1 BEGIN DELETE FROM t; SELECT 1 END; SELECT 2").len(), 2);
        assert_eq!(split("IF 1 = 2 DROP TABLE a; ELSE DROP TABLE b; DROP TABLE c").len(), 2);
        assert_eq!(split("CREATE TRIGGER a ON b AFTER UPDATE, DELETE AS BEGIN X; END;").len(), 1);
        assert_eq!(split("CREATE TABLE t (a int REFERENCES b ON DELETE CASCADE)").len(), 1);
    }
}
