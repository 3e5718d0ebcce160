//! Splitting against SQLite's own opinion, stripping literals, and the shapes of secrets.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Error, looks_like_secret, split, strip_literals};
use rusqlite::fallible_iterator::FallibleIterator;

fn texts(script: &str) -> Vec<String> {
    split(script).unwrap().into_iter().map(|statement| statement.text).collect()
}

/// How many statements SQLite itself sees. Needs scripts that compile against this schema.
fn as_sqlite_counts(script: &str) -> usize {
    let memory = rusqlite::Connection::open_in_memory().unwrap();
    memory.execute_batch("CREATE TABLE t(a, b); CREATE TABLE u(a, b)").unwrap();
    let mut batch = rusqlite::Batch::new(&memory, script);
    let mut count = 0;
    while let Some(statement) = batch.next().unwrap() {
        drop(statement);
        count += 1;
    }
    count
}

const TRIGGER: &str = "CREATE TRIGGER g AFTER INSERT ON t WHEN NEW.a > 1 BEGIN
  UPDATE u SET a = CASE WHEN b THEN 1 ELSE CASE a WHEN 2 THEN 3 END END;
  /* END; */ DELETE FROM u WHERE b = 'END;'; -- ; END
END";

#[test]
fn scripts_are_cut_where_sqlite_cuts_them() {
    let scripts = [
        "SELECT 1",
        ";;SELECT 1;;SELECT 2;",
        "SELECT ';'; SELECT \";\" FROM t; SELECT 'it''s;'; SELECT `a` AS [x;y] FROM t",
        "SELECT 1 -- ; SELECT 2\n; SELECT 3",
        "SELECT /* ; /* nested */ 1; SELECT 2 /* never closed ; SELECT 3",
        "SELECT 1 /*/ ; SELECT 2; /*/; SELECT 3",
        "SELECT 'a\\'; SELECT 'b'",
        "SELECT 1e5, 1.5e-3, .5, 0x1F, x'00ff'; SELECT ?1, :a, @b, $c",
        "SELECT 3--2;\n; SELECT 4-1",
        "INSERT INTO t VALUES ('é;ü', 'end'); DELETE FROM t",
    ];
    for script in scripts {
        assert_eq!(texts(script).len(), as_sqlite_counts(script), "{script}");
    }
    let with_trigger =
        format!("{TRIGGER}; SELECT 1; {}", TRIGGER.replace("TRIGGER g", "TRIGGER h"));
    assert_eq!(texts(&with_trigger).len(), 3);
    assert_eq!(as_sqlite_counts(&with_trigger), 3);
}

#[test]
fn a_statement_has_its_line_and_neither_comments_around_it_nor_a_semicolon() {
    let seen = split("-- first\n\nDROP INDEX i; -- then\nANALYZE;\n").unwrap();
    let seen: Vec<_> = seen.iter().map(|s| (s.line, s.text.as_str())).collect();
    assert_eq!(seen, [(3, "DROP INDEX i"), (4, "ANALYZE")]);
}

#[test]
fn a_column_called_trigger_or_begin_does_not_swallow_the_next_statement() {
    assert_eq!(texts("CREATE TABLE x(\"trigger\", \"begin\"); DROP TABLE x").len(), 2);
    assert_eq!(texts("CREATE TRIGGER broken; DROP TABLE t; SELECT 1").len(), 3);
}

#[test]
fn a_script_of_comments_only_is_empty() {
    for script in ["", "  \n", "-- DROP TABLE t;", "/* CREATE INDEX */ ;; -- x"] {
        assert_eq!(split(script), Err(Error::Empty), "{script:?}");
    }
}

#[test]
fn what_is_never_closed_is_named_with_its_line() {
    let at = |script| split(script).unwrap_err().to_string();
    assert!(at("SELECT 1;\nSELECT 'x").contains("line 2: a text in single quotes"));
    assert!(at("SELECT \"x").contains("double quotes"));
    assert!(at("SELECT [x").contains("brackets"));
    assert!(at("SELECT x'00").contains("a blob"));
}

#[test]
fn characters_that_deceive_a_reader_are_refused() {
    for (script, code) in [("ANALYZE;\0DROP TABLE t", 0), ("-- \u{202E}x\nANALYZE", 0x202E)] {
        assert_eq!(split(script), Err(Error::Deceptive { line: 1, code }));
    }
}

#[test]
fn literals_are_gone_and_the_shape_stays() {
    let shape = |sql| strip_literals(sql);
    assert_eq!(
        shape(
            "SELECT a1,  b FROM t -- Smith\nWHERE a = 'O''Hara' AND b IN (1, 2.5e3, x'ff') LIMIT 5"
        ),
        "SELECT a1, b FROM t WHERE a = ? AND b IN (?, ?, ?) LIMIT ?"
    );
    assert_eq!(
        shape("SELECT \"a b\" FROM t WHERE c = \"Smith\""),
        "SELECT \"a b\" FROM t WHERE c = ?"
    );
    assert_eq!(shape("SELECT 1 WHERE t.\"a\" = u.\"b\""), "SELECT ? WHERE t.\"a\" = u.\"b\"");
    assert_eq!(shape("SELECT 'never closed"), "?");
}

#[test]
fn secrets_are_found_by_their_shape() {
    let random = "q7Zp2Lx9Vb4Nc8Rt1Ys6Wd3Kf5Hg0JmAeUiO";
    let found = [
        (format!("key {}{}", "AKIA", "IOSFODNN7QXAMPLE"), "AWS"),
        (format!("-----BEGIN RSA {}-----\nMIIE", "PRIVATE KEY"), "private key"),
        (format!("token: {}{random}", "ghp_"), "GitHub"),
        (format!("{}{random}", "glpat-"), "GitLab"),
        (format!("Server=db;User Id=sa;{}=Tiger1;", "Password"), "connection string"),
        (format!("postgres://app:{}@db.local/app", "tiger1"), "URL"),
        (format!("\"api_key\": \"{random}\""), "under the name"),
        (format!("client_secret = '{random}'"), "under the name"),
        (
            format!("{}.{}.{random}", "eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiIxMjM0NTY3ODkwIn0"),
            "JSON web",
        ),
    ];
    for (text, kind) in found {
        let seen = looks_like_secret(&text);
        assert!(seen.as_deref().is_some_and(|seen| seen.contains(kind)), "{text}: {seen:?}");
    }
}

#[test]
fn digests_encoded_data_and_examples_are_no_secrets() {
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let fine = [
        format!("sha256 = \"{digest}\""),
        format!("-- commit {}", &digest[..40]),
        "LS0tIGEvc2NoZW1hLnNxbAorKysgYi9zY2hlbWEuc3FsCkBAIC0xLDMgKzEsNCBAQAo=".to_owned(),
        "CREATE TABLE users(id INTEGER PRIMARY KEY, password TEXT, api_key TEXT NOT NULL)"
            .to_owned(),
        "CREATE INDEX users_by_api_key ON users(api_key) WHERE password = ''".to_owned(),
        "Server=db;User Id=sa;Password=${DB_PASSWORD};".to_owned(),
        "api_key = \"<your key here>\"".to_owned(),
        "https://example.org/a:b@c".to_owned(),
        "-----BEGIN CERTIFICATE-----".to_owned(),
        "password: \"must not be empty\"".to_owned(),
        "see eyJ.txt.old, task-proj-alpha and AKIAS".to_owned(),
    ];
    for text in fine {
        assert_eq!(looks_like_secret(&text), None, "{text}");
    }
}
