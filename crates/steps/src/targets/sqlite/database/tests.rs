//! Opening, describing and copying databases, live ones among them.

#![allow(clippy::unwrap_used)]

use super::*;
use std::fs;

struct Scratch {
    dir: tempfile::TempDir,
}

impl Scratch {
    fn new(sql: &str) -> Scratch {
        let scratch = Scratch { dir: tempfile::tempdir().unwrap() };
        Connection::open(scratch.path("app.db")).unwrap().execute_batch(sql).unwrap();
        scratch
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn open(&self) -> Database {
        Database::open_within(&self.path("app.db"), Duration::ZERO).unwrap()
    }
}

const TABLE: &str =
    "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y')";

fn code(path: &Path) -> &'static str {
    Database::open_within(path, Duration::ZERO).unwrap_err().code()
}

#[test]
fn what_is_no_database_is_refused_by_what_it_is() {
    let scratch = Scratch::new(TABLE);
    assert_eq!(code(&scratch.path("none.db")), "database_missing");
    assert_eq!(code(scratch.dir.path()), "database_is_directory");
    fs::write(scratch.path("text.db"), "hello, this is no database").unwrap();
    assert_eq!(code(&scratch.path("text.db")), "database_not_sqlite");
    fs::write(scratch.path("empty.db"), "").unwrap();
    assert_eq!(code(&scratch.path("empty.db")), "database_not_sqlite");
}

#[test]
fn a_damaged_database_is_refused() {
    let scratch = Scratch::new(&format!("{TABLE}; CREATE INDEX i ON t(b)"));
    let whole = fs::read(scratch.path("app.db")).unwrap();
    fs::write(scratch.path("cut.db"), &whole[..whole.len() - 4096]).unwrap();
    assert_eq!(code(&scratch.path("cut.db")), "database_corrupt");
    let mut torn = whole;
    torn[100..4096].fill(0xab);
    fs::write(scratch.path("torn.db"), torn).unwrap();
    assert_eq!(code(&scratch.path("torn.db")), "database_corrupt");
}

#[test]
fn a_database_that_another_connection_holds_is_locked_and_may_be_free_later() {
    let scratch = Scratch::new(TABLE);
    let other = Connection::open(scratch.path("app.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let error = Database::open_within(&scratch.path("app.db"), Duration::ZERO).unwrap_err();
    assert_eq!((error.code(), error.class()), ("database_locked", Class::Retry));
    other.execute_batch("COMMIT").unwrap();
    scratch.open();
}

#[test]
fn looking_never_writes() {
    let scratch = Scratch::new(TABLE);
    assert!(scratch.open().connection().execute_batch("DELETE FROM t").is_err());
}

#[test]
fn the_schema_digest_follows_the_schema_and_leaves_kaizens_own_table_out() {
    let scratch = Scratch::new(TABLE);
    let database = scratch.open();
    let before = database.schema_digest().unwrap();
    let other = Connection::open(scratch.path("app.db")).unwrap();
    other.execute_batch("CREATE TABLE kaizen_applied(run_id TEXT); ANALYZE").unwrap();
    assert_eq!(database.schema_digest().unwrap(), before);
    other.execute_batch("CREATE INDEX i ON t(b)").unwrap();
    assert_ne!(database.schema_digest().unwrap(), before);
    other.execute_batch("DROP INDEX i").unwrap();
    assert_eq!(database.schema_digest().unwrap(), before);
}

#[test]
fn the_identity_stays_through_a_change_and_differs_for_another_application() {
    let scratch = Scratch::new(TABLE);
    let before = scratch.open().identity().unwrap();
    let other = Connection::open(scratch.path("app.db")).unwrap();
    other.execute_batch("CREATE INDEX i ON t(b); VACUUM").unwrap();
    assert_eq!(scratch.open().identity().unwrap(), before);
    other.execute_batch("PRAGMA application_id = 77").unwrap();
    assert_ne!(scratch.open().identity().unwrap(), before);
}

#[test]
fn the_contents_digest_ignores_order_and_sees_every_value() {
    let digest = |sql: &str| {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(sql).unwrap();
        contents::contents_digest(&conn, None).unwrap()
    };
    let base = digest("CREATE TABLE t(a); INSERT INTO t VALUES (1), (2)");
    assert_eq!(
        base,
        digest("CREATE TABLE t(a); INSERT INTO t VALUES (2), (1); CREATE INDEX i ON t(a); ANALYZE")
    );
    assert_ne!(base, digest("CREATE TABLE t(a); INSERT INTO t VALUES (1), ('2')"));
    assert_ne!(base, digest("CREATE TABLE t(a); INSERT INTO t VALUES (1), (2), (2)"));
    assert_ne!(base, digest("CREATE TABLE t(a); INSERT INTO t VALUES (1), (2); CREATE TABLE u(b)"));
}

#[test]
fn a_snapshot_of_a_wal_database_holds_what_was_committed_while_another_writes() {
    let scratch = Scratch::new(&format!("PRAGMA journal_mode = WAL; {TABLE}"));
    let writer = Connection::open(scratch.path("app.db")).unwrap();
    writer
        .execute_batch(
            "INSERT INTO t VALUES (3, 'in the log'); BEGIN; INSERT INTO t VALUES (4, 'open')",
        )
        .unwrap();
    let database = scratch.open();
    assert!(database.is_wal().unwrap());
    let copy = scratch.path("copy.db");
    database.snapshot(&copy).unwrap();
    writer.execute_batch("COMMIT").unwrap();
    let taken = Database::open(&copy).unwrap();
    let rows: i64 =
        taken.connection().query_row("SELECT count(*) FROM t", [], |r| r.get(0)).unwrap();
    assert_eq!(rows, 3);
    assert!(!taken.is_wal().unwrap());
    assert_eq!(taken.schema_digest().unwrap(), database.schema_digest().unwrap());
    assert!(!scratch.path("copy.db-wal").exists());
}

#[test]
fn a_snapshot_waits_for_a_writer_and_gives_up_in_time() {
    let scratch = Scratch::new(TABLE);
    let database = scratch.open();
    let writer = Connection::open(scratch.path("app.db")).unwrap();
    writer.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let copy = scratch.path("copy.db");
    let error = database.snapshot_within(&copy, Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.code(), "database_locked");
    writer.execute_batch("COMMIT").unwrap();
    database.snapshot(&copy).unwrap();
}

#[test]
fn a_snapshot_that_cannot_be_written_says_where() {
    let scratch = Scratch::new(TABLE);
    let error = scratch.open().snapshot(&scratch.path("no/such/dir/copy.db")).unwrap_err();
    assert_eq!(error.code(), "snapshot_failed");
    assert!(error.to_string().contains("no/such/dir/copy.db"), "{error}");
}

#[test]
fn a_database_whose_writer_was_killed_is_rolled_back_and_read() {
    let scratch = Scratch::new(TABLE);
    let writer = Connection::open(scratch.path("app.db")).unwrap();
    // A cache of one page makes the open transaction spill into the file.
    writer.execute_batch(include_str!("spill.sql")).unwrap();
    for suffix in ["", "-journal"] {
        let name = |base: &str| scratch.path(&format!("{base}.db{suffix}"));
        fs::copy(name("app"), name("crashed")).unwrap();
    }
    let database = Database::open_within(&scratch.path("crashed.db"), Duration::ZERO).unwrap();
    let rows = "SELECT count(*) FROM t";
    let rows: i64 = database.connection().query_row(rows, [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 2);
    assert!(database.connection().execute_batch("DELETE FROM t").is_err());
}
