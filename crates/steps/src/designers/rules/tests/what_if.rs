//! The twin without rows and the bench with hidden indexes agree with SQLite itself.

use super::super::{
    bench::Bench,
    definition::{Definition, Part},
    planner::Planner,
    pool::{Pool, Set},
    schema::Schema,
};
use crate::targets::sqlite::measure;
use rusqlite::Connection;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

const QUERY: &str = "SELECT count(*) FROM t JOIN u ON u.a = t.a WHERE t.b = 3 AND u.c > 5";

fn database(analyzed: bool) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data.db");
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch(
        "CREATE TABLE t(a INTEGER, b INTEGER); CREATE TABLE u(a INTEGER, c INTEGER);
         CREATE INDEX t_b ON t(b);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         INSERT INTO t SELECT i % 100, i % 2 FROM n;
         INSERT INTO u SELECT a, b FROM t;",
    )
    .unwrap();
    if analyzed {
        conn.execute_batch("ANALYZE").unwrap();
    }
    (dir, path)
}

fn pool(conn: &Connection) -> Pool {
    let mut pool = Pool::new(Schema::read(conn).unwrap());
    for (table, columns) in [("u", &["a"][..]), ("u", &["c", "a"]), ("t", &["a", "b"])] {
        let parts = columns.iter().map(|name| Part::column(name)).collect();
        pool.add(Definition { table: table.to_owned(), parts, filter: None });
    }
    pool
}

#[test]
fn plans_without_rows_are_the_plans_with_rows() {
    for analyzed in [false, true] {
        let (_dir, path) = database(analyzed);
        let conn = Connection::open(&path).unwrap();
        let pool = pool(&conn);
        let mut planner = Planner::new(&conn).unwrap();
        for set in [Set::new(), Set::from([0]), Set::from([1]), Set::from([0, 1, 2])] {
            for id in &set {
                conn.execute_batch(&pool.create(*id)).unwrap();
            }
            let real = measure::plan(&conn, QUERY).unwrap();
            assert_eq!(planner.plan(QUERY, &set, &pool).unwrap(), real, "analyzed: {analyzed}");
            for id in &set {
                conn.execute_batch(&format!("DROP INDEX {}", pool.name(*id))).unwrap();
            }
        }
    }
}

#[test]
fn a_hidden_index_is_not_used_and_a_shown_one_is_whole() {
    let (dir, path) = database(false);
    let mut bench = Bench::new(&path, &dir.path().join("bench.db")).unwrap();
    let pool = pool(bench.connection());
    let deadline = Instant::now() + Duration::from_secs(60);
    let all = Set::from([0, 1, 2]);
    assert!(bench.build(&all, &pool, deadline).unwrap());
    bench.show(&Set::new(), &pool).unwrap();
    let bare = bench.plan(QUERY).unwrap();
    assert!(pool.used(&bare).is_empty(), "{bare:?}");
    bench.show(&Set::from([0]), &pool).unwrap();
    assert_eq!(pool.used(&bench.plan(QUERY).unwrap()), Set::from([0]));
    bench.show(&Set::from([2]), &pool).unwrap();
    bench.show(&all, &pool).unwrap();
    let intact: String =
        bench.connection().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(intact, "ok");
}

#[test]
fn nothing_is_built_after_the_deadline() {
    let (dir, path) = database(false);
    let mut bench = Bench::new(&path, &dir.path().join("bench.db")).unwrap();
    let pool = pool(bench.connection());
    assert!(!bench.build(&Set::from([0]), &pool, Instant::now()).unwrap());
}
