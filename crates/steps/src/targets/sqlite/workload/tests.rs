//! Reading workload files, and what is refused in them.

#![allow(clippy::unwrap_used)]

use super::*;
use std::fs;

fn workload(files: &[(&str, &str)]) -> Result<Workload, Error> {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    Workload::load(dir.path(), &["*.sql".to_owned()])
}

fn db() -> Connection {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)").unwrap();
    conn
}

fn refused(sql: &str) -> Error {
    workload(&[("q.sql", sql)]).unwrap().check(&db()).unwrap_err()
}

#[test]
fn comments_name_and_weigh_the_statement_that_follows() {
    let b = "-- name: top\n-- weight: 2.5\nSELECT a FROM t ORDER BY a;\nSELECT 2;\n\n-- frequency: 7\nSELECT 3";
    let workload = workload(&[("b.sql", b), ("a.sql", "SELECT 'x;y'")]).unwrap();
    let seen: Vec<_> = workload
        .queries
        .iter()
        .map(|q| (q.name.as_str(), q.weight, q.ordered, q.origin.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("a", 1.0, false, "a.sql:1"),
            ("top", 2.5, true, "b.sql:3"),
            ("b#2", 1.0, false, "b.sql:4"),
            ("b#3", 7.0, false, "b.sql:7"),
        ]
    );
    workload.check(&db()).unwrap();
}

#[test]
fn only_the_outermost_order_by_makes_a_result_ordered() {
    assert!(is_ordered("SELECT a FROM t UNION SELECT 1 ORDER BY 1"));
    assert!(!is_ordered("SELECT * FROM (SELECT a FROM t ORDER BY a)"));
    assert!(!is_ordered("SELECT row_number() OVER (ORDER BY a) FROM t"));
}

#[test]
fn the_digest_follows_names_weights_and_statements_but_not_places() {
    let digest = |text: &str| workload(&[("q.sql", text)]).unwrap().digest();
    let base = digest("-- name: x\nSELECT 1");
    assert_eq!(base, digest("\n\n-- a remark\n-- name: x\nSELECT 1;"));
    assert_ne!(base, digest("-- name: y\nSELECT 1"));
    assert_ne!(base, digest("-- name: x\n-- weight: 2\nSELECT 1"));
    assert_ne!(base, digest("-- name: x\nSELECT 2"));
}

#[test]
fn what_makes_no_sense_is_refused_at_its_line() {
    let error = |text: &str| workload(&[("q.sql", text)]).unwrap_err();
    assert!(matches!(error("-- nothing here\n;;"), Error::Empty { files } if files.len() == 1));
    assert!(matches!(workload(&[]).unwrap_err(), Error::NoFiles { .. }));
    for weight in ["-1", "0", "often", "NaN", "inf", ""] {
        let shown = error(&format!("\n-- weight: {weight}\nSELECT 1")).to_string();
        assert!(shown.starts_with("q.sql:2: weight must be a number above 0"), "{shown}");
    }
    assert!(matches!(error("-- name:\nSELECT 1"), Error::EmptyName { .. }));
    let shown = error("SELECT 1;\nSELECT 'never closed").to_string();
    assert!(shown.starts_with("q.sql:2: cannot be read as SQL"), "{shown}");
    let twice = error("-- name: A\nSELECT 1;\n-- name: a\nSELECT 2").to_string();
    assert_eq!(twice, "q.sql:4: a query named \"a\" stands already at q.sql:2");
}

#[test]
fn an_untouched_sample_is_refused() {
    let error = workload(&[("q.sql", "-- name: x\n-- sample\nSELECT 1")]).unwrap_err();
    assert!(matches!(&error, Error::Sample { origin } if origin == "q.sql:2"));
    assert_eq!(error.code(), "workload_is_sample");
}

#[test]
fn only_reading_queries_pass() {
    let forbidden = [
        "DROP TABLE t",
        "PRAGMA user_version = 3",
        "ATTACH 'x' AS y",
        "VACUUM",
        "BEGIN",
        "COMMIT",
        "EXPLAIN SELECT 1",
        "INSERT INTO t VALUES (1, 'x')",
        "WITH x AS (SELECT 1) DELETE FROM t",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT 1, 'x' RETURNING a",
        "SELECT load_extension('x')",
    ];
    for sql in forbidden {
        let error = refused(&format!("-- name: bad\n{sql}"));
        assert!(matches!(&error, Error::Forbidden { .. }), "{sql}: {error}");
        assert!(error.to_string().starts_with("q.sql:2: query \"bad\""), "{error}");
    }
}

#[test]
fn a_statement_hidden_behind_another_is_refused() {
    let query = Query {
        name: "two".into(),
        weight: 1.0,
        sql: "SELECT 1; DROP TABLE t".into(),
        ordered: false,
        origin: "q.sql:1".into(),
    };
    let error = Workload { queries: vec![query] }.check(&db()).unwrap_err();
    assert!(matches!(error, Error::Forbidden { .. }), "{error}");
}

#[test]
fn sqlite_says_what_is_wrong_with_a_query() {
    let shown = refused("\nSELECT * FROM missing").to_string();
    assert_eq!(shown, "q.sql:2: query \"q\": SQLite says: no such table: missing");
    let shown = refused("SELECT a FRM t").to_string();
    assert!(shown.contains("syntax error"), "{shown}");
    assert!(refused("SELECT \"text\" FROM t").to_string().contains("no such column"));
}

#[test]
fn parameters_need_values() {
    let error = refused("SELECT * FROM t WHERE a = :id");
    assert!(error.to_string().contains("(:id) without a value"), "{error}");
}
