//! Applying to a live database: markers, probes, epochs, whole or not at all.

#![allow(clippy::unwrap_used)]

use super::*;
use kaizen_engine::error::{Class, Classified as _};
use std::path::PathBuf;

struct Live {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

impl Live {
    fn new() -> Live {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.db");
        let live = Live { _dir: dir, path };
        live.conn().execute_batch(include_str!("shop.sql")).unwrap();
        live
    }

    fn conn(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }

    fn apply(&self, script: &Script) -> Result<Applied, Error> {
        apply_within(&self.path, script, Duration::ZERO)
    }

    fn probe(&self, effect: &str, direction: Direction) -> Probe {
        probe(&self.path, "run", effect, direction)
    }

    /// Schema and contents, to tell that nothing was left behind.
    fn state(&self) -> (Digest, Digest, i64) {
        let conn = self.conn();
        let markers = "SELECT count(*) FROM sqlite_schema WHERE name = 'kaizen_applied'";
        (
            super::super::contents::schema_digest(&conn).unwrap(),
            super::super::contents::contents_digest(&conn, None).unwrap(),
            conn.query_row(markers, [], |row| row.get(0)).unwrap(),
        )
    }
}

fn script(statements: &[&str]) -> Script {
    Script {
        statements: statements.iter().map(ToString::to_string).collect(),
        run: "run".into(),
        effect: "e1".into(),
        direction: Direction::Up,
        epoch: 3,
    }
}

const INDEX: &str = "CREATE INDEX by_name ON customer(name)";

#[test]
fn a_script_is_applied_once_and_its_probe_tells() {
    let live = Live::new();
    assert_eq!(live.probe("e1", Direction::Up), Probe::NotDone);
    let first = live.apply(&script(&[INDEX])).unwrap();
    assert!(!first.already);
    assert_eq!(live.probe("e1", Direction::Up), Probe::Done);
    assert_eq!(live.probe("e1", Direction::Down), Probe::NotDone);
    assert_eq!(live.probe("e2", Direction::Up), Probe::NotDone);
    let again = live.apply(&script(&[INDEX])).unwrap();
    assert_eq!(again, Applied { already: true, digest: first.digest });
    let error = live.apply(&script(&["ANALYZE"])).unwrap_err();
    assert_eq!(error.code(), "script_differs");
}

#[test]
fn an_older_epoch_is_refused_and_an_equal_or_newer_one_is_not() {
    let live = Live::new();
    live.apply(&script(&[INDEX])).unwrap();
    let at = |epoch, effect: &str| Script { epoch, effect: effect.into(), ..script(&["ANALYZE"]) };
    let error = live.apply(&at(2, "e2")).unwrap_err();
    assert!(matches!(error, Error::StaleEpoch { epoch: 2, newest: 3 }), "{error}");
    assert_eq!(live.probe("e2", Direction::Up), Probe::NotDone);
    live.apply(&at(3, "e3")).unwrap();
    live.apply(&at(4, "e4")).unwrap();
}

#[test]
fn a_script_that_fails_half_way_leaves_nothing_behind() {
    let live = Live::new();
    let before = live.state();
    let error = live.apply(&script(&[INDEX, "INSERT INTO nowhere VALUES (1)"])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "statement 2 (INSERT INTO nowhere VALUES (1)) failed: no such table: nowhere"
    );
    assert_eq!(live.state(), before);
    assert_eq!(live.probe("e1", Direction::Up), Probe::NotDone);
}

#[test]
fn what_would_reach_out_of_the_transaction_is_refused_and_undone() {
    let live = Live::new();
    let before = live.state();
    for hidden in [
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT x",
        "PRAGMA user_version = 9",
        "ATTACH ':memory:' AS other",
        "CREATE INDEX two ON customer(name); COMMIT",
        "DELETE FROM kaizen_applied",
        "DROP TABLE kaizen_applied",
    ] {
        let error = live.apply(&script(&[INDEX, hidden])).unwrap_err();
        assert!(matches!(&error, Error::Forbidden { number: 2, .. }), "{hidden}: {error}");
        assert_eq!(live.state(), before, "{hidden}");
    }
}

#[test]
fn a_trigger_that_rolls_back_is_caught() {
    let live = Live::new();
    live.conn().execute_batch(include_str!("rolls_back.sql")).unwrap();
    let before = live.state();
    let change = [INDEX, "INSERT INTO customer VALUES (9, 'nine')"];
    let error = live.apply(&script(&change)).unwrap_err();
    assert!(matches!(&error, Error::Statement { number: 2, .. }), "{error}");
    assert_eq!(live.state(), before);
}

#[test]
fn new_orphans_refuse_a_script_and_old_ones_do_not() {
    let live = Live::new();
    let error = live.apply(&script(&["DELETE FROM customer WHERE id = 1"])).unwrap_err();
    assert_eq!(error.code(), "script_breaks_foreign_keys");
    assert!(error.to_string().contains("orders has no customer (key 0) in 1 row(s)"), "{error}");
    let lax = "PRAGMA foreign_keys = OFF; INSERT INTO orders VALUES (77, 4711)";
    live.conn().execute_batch(lax).unwrap();
    live.apply(&script(&["UPDATE customer SET name = upper(name)"])).unwrap();
}

#[test]
fn rebuilding_a_table_does_not_cascade() {
    let live = Live::new();
    let rebuild = [
        "CREATE TABLE new_customer(id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        "INSERT INTO new_customer SELECT * FROM customer",
        "DROP TABLE customer",
        "ALTER TABLE new_customer RENAME TO customer",
    ];
    live.apply(&script(&rebuild)).unwrap();
    let orders = "SELECT count(*) FROM orders JOIN customer ON customer.id = customer";
    let orders: i64 = live.conn().query_row(orders, [], |row| row.get(0)).unwrap();
    assert_eq!(orders, 2);
}

#[test]
fn a_locked_database_may_be_free_later() {
    let live = Live::new();
    let other = live.conn();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = live.apply(&script(&[INDEX])).unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Retry, "database_locked"));
    other.execute_batch("COMMIT").unwrap();
    live.apply(&script(&[INDEX])).unwrap();
}

#[test]
fn a_reader_that_holds_up_the_commit_leaves_nothing_half_done() {
    let live = Live::new();
    let before = live.state();
    let reader = live.conn();
    reader.execute_batch("BEGIN; SELECT count(*) FROM orders").unwrap();
    let error = live.apply(&script(&[INDEX])).unwrap_err();
    assert_eq!(error.code(), "database_locked");
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(live.state(), before);
}

#[test]
fn a_database_in_wal_mode_is_changed_while_others_read() {
    let live = Live::new();
    live.conn().query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    let reader = live.conn();
    reader.execute_batch("BEGIN; SELECT count(*) FROM orders").unwrap();
    live.apply(&script(&[INDEX])).unwrap();
    assert_eq!(live.probe("e1", Direction::Up), Probe::Done);
}

#[test]
fn a_missing_database_is_unreachable_and_a_wrong_one_unknown() {
    let live = Live::new();
    let beside = live.path.with_file_name("other.db");
    assert!(matches!(probe(&beside, "r", "e", Direction::Up), Probe::Unreachable(_)));
    std::fs::write(&beside, "no database at all").unwrap();
    assert!(matches!(probe(&beside, "r", "e", Direction::Up), Probe::Unknown(_)));
    let error = apply(&beside, &script(&[INDEX])).unwrap_err();
    assert_eq!(error.code(), "database_not_sqlite");
}
