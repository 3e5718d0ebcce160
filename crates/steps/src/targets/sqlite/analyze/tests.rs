//! How a workload is analyzed on small databases.

#![allow(clippy::unwrap_used)]

use super::*;
use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;

const WORKLOAD: &str = include_str!("workload.sql");

fn set_up() -> (tempfile::TempDir, PathBuf, Workload) {
    let dir = tempfile::tempdir().unwrap();
    let snapshot = dir.path().join("snapshot.db");
    let numbers = include_str!("../measure/numbers.sql");
    Connection::open(&snapshot).unwrap().execute_batch(numbers).unwrap();
    fs::write(dir.path().join("w.sql"), WORKLOAD).unwrap();
    let workload = Workload::load(dir.path(), &["w.sql".to_owned()]).unwrap();
    (dir, snapshot, workload)
}

fn options() -> Options {
    Options {
        target: "sqlite app.db".into(),
        timeout: Duration::from_millis(250),
        repetitions: 3,
        budget: Duration::from_secs(60),
        baseline: None,
        regression_pct: 10.0,
        absent: vec![SourceAbsent { source: "tests".into(), reason: "none configured".into() }],
    }
}

#[test]
fn every_query_is_profiled_and_the_slowest_total_comes_first() {
    let (_dir, snapshot, workload) = set_up();
    let told = RefCell::new(Vec::new());
    let progress = |name: &str| told.borrow_mut().push(name.to_owned());
    let analysis = analyze(&snapshot, &workload, &options(), &progress).unwrap();
    assert_eq!(told.into_inner(), ["point", "scan", "some", "endless"]);
    let by_name = |name: &str| analysis.queries.iter().find(|q| q.name == name).unwrap();

    assert_eq!(analysis.queries[0].name, "endless");
    assert_eq!(analysis.queries[0].status, QueryStatus::TimedOut(250));
    assert_eq!((by_name("endless").median_ms, by_name("endless").counters), (None, None));
    assert!(matches!(by_name("some").status, QueryStatus::Unstable(_)));
    assert!(by_name("some").median_ms.is_some() && by_name("some").result_digest.is_none());

    let scan = by_name("scan");
    assert_eq!((scan.status.clone(), scan.rows, scan.weight), (QueryStatus::Stable, Some(1), 10.0));
    assert_eq!(scan.plan, ["SCAN n"]);
    assert_eq!(scan.shape, "SELECT count(*) FROM n WHERE k = ?");
    assert_eq!(scan.counters.unwrap().full_scan_steps, 999);
    assert!(scan.result_digest.is_some());
    let shares: f64 = analysis.queries.iter().map(|query| query.share).sum();
    assert!((shares - 1.0).abs() < 1e-9);
    assert_eq!(analysis.absent[0].source, "tests");
}

#[test]
fn a_query_slower_than_the_baseline_is_a_regression() {
    let (_dir, snapshot, workload) = set_up();
    let medians = [("endless", 1.0), ("scan", 1e6), ("gone", 1.0)];
    let medians = medians.map(|(name, ms)| (name.to_owned(), ms)).into();
    let options = Options { baseline: Some(("r7".into(), medians)), ..options() };
    let analysis = analyze(&snapshot, &workload, &options, &|_| ()).unwrap();
    assert_eq!(analysis.baseline.unwrap().run, "r7");
    assert_eq!(analysis.regressions.len(), 1);
    assert_eq!(analysis.regressions[0].query, "endless");
    assert!(analysis.regressions[0].now_ms >= 250.0);
}

#[test]
fn a_query_that_fails_is_named_with_its_line() {
    let (dir, snapshot, _) = set_up();
    fs::write(dir.path().join("bad.sql"), "\nSELECT json('{') FROM n").unwrap();
    let workload = Workload::load(dir.path(), &["bad.sql".to_owned()]).unwrap();
    let error = analyze(&snapshot, &workload, &options(), &|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "bad.sql:2: query \"bad\": SQLite says: malformed JSON");
}
