//! What a project declares: any text is refused with a place in it, or means the same when it is
//! written out and read again.
//!
//! The same text goes to both parsers; a policy is then held against a definition.

#![no_main]

use kaizen_engine::workflow::{Definition, Error, Policy, Position};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(bytes) else { return Corpus::Reject };
    let definition = Definition::parse(text);
    match &definition {
        Ok(definition) => survives(text, definition),
        Err(error) => names_a_place(text, error),
    }
    match Policy::parse(text) {
        Ok(policy) => {
            let written = toml::to_string(&policy).expect("a policy can be written");
            assert_eq!(Policy::parse(&written).as_ref(), Ok(&policy), "{written}");
            let plain = Definition::parse(PLAIN).expect("the smallest definition");
            let _ = policy.check(&plain);
        }
        Err(error) => names_a_place(text, &error),
    }
    Corpus::Keep
});

const PLAIN: &str =
    "name = \"a\"\n[target]\nkind = \"sqlite\"\ndatabase = \"a.db\"\nworkload = [\"*.sql\"]\n";

/// What was read is read again: from the same bytes, with the same digest, and from its own values
/// as TOML.
fn survives(text: &str, definition: &Definition) {
    assert_eq!(Definition::parse(text).as_ref(), Ok(definition));
    assert_eq!(Definition::digest(text), Definition::digest(&text.to_owned()));
    let written = toml::to_string(definition).expect("a definition can be written");
    let again = Definition::parse(&written);
    assert_eq!(again.as_ref(), Ok(definition), "written as\n{written}");
    let _ = Policy::default().check(definition);
}

/// A refusal points into the text.
fn names_a_place(text: &str, error: &Error) {
    assert!(!error.to_string().is_empty());
    let Some(Position { line, column }) = error.position() else { return };
    let lines: Vec<&str> = text.split('\n').collect();
    assert!((1..=lines.len()).contains(&line), "line {line} of {}: {error}", lines.len());
    let columns = lines[line - 1].chars().count() + 1;
    assert!((1..=columns).contains(&column), "column {column} of {columns}: {error}");
}
