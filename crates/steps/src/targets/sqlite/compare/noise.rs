//! How often equal copies look unequal: a measurement, run by hand.
//!
//! `cargo test -p kaizen-steps --lib sqlite::compare::noise -- --ignored --nocapture`
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use super::super::copies::{Change, prepare_copies};
use super::super::{Query, Workload};
use super::{Evidence, Limits, Objective, Options, Pair, compare};
use rusqlite::Connection;
use std::path::Path;
use std::time::{Duration, Instant};

fn workload() -> Workload {
    let queries = include_str!("noise_workload.sql").split(';').map(str::trim);
    let query = |(at, sql): (usize, &str)| Query {
        name: format!("q{at}"),
        weight: 1.0,
        sql: sql.to_owned(),
        ordered: false,
        origin: "noise.sql:1".into(),
    };
    Workload { queries: queries.filter(|sql| !sql.is_empty()).enumerate().map(query).collect() }
}

fn report(road: &str, evidence: &Evidence, started: Instant) {
    let significant = |limit: f64| {
        let seen = evidence.queries.iter().filter_map(|query| query.improvement);
        seen.filter(|e| e.pct.abs() > limit && (e.lo > 0.0 || e.hi < 0.0)).count()
    };
    println!(
        "{road}: {} of {} queries differ significantly, {} of them by more than 10 %; total {:.2} %, \
         control {:.2} %, {} pairs, {:?}, {:.1} s",
        significant(0.0),
        evidence.queries.len(),
        significant(10.0),
        evidence.improvement.map_or(f64::NAN, |e| e.pct),
        evidence.control.map_or(f64::NAN, |e| e.pct),
        evidence.pairs,
        evidence.verdict,
        started.elapsed().as_secs_f64()
    );
}

#[test]
#[ignore = "a measurement that takes a minute, not a test"]
fn equal_copies_against_unequal_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let snapshot = path("snapshot.db");
    Connection::open(&snapshot).unwrap().execute_batch(include_str!("noise_data.sql")).unwrap();
    let run = |road: &str, seed: u64, before: &Path, after: &Path, control: &Path| {
        let options = Options {
            timeout: Duration::from_secs(20),
            limits: Limits::default(),
            objective: Objective::WorkloadTime,
            touched_tables: Vec::new(),
            seed,
            budget: Duration::from_secs(600),
            checks: Vec::new(),
        };
        let started = Instant::now();
        let pair = Pair { before, after, control };
        report(road, &compare(&pair, &workload(), &options, &|_| ()).unwrap(), started);
    };
    for seed in 0..5 {
        let copies = prepare_copies(&snapshot, dir.path(), Change::Planned { up: "" }).unwrap();
        run("equal, vacuumed", seed, &copies.before, &copies.after, &copies.control);
        for name in ["a.db", "b.db", "c.db"] {
            std::fs::copy(&snapshot, path(name)).unwrap();
        }
        let made = Connection::open(path("b.db")).unwrap();
        made.execute_batch("CREATE INDEX x ON line(part, qty); DROP INDEX x").unwrap();
        drop(made);
        run("index made and dropped", seed, &path("a.db"), &path("b.db"), &path("c.db"));
        Connection::open(path("b.db")).unwrap().execute_batch("VACUUM").unwrap();
        run("vacuumed against not", seed, &path("a.db"), &path("b.db"), &path("c.db"));
    }
}
