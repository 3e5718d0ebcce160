//! Scripts that apply, that do not, and downs that restore or lose.

#![allow(clippy::unwrap_used)]

use super::*;

fn checks(up: &str, down: &str) -> Vec<(String, CheckResult, String)> {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = dir.path().join("snapshot.db");
    let schema = include_str!("../script/shop.sql");
    Connection::open(&snapshot).unwrap().execute_batch(schema).unwrap();
    let checks = preflight_checks(&snapshot, dir.path(), up, down).unwrap();
    checks.into_iter().map(|check| (check.name, check.result, check.detail)).collect()
}

/// The checks that did not pass.
fn wrong(up: &str, down: &str) -> Vec<(String, String)> {
    let bad = checks(up, down).into_iter().filter(|check| check.1 != CheckResult::Passed);
    bad.map(|(name, _, detail)| (name, detail)).collect()
}

#[test]
fn a_change_that_can_be_taken_back_passes_every_check() {
    let seen = checks("CREATE INDEX i ON orders(customer); ANALYZE", "DROP INDEX i;");
    let names: Vec<&str> = seen.iter().map(|check| check.0.as_str()).collect();
    let all = [
        UP_APPLIES,
        INTEGRITY,
        FOREIGN_KEYS,
        DOWN_APPLIES,
        DOWN_RESTORES_SCHEMA,
        DOWN_RESTORES_CONTENTS,
    ];
    assert_eq!(names, all);
    assert!(seen.iter().all(|check| check.1 == CheckResult::Passed), "{seen:?}");
}

#[test]
fn a_script_that_fails_half_way_is_named_with_its_statement() {
    let wrong = wrong("CREATE INDEX i ON orders(customer); CREATE INDEX i ON orders(id)", "");
    assert_eq!(wrong[0].0, UP_APPLIES);
    assert!(wrong[0].1.starts_with("statement 2"), "{wrong:?}");
}

#[test]
fn a_hidden_commit_fails_the_preflight_as_it_would_fail_the_deployment() {
    let wrong = wrong("CREATE INDEX i ON orders(customer); COMMIT; DROP TABLE orders", "");
    assert_eq!(wrong[0].0, UP_APPLIES);
    assert!(wrong[0].1.contains("COMMIT"), "{wrong:?}");
}

#[test]
fn a_down_script_that_loses_rows_names_the_tables() {
    let up = "CREATE TABLE saved AS SELECT * FROM customer WHERE id = 1; \
              DELETE FROM orders; UPDATE customer SET name = 'x'";
    let down = "UPDATE customer SET name = (SELECT s.name FROM saved s WHERE s.id = customer.id); \
                DROP TABLE saved";
    let wrong = wrong(up, down);
    assert_eq!(wrong.len(), 1);
    assert_eq!(wrong[0].0, DOWN_RESTORES_CONTENTS);
    assert!(wrong[0].1.ends_with("customer, orders"), "{wrong:?}");
}

#[test]
fn a_down_script_that_forgets_an_object_names_it() {
    let up = "CREATE INDEX i ON orders(customer); CREATE VIEW v AS SELECT 1";
    let wrong = wrong(up, "DROP INDEX i");
    assert_eq!(wrong.len(), 1);
    assert_eq!(wrong[0].0, DOWN_RESTORES_SCHEMA);
    assert!(wrong[0].1.ends_with("view v"), "{wrong:?}");
}

#[test]
fn rows_without_their_parents_fail_the_foreign_keys() {
    let wrong = wrong("DELETE FROM customer", "");
    assert_eq!(wrong[0].0, FOREIGN_KEYS);
}
