//! What no change may say, whatever it declares. Judged by tokens, because SQLite goes by the
//! first keyword too, and a statement that `sqlparser` does not know must not slip through.
//!
//! Deliberately not here: what a declared kind admits (`classify`).

use super::lexer::{Shape, Token};

/// Why these tokens of one statement are refused; `None`: nothing is said against them here.
pub fn reason(tokens: &[Token<'_>]) -> Option<String> {
    let first = tokens.first()?;
    let second = tokens.get(1);
    head(first)
        .or_else(|| temporary(first, second))
        .map(str::to_owned)
        .or_else(|| hidden_rollback(tokens).map(str::to_owned))
        .or_else(|| function(tokens))
}

fn head(first: &Token<'_>) -> Option<&'static str> {
    if first.shape != Shape::Word {
        return None;
    }
    Some(match first.text.to_ascii_uppercase().as_str() {
        "BEGIN" | "COMMIT" | "END" | "ROLLBACK" | "SAVEPOINT" | "RELEASE" | "START" | "ABORT" => {
            "transaction control belongs to Kaizen, which runs the script in one transaction"
        }
        "ATTACH" | "DETACH" => "a change may not reach into other database files",
        "USE" => "a change may not switch databases",
        "VACUUM" => "VACUUM cannot run inside a transaction and cannot be taken back",
        "PRAGMA" => "PRAGMA changes how the database or the connection works, not its content",
        "GRANT" | "REVOKE" | "DENY" => "permissions are not changed by a change",
        "EXEC" | "EXECUTE" | "PREPARE" | "DEALLOCATE" | "CALL" | "DO" => {
            "dynamic SQL cannot be judged before it runs"
        }
        "LOAD" | "INSTALL" => "a change may not load code",
        "REINDEX" => "REINDEX changes nothing that could be measured or taken back",
        "SELECT" | "VALUES" | "EXPLAIN" => "it changes nothing",
        _ => return None,
    })
}

fn temporary(first: &Token<'_>, second: Option<&Token<'_>>) -> Option<&'static str> {
    let temporary = second.is_some_and(|token| token.is("TEMP") || token.is("TEMPORARY"));
    (first.is("CREATE") && temporary)
        .then_some("what is temporary is gone when the connection closes")
}

/// `INSERT OR ROLLBACK`, `ON CONFLICT ROLLBACK` and `RAISE(ROLLBACK, …)` end the transaction.
fn hidden_rollback(tokens: &[Token<'_>]) -> Option<&'static str> {
    let hidden = tokens.windows(2).any(|pair| {
        let leads = pair[0].is("OR") || pair[0].is("CONFLICT") || pair[0].is_punct('(');
        leads && pair[1].is("ROLLBACK")
    });
    hidden.then_some("ROLLBACK as a conflict rule would end the transaction that Kaizen runs it in")
}

/// Functions that load code or write files.
fn function(tokens: &[Token<'_>]) -> Option<String> {
    const CALLS: [&str; 5] = ["load_extension", "fts3_tokenizer", "writefile", "readfile", "edit"];
    let called = tokens.windows(2).find_map(|pair| {
        let name = pair[0].name().filter(|_| pair[1].is_punct('('))?;
        CALLS.contains(&name.as_str()).then_some(name)
    })?;
    Some(format!("the function {called}() reaches outside the database"))
}

/// Whether a name belongs to SQLite or to Kaizen itself.
pub fn reserved(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase();
    if name.starts_with("sqlite_") {
        Some(format!("`{name}` is SQLite's own table"))
    } else if name.starts_with("kaizen_") {
        Some(format!("`{name}` is one of Kaizen's own tables"))
    } else {
        None
    }
}
