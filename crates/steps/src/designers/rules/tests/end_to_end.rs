//! Whole designs on small databases. Times are asserted only where they differ by far.

use super::super::{Input, Limits, Strategy, design};
use crate::{
    payload::{Analysis, Candidate, Kind, Proposal},
    targets::sqlite::{Query, Workload},
};
use kaizen_engine::digest::Digest;
use rusqlite::Connection;
use std::{path::PathBuf, time::Duration};

struct Case {
    dir: tempfile::TempDir,
    path: PathBuf,
    workload: Workload,
    rolled_back: Vec<String>,
    strategy: Strategy,
    max_changes: usize,
}

fn case(sql: &str, queries: &[(&str, f64)]) -> Case {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data.db");
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let query = |(at, (sql, weight)): (usize, &(&str, f64))| Query {
        name: format!("q{at}"),
        weight: *weight,
        sql: (*sql).to_owned(),
        ordered: false,
        origin: format!("workload.sql:{at}"),
    };
    let workload = Workload { queries: queries.iter().enumerate().map(query).collect() };
    Case {
        dir,
        path,
        workload,
        rolled_back: Vec::new(),
        strategy: Strategy::Measured,
        max_changes: 1,
    }
}

impl Case {
    fn design(&self) -> Proposal {
        let analysis = Analysis {
            target: "sqlite data.db".to_owned(),
            schema_digest: Digest::ZERO,
            size_bytes: 0,
            queries: Vec::new(),
            regressions: Vec::new(),
            baseline: None,
            success_by_kind: Vec::new(),
            absent: Vec::new(),
            server: None,
            command: None,
        };
        let limits = Limits {
            min_improvement_pct: 10.0,
            max_regression_pct: 10.0,
            max_write_cost_pct: 500.0,
            max_changes: self.max_changes,
            timeout: Duration::from_secs(20),
        };
        let input = Input {
            snapshot: &self.path,
            scratch: self.dir.path(),
            workload: &self.workload,
            analysis: &analysis,
            limits,
            already_rolled_back: &self.rolled_back,
            strategy: self.strategy,
            budget: Duration::from_secs(30),
            seed: 1,
        };
        design(&input, &|_| {}).unwrap()
    }

    fn apply(&self, script: &str) {
        Connection::open(&self.path).unwrap().execute_batch(script).unwrap();
    }

    fn schema(&self) -> Vec<String> {
        let conn = Connection::open(&self.path).unwrap();
        let mut list = conn
            .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY sql")
            .unwrap();
        list.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

fn up(candidate: &Candidate) -> &str {
    candidate.change.up.as_deref().unwrap()
}

const ORDERS: &str = "
    CREATE TABLE customer(id INTEGER PRIMARY KEY, region TEXT);
    CREATE TABLE \"order\"(id INTEGER PRIMARY KEY, customer INTEGER, \"total amount\" REAL);
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
    INSERT INTO customer SELECT i, 'r' || (i % 7) FROM n;
    INSERT INTO \"order\" SELECT id, id * 7 % 2000, id FROM customer;";
const NEVER_ORDERED: &str = "SELECT count(*) FROM customer c WHERE NOT EXISTS \
    (SELECT 1 FROM \"order\" o WHERE o.customer = c.id)";

#[test]
fn a_correlated_subquery_gets_its_index_and_down_takes_it_back() {
    let case =
        case(ORDERS, &[(NEVER_ORDERED, 1.0), ("SELECT region FROM customer WHERE id = 5", 9.0)]);
    let before = case.schema();
    let proposal = case.design();
    let best = proposal.candidates.first().expect("an index is proposed");
    assert!(up(best).contains("ON \"order\"(customer"), "{}", up(best));
    assert_eq!(best.change.kind, Some(Kind::Index));
    assert!(best.expected_improvement_pct.unwrap() > 90.0);
    case.apply(up(best));
    assert!(case.design().candidates.is_empty(), "nothing is left to gain");
    case.apply(best.change.down.as_deref().unwrap());
    assert_eq!(case.schema(), before);
}

#[test]
fn what_was_rolled_back_is_not_proposed_again() {
    let mut case = case(ORDERS, &[(NEVER_ORDERED, 1.0)]);
    let first = up(&case.design().candidates[0]).to_owned();
    case.rolled_back.push(first.to_uppercase().replace('\n', "  "));
    for candidate in case.design().candidates {
        assert_ne!(up(&candidate).to_lowercase(), first.to_lowercase());
    }
}

/// Two values, and a primary key that gives the order at once.
const LINES: &str = "
    CREATE TABLE lineitem(l_orderkey INTEGER, l_linenumber INTEGER, l_linestatus TEXT, l_text TEXT,
        PRIMARY KEY (l_orderkey, l_linenumber));
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO lineitem SELECT i / 4, i % 4, CASE WHEN i % 2 THEN 'F' ELSE 'O' END, 'text' FROM n;";
const FIRST_FINISHED: &str = "SELECT l_orderkey, l_text FROM lineitem WHERE l_linestatus = 'F' \
    ORDER BY l_orderkey, l_linenumber LIMIT 10";

#[test]
fn greedy_falls_into_the_trap_that_measuring_avoids() {
    let queries = [(FIRST_FINISHED, 100.0), ("SELECT count(*) FROM lineitem", 1.0)];
    let mut case = case(LINES, &queries);
    case.strategy = Strategy::Greedy;
    let greedy = case.design();
    let harmful = up(&greedy.candidates[0]).to_owned();
    assert_eq!(harmful, "CREATE INDEX kz_lineitem_l_linestatus ON lineitem(l_linestatus);\n");
    assert_eq!(greedy.candidates[0].expected_improvement_pct, None, "nothing was measured");
    case.strategy = Strategy::Measured;
    for candidate in case.design().candidates {
        assert!(!up(&candidate).contains("lineitem(l_linestatus);"), "{}", up(&candidate));
    }
    case.strategy = Strategy::Greedy;
    case.rolled_back.push(harmful);
    assert!(case.design().candidates.is_empty(), "greedy does not repeat what was rolled back");
}

#[test]
fn a_redundant_index_is_dropped_and_recreated_to_the_letter() {
    let original = "CREATE INDEX old_one ON customer ( region )";
    let case = case(
        &format!(
            "{ORDERS} {original}; CREATE INDEX wide ON customer(region, id);
            CREATE UNIQUE INDEX rule ON \"order\"(id, customer);
            CREATE INDEX unused ON \"order\"(\"total amount\");"
        ),
        &[("SELECT count(*) FROM customer WHERE region = 'r3'", 1.0)],
    );
    let proposal = case.design();
    let best = proposal.candidates.first().expect("one is redundant");
    assert_eq!(best.change.kind, Some(Kind::DropIndex));
    assert_eq!(up(best), "DROP INDEX old_one;\n", "unique and merely unused ones stay");
    let before = case.schema();
    case.apply(up(best));
    case.apply(best.change.down.as_deref().unwrap());
    assert_eq!(case.schema(), before);
    assert!(before.iter().any(|sql| sql == original));
}

#[test]
fn where_nothing_helps_the_notes_say_what_was_tried() {
    let case = case(ORDERS, &[("SELECT region FROM customer WHERE id = 5", 1.0)]);
    let proposal = case.design();
    assert!(proposal.candidates.is_empty());
    let last = proposal.notes.last().unwrap();
    assert!(last.contains("candidate indexes on 1 queries"), "{:?}", proposal.notes);
}

#[test]
fn several_change_sets_do_not_overlap() {
    let mut case = case(
        ORDERS,
        &[
            (NEVER_ORDERED, 1.0),
            (
                "SELECT a.id FROM customer a WHERE (SELECT count(*) FROM customer b WHERE b.region = a.region || '') > 9999",
                1.0,
            ),
        ],
    );
    case.max_changes = 3;
    let candidates = case.design().candidates;
    assert!(!candidates.is_empty() && candidates.len() <= 3);
    let mut statements: Vec<&str> = candidates.iter().flat_map(|c| up(c).lines()).collect();
    let all = statements.len();
    statements.sort_unstable();
    statements.dedup();
    assert_eq!(statements.len(), all);
}
