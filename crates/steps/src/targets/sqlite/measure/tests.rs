//! Executing, interrupting, counting, hashing.

#![allow(clippy::unwrap_used)]

use super::super::Query;
use super::*;
use crate::payload::QueryStatus;

const SECOND: Duration = Duration::from_secs(60);

fn copy(sql: &str) -> (tempfile::TempDir, Connection) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("copy.db");
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let conn = open_copy(&path).unwrap();
    (dir, conn)
}

fn numbers() -> (tempfile::TempDir, Connection) {
    copy(include_str!("numbers.sql"))
}

fn query(sql: &str) -> Query {
    let (name, origin) = ("q".to_owned(), "q.sql:1".to_owned());
    let ordered = sql.contains("ORDER BY");
    Query { name, weight: 1.0, sql: sql.to_owned(), ordered, origin }
}

fn done(conn: &mut Connection, sql: &str, hash: Hash) -> Execution {
    match execute(conn, sql, &Run { timeout: SECOND, hash }).unwrap() {
        Outcome::Done(execution) => execution,
        Outcome::TimedOut { after } => panic!("timed out after {after:?}"),
    }
}

#[test]
fn a_query_that_never_ends_is_interrupted_at_its_timeout() {
    let (_dir, mut conn) = numbers();
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";
    let timeout = Duration::from_millis(30);
    let run = Run { timeout, hash: Hash::None };
    let outcome = execute(&mut conn, endless, &run).unwrap();
    assert!(matches!(outcome, Outcome::TimedOut { after } if after >= timeout));
    assert_eq!(is_stable(&mut conn, &query(endless), timeout).unwrap(), QueryStatus::TimedOut(30));
    assert_eq!(done(&mut conn, "SELECT 1", Hash::None).rows, 1, "the connection is usable again");
}

#[test]
fn counters_tell_scans_sorts_and_automatic_indexes() {
    let (_dir, mut conn) = numbers();
    let scan = done(&mut conn, "SELECT count(*) FROM n WHERE k = 3", Hash::None).counters;
    let seek = done(&mut conn, "SELECT count(*) FROM n WHERE i = 3", Hash::None).counters;
    assert_eq!((scan.full_scan_steps, seek.full_scan_steps), (999, 0));
    assert!(scan.vm_steps > 100 * seek.vm_steps);
    let sorted = done(&mut conn, "SELECT i FROM n ORDER BY k", Hash::None);
    assert_eq!((sorted.counters.sorts, sorted.rows), (1, 1000));
    let joined = done(&mut conn, "SELECT count(*) FROM n a JOIN n b USING (k)", Hash::None);
    assert_eq!(joined.counters.auto_index_rows, 999);
}

#[test]
fn the_plan_is_indented_by_depth() {
    let (_dir, conn) = numbers();
    let plan = plan(&conn, "SELECT 1 FROM n WHERE i IN (SELECT k FROM n)").unwrap();
    assert_eq!(plan[0], "SEARCH n USING INTEGER PRIMARY KEY (rowid=?)");
    assert!(plan[1].starts_with("LIST SUBQUERY"));
    assert_eq!(plan[2], "  SCAN n");
}

#[test]
fn order_counts_only_where_it_is_asked_for() {
    let (_dir, mut conn) = numbers();
    let (up, down) = ("SELECT i FROM n ORDER BY i", "SELECT i FROM n ORDER BY i DESC");
    let mut digest = |sql, hash| done(&mut conn, sql, hash).digest;
    assert_ne!(digest(up, Hash::Ordered), digest(down, Hash::Ordered));
    assert_eq!(digest(up, Hash::Multiset), digest(down, Hash::Multiset));
    assert_ne!(digest(up, Hash::Multiset), digest("SELECT i + 1 FROM n", Hash::Multiset));
    assert_eq!(digest(up, Hash::None), None);
}

#[test]
fn a_result_that_the_data_does_not_determine_is_found_unstable() {
    let (_dir, mut conn) = numbers();
    let mut status = |sql: &str| stability(&mut conn, &query(sql), SECOND).unwrap().status;
    let unstable = |status| matches!(status, QueryStatus::Unstable(_));
    assert!(unstable(status("SELECT i FROM n LIMIT 5")));
    assert!(unstable(status("SELECT i FROM n ORDER BY k LIMIT 5")), "ties at the limit");
    assert!(unstable(status("SELECT k FROM n WHERE i IN (SELECT i FROM n LIMIT 3)")));
    assert!(unstable(status("SELECT random()")));
    let clock = status("SELECT date('now')");
    assert!(matches!(clock, QueryStatus::Unstable(why) if why.contains("now")));
    assert_eq!(status("SELECT i FROM n ORDER BY i LIMIT 5"), QueryStatus::Stable);
    assert_eq!(status("SELECT k FROM n ORDER BY k LIMIT 5"), QueryStatus::Stable, "equal rows");
    assert_eq!(status("SELECT k, count(*) FROM n GROUP BY k"), QueryStatus::Stable);
}

#[test]
fn a_result_is_compared_as_strictly_as_it_is_determined() {
    let (_dir, mut conn) = numbers();
    let mut hash = |sql: &str| stability(&mut conn, &query(sql), SECOND).unwrap().hash;
    assert_eq!(hash("SELECT sum(i) FROM n"), Hash::Multiset);
    assert_eq!(hash("SELECT i FROM n ORDER BY k, i"), Hash::Ordered);
    assert_eq!(hash("SELECT i FROM n ORDER BY k"), Hash::Multiset);
    assert_eq!(hash("SELECT i FROM n UNION SELECT k FROM n ORDER BY 1"), Hash::Ordered);
    assert_eq!(hash("SELECT sum(r) FROM f"), Hash::Rounded);
}

#[test]
fn a_copy_cannot_be_written_to_unless_it_is_opened_for_it() {
    let (_dir, conn) = numbers();
    assert!(conn.execute_batch("CREATE INDEX x ON n(k)").is_err());
    assert!(conn.execute_batch("ATTACH ':memory:' AS other").is_err());
    set_writable(&conn, true).unwrap();
    conn.execute_batch("CREATE INDEX x ON n(k)").unwrap();
    set_writable(&conn, false).unwrap();
    assert!(conn.execute_batch("DROP INDEX x").is_err());
}

#[test]
fn an_error_in_the_middle_of_a_query_is_an_error() {
    let (_dir, mut conn) = numbers();
    let run = Run { timeout: SECOND, hash: Hash::None };
    let error = execute(&mut conn, "SELECT abs(-9223372036854775807 - i) FROM n", &run);
    assert_eq!(error.unwrap_err().to_string(), "SQLite says: integer overflow");
}
