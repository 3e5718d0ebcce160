//! What a change does, measured on small databases: correctness, verdicts, structure.

#![allow(clippy::unwrap_used)]

use super::super::copies::{Change, Copies, prepare_copies};
use super::super::{Query, contents};
use super::*;
use crate::payload::Verdict;
use std::path::PathBuf;

const INDEX: &str = "CREATE INDEX by_k ON events(k)";

struct Bench {
    dir: tempfile::TempDir,
    snapshot: PathBuf,
}

impl Bench {
    fn new() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let snapshot = dir.path().join("snapshot.db");
        Connection::open(&snapshot).unwrap().execute_batch(include_str!("events.sql")).unwrap();
        Bench { dir, snapshot }
    }

    fn copies(&self, change: Change<'_>) -> Copies {
        prepare_copies(&self.snapshot, self.dir.path(), change).unwrap()
    }

    fn compare(&self, up: &str, queries: &[&str], options: &Options) -> Evidence {
        let copies = self.copies(Change::Planned { up });
        compare(&copies.pair(), &workload(queries), options, &|_| ()).unwrap()
    }
}

fn workload(queries: &[&str]) -> Workload {
    let query = |(at, sql): (usize, &&str)| Query {
        name: format!("q{at}"),
        weight: 1.0,
        sql: (*sql).to_owned(),
        ordered: sql.contains("ORDER BY"),
        origin: "w.sql:1".into(),
    };
    Workload { queries: queries.iter().enumerate().map(query).collect() }
}

fn options() -> Options {
    Options {
        timeout: Duration::from_secs(20),
        limits: Limits::default(),
        objective: Objective::WorkloadTime,
        touched_tables: vec!["EVENTS".into()],
        seed: 1,
        budget: Duration::from_secs(120),
        checks: Vec::new(),
    }
}

fn check<'a>(evidence: &'a Evidence, name: &str) -> &'a Check {
    evidence.checks.iter().find(|check| check.name == name).unwrap()
}

const SCAN: &str = "SELECT count(*), sum(v) FROM events WHERE k = 77";

/// Runs a nested loop over the rows whose `k` is below what `limit` answers: none, or very many.
/// No index helps it, and it counts to 0 either way.
fn nested_when(limit: &str) -> String {
    format!("SELECT count(*) FROM events a, events b WHERE a.k < ({limit}) AND a.v + b.v = -1")
}

#[test]
fn equal_copies_hold_the_same_and_lie_alike() {
    let bench = Bench::new();
    let deployed = bench.dir.path().join("deployed.db");
    std::fs::copy(&bench.snapshot, &deployed).unwrap();
    Connection::open(&deployed).unwrap().execute_batch(INDEX).unwrap();
    let change = Change::Deployed { down: "DROP INDEX by_k" };
    let copies = prepare_copies(&deployed, bench.dir.path(), change).unwrap();
    let read = |path| std::fs::read(path).unwrap();
    // But for the counters in the header, the undone copies are the same to the byte.
    assert!(read(&copies.before)[100..] == read(&copies.control)[100..]);
    let digest = |path: &Path| contents::schema_digest(&measure::open_copy(path).unwrap()).unwrap();
    assert_eq!(digest(&copies.before), digest(&bench.snapshot));
    assert_eq!(digest(&copies.after), digest(&deployed));
    assert_ne!(digest(&copies.before), digest(&copies.after));
}

#[test]
fn a_script_that_fails_makes_no_copies() {
    let bench = Bench::new();
    let change = Change::Planned { up: "CREATE INDEX x ON nowhere(k)" };
    let error = prepare_copies(&bench.snapshot, bench.dir.path(), change).unwrap_err();
    assert_eq!(error.code(), "script_failed");
}

#[test]
fn a_clear_win_is_improved_with_counters_plans_sizes_and_write_costs() {
    let bench = Bench::new();
    let options =
        Options { limits: Limits { max_write_cost_pct: 1e4, ..Limits::default() }, ..options() };
    let evidence = bench.compare(INDEX, &[SCAN, "SELECT v FROM events WHERE id = 5"], &options);
    assert_eq!(check(&evidence, RESULTS).detail, "2 of 2 queries answer as before");
    let scan = &evidence.queries[0];
    assert!(scan.plan_changed && !evidence.queries[1].plan_changed);
    assert!(scan.before.full_scan_steps > 10_000 && scan.after.full_scan_steps == 0);
    assert!(scan.before_ms > 3.0 * scan.after_ms, "{scan:?}");
    assert!(evidence.improvement.unwrap().pct > 80.0);
    assert!(evidence.control.is_some());
    assert!([5, 10, 15].contains(&evidence.pairs));
    let size = evidence.size.unwrap();
    assert!(size.after_bytes > size.before_bytes);
    assert!(size.write_before_ms.unwrap() > 0.0 && size.write_after_ms.unwrap() > 0.0);
}

#[test]
fn a_hopeless_query_is_refused_without_timing_it() {
    let bench = Bench::new();
    let evidence_of = "FROM sqlite_schema WHERE name = 'by_k'";
    let slow = nested_when(&format!("SELECT 100 * count(*) {evidence_of}"));
    let told = std::cell::RefCell::new(Vec::new());
    let copies = bench.copies(Change::Planned { up: INDEX });
    let tell = |step: &str| told.borrow_mut().push(step.to_owned());
    let evidence = compare(&copies.pair(), &workload(&[&slow, SCAN]), &options(), &tell).unwrap();
    let told = told.into_inner();
    let count = |start: &str| told.iter().filter(|step| step.starts_with(start)).count();
    // A busy machine may have had the control timed anew, but never the query.
    let rounds = 1 + count("the machine was too noisy");
    assert_eq!(count("pair"), 3 * rounds, "only the control was timed");
    let slow = evidence.queries.iter().find(|query| query.name == "q0").unwrap();
    assert!(slow.improvement.unwrap().pct < -1900.0, "{slow:?}");
    assert!(evidence.reasons.iter().any(|reason| reason.contains("was not timed further")));
    assert_ne!(evidence.verdict, Verdict::Improved);
}

#[test]
fn another_answer_is_incorrect_and_names_the_query() {
    let bench = Bench::new();
    let evidence = bench.compare(
        "UPDATE events SET v = v + 1 WHERE id = 9",
        &[SCAN, "SELECT sum(v) FROM events"],
        &options(),
    );
    assert_eq!(evidence.verdict, Verdict::Incorrect);
    assert_eq!(check(&evidence, "result of q1").result, CheckResult::Failed);
    assert!(evidence.checks.iter().all(|check| check.name != "result of q0"));
    assert_eq!(evidence.pairs, 0, "nothing is timed about a wrong answer");
}

#[test]
fn a_query_that_no_longer_runs_is_incorrect() {
    let bench = Bench::new();
    let up = "ALTER TABLE events RENAME COLUMN v TO w";
    let evidence = bench.compare(up, &["SELECT sum(v) FROM events"], &options());
    assert_eq!(evidence.verdict, Verdict::Incorrect);
    assert!(check(&evidence, "result of q0").detail.contains("no such column: v"));
}

#[test]
fn an_unstable_query_is_excluded_by_name_and_excused() {
    let bench = Bench::new();
    let queries = ["SELECT id FROM events LIMIT 3", "SELECT k, id FROM events GROUP BY k", SCAN];
    let evidence = bench.compare(INDEX, &queries, &options());
    assert_eq!(check(&evidence, "result of q0").result, CheckResult::NotMeasurable);
    assert!(
        !evidence.reasons.iter().any(|reason| reason.contains("result of")),
        "{:?}",
        evidence.reasons
    );
    assert_ne!(evidence.verdict, Verdict::Incorrect);
}

#[test]
fn a_failed_check_from_elsewhere_decides() {
    let bench = Bench::new();
    let failed =
        Check { name: "tests".into(), result: CheckResult::Failed, detail: "2 failed".into() };
    let options = Options { checks: vec![failed], ..options() };
    assert_eq!(bench.compare(INDEX, &[SCAN], &options).verdict, Verdict::Incorrect);
}

#[test]
fn a_query_that_never_ended_before_is_an_improvement_of_at_least_its_timeout() {
    let bench = Bench::new();
    let evidence_of = "FROM sqlite_schema WHERE name = 'by_k'";
    let slow = nested_when(&format!("SELECT 1000 - 1000 * count(*) {evidence_of}"));
    let options = Options { timeout: Duration::from_millis(300), ..options() };
    let evidence = bench.compare(INDEX, &[&slow, SCAN], &options);
    assert_eq!(check(&evidence, "result of q0").result, CheckResult::NotMeasurable);
    let slow = &evidence.queries[0];
    assert_eq!((slow.name.as_str(), slow.before_ms), ("q0", 300.0));
    assert!(slow.improvement.unwrap().pct > 90.0);
}

#[test]
fn no_budget_is_no_evidence() {
    let bench = Bench::new();
    let options = Options { budget: Duration::ZERO, ..options() };
    let evidence = bench.compare(INDEX, &[SCAN], &options);
    assert_eq!((evidence.verdict, evidence.pairs), (Verdict::Inconclusive, 0));
    assert!(evidence.reasons.iter().any(|reason| reason.contains("was spent after 0 pairs")));
}

#[test]
fn writing_is_measured_where_constraints_forbid_deleting() {
    let bench = Bench::new();
    let up = "CREATE TRIGGER keep BEFORE DELETE ON events BEGIN SELECT raise(ABORT, 'kept'); END";
    let evidence = bench.compare(up, &[SCAN], &options());
    assert!(evidence.size.unwrap().write_after_ms.is_some(), "updated instead, on both copies");
    let conn = Connection::open(&bench.snapshot).unwrap();
    conn.execute_batch(up).unwrap();
    let evidence = bench.compare(INDEX, &[SCAN], &options());
    assert!(evidence.size.unwrap().write_after_ms.is_some());
    let frozen = "CREATE TRIGGER f BEFORE UPDATE ON events BEGIN SELECT raise(ABORT, 'no'); END";
    conn.execute_batch(frozen).unwrap();
    let evidence = bench.compare(INDEX, &[SCAN], &options());
    assert_eq!(check(&evidence, WRITE_COST).result, CheckResult::NotMeasurable);
}
