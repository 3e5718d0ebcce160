//! What intervals made for one thing each say, and how often chance speaks for a change.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::payload::Verdict;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Hours of one query: executions, milliseconds, and the noise's seed.
fn hours(query: &str, plan: &str, from: i64, count: i64, executions: f64, ms: f64) -> Vec<Cell> {
    let mut rng = StdRng::seed_from_u64(from.unsigned_abs() + query.len() as u64 * 7);
    (0..count)
        .map(|at| {
            let us = ms * 1_000.0 * rng.random_range(0.95..1.05);
            Cell {
                query: query.to_owned(),
                plan: plan.to_owned(),
                from_s: (from + at) * HOUR,
                to_s: (from + at + 1) * HOUR,
                kind: 0,
                executions,
                duration_us: us,
                cpu_us: us * 0.9,
                reads: us / 10.0,
            }
        })
        .collect()
}

/// A day before and a day after; one query is on the changed table and two are not.
fn seen(before_ms: f64, after_ms: f64) -> Seen {
    let side = |from: i64, plan: &str, ms: f64| {
        let mut cells = hours("0x1", plan, from, 24, 100.0, ms);
        cells.extend(hours("0x22", "0xB", from, 24, 50.0, 5.0));
        cells.extend(hours("0x333", "0xC", from, 24, 10.0, 200.0));
        cells.extend(hours("0x666666", "0x1B", from, 24, 30.0, 1.0));
        cells
    };
    Seen {
        running: Vec::new(),
        after: side(1_000, "0xD", after_ms),
        weeks: Vec::new(),
        adjacent: side(970, "0xA", before_ms),
        touched: BTreeMap::from([("0x1".to_owned(), false)]),
        deployed: (995 * HOUR, 996 * HOUR),
    }
}

fn judged(seen: &Seen, objective: Objective, size: Option<SizeEvidence>) -> Evidence {
    let limits = Limits { may_be_absent: vec!["results".to_owned()], ..Limits::default() };
    let guard =
        Check { name: "guard".to_owned(), result: CheckResult::Passed, detail: String::new() };
    seen.evidence(objective, &limits, 200, vec![guard], size)
}

fn timed(seen: &Seen) -> Evidence {
    judged(seen, Objective::WorkloadTime, None)
}

#[test]
fn what_got_faster_is_measured_as_that() {
    let evidence = timed(&seen(40.0, 20.0));
    assert_eq!(evidence.verdict, Verdict::Improved, "{:?}", evidence.reasons);
    let found = evidence.improvement.unwrap();
    assert!(found.lo < 50.0 && 50.0 < found.hi && found.hi - found.lo < 3.0, "{found}");
    let names: Vec<&str> = evidence.queries.iter().map(|query| query.name.as_str()).collect();
    assert_eq!(names, ["0x1", ALL], "of the changed table alone");
    assert!(evidence.queries[0].plan_changed);
}

#[test]
fn another_mix_of_the_same_queries_is_no_improvement() {
    let mut seen = seen(40.0, 40.0);
    seen.touched.insert("0x4444".to_owned(), false);
    // A cheap query on the same table, run ten times as often afterwards.
    seen.adjacent.extend(hours("0x4444", "0xE", 970, 24, 100.0, 1.0));
    seen.after.extend(hours("0x4444", "0xE", 1_000, 24, 1_000.0, 1.0));
    let evidence = timed(&seen);
    assert_eq!(evidence.verdict, Verdict::TooSmall, "{:?}", evidence.reasons);
    assert!(evidence.improvement.unwrap().pct.abs() < 3.0);
}

#[test]
fn a_server_that_is_faster_altogether_is_no_improvement() {
    let mut seen = seen(40.0, 20.0);
    for cell in seen.after.iter_mut().filter(|cell| cell.query != "0x1") {
        cell.duration_us /= 2.0;
    }
    let found = timed(&seen).improvement.unwrap();
    assert!(found.pct.abs() < 3.0, "{found}");
    // Without any other query nobody can tell, and that is said.
    seen.after.retain(|cell| cell.query == "0x1");
    let alone = timed(&seen);
    assert!(alone.reasons.iter().any(|why| why.contains("too few queries on other tables")));
}

#[test]
fn too_few_intervals_or_executions_tell_nothing() {
    let mut short = seen(40.0, 20.0);
    short.after.retain(|cell| cell.from_s < 1_005 * HOUR);
    let mut rare = seen(40.0, 20.0);
    rare.after.iter_mut().for_each(|cell| cell.executions = 2.0);
    for seen in [short, rare, Seen::default()] {
        let evidence = timed(&seen);
        assert_eq!(evidence.verdict, Verdict::Inconclusive, "{:?}", evidence.reasons);
        assert!(evidence.reasons[0].starts_with("too little was seen"));
    }
}

#[test]
fn the_same_hours_of_the_weeks_before_come_first() {
    let mut seen = seen(40.0, 20.0);
    // Last week at these hours the query took as long as now; just before, twice as long.
    let last_week: Vec<Cell> = seen
        .after
        .iter()
        .cloned()
        .map(|cell| Cell { from_s: cell.from_s - WEEK_HOURS * HOUR, ..cell })
        .collect();
    seen.weeks = last_week;
    assert_eq!(timed(&seen).verdict, Verdict::TooSmall);
    // Too few of the hours are there: then the time just before has to do.
    seen.weeks.retain(|cell| cell.from_s < (1_012 - WEEK_HOURS) * HOUR);
    assert_eq!(timed(&seen).verdict, Verdict::Improved);
}

#[test]
fn dropping_an_index_must_not_make_writing_or_reading_dearer() {
    let size = SizeEvidence {
        before_bytes: 8 << 20,
        after_bytes: 0,
        write_before_ms: None,
        write_after_ms: None,
    };
    let writing = |ms: f64| {
        let mut seen = seen(40.0, 40.0);
        seen.touched.insert("0x55555".to_owned(), true);
        seen.adjacent.extend(hours("0x55555", "0xF", 970, 24, 100.0, 2.0));
        seen.after.extend(hours("0x55555", "0xF", 1_000, 24, 100.0, ms));
        judged(&seen, Objective::Size, Some(size))
    };
    let same = writing(2.0);
    assert_eq!(same.verdict, Verdict::Improved, "{:?}", same.reasons);
    assert_eq!(writing(2.6).verdict, Verdict::Regressed);
    let slower = judged(&seen(40.0, 60.0), Objective::Size, Some(size));
    assert_eq!(slower.verdict, Verdict::Regressed, "{:?}", slower.reasons);
}

#[test]
fn what_is_given_up_from_now_on_does_not_disappear() {
    // A report of 20 s that always times out since, among many that got faster.
    let mut seen = seen(40.0, 10.0);
    seen.touched.insert("0x7777777".to_owned(), false);
    seen.adjacent.extend(hours("0x7777777", "0xE", 970, 24, 1.0, 20_000.0));
    let given_up = hours("0x7777777", "0xF", 1_000, 24, 1.0, 30_000.0).into_iter();
    seen.after.extend(given_up.map(|cell| Cell { kind: 3, ..cell }));
    let evidence = timed(&seen);
    assert_eq!(evidence.verdict, Verdict::Regressed, "{:?}", evidence.reasons);
    let (_, worst) = seen.failing();
    assert_eq!(worst.map(|worst| worst.query).as_deref(), Some("0x7777777"));
}

#[test]
fn many_rare_queries_are_judged_together() {
    let mut seen = seen(40.0, 10.0);
    for number in 0..40 {
        let name = format!("0xAAAAAAAA{number:02}");
        seen.adjacent.extend(hours(&name, "0xE", 970 + number % 12, 2, 5.0, 100.0));
        seen.after.extend(hours(&name, "0xF", 1_000 + number % 12, 2, 5.0, 500.0));
        seen.touched.insert(name, false);
    }
    let evidence = timed(&seen);
    assert_eq!(evidence.verdict, Verdict::Regressed, "{:?}", evidence.reasons);
    assert!(evidence.reasons[0].contains(RARE), "{:?}", evidence.reasons);
}

#[test]
fn one_query_that_moves_by_itself_is_no_control() {
    // An untouched report doubles; the changed table's query stays as it was.
    let mut seen = seen(40.0, 40.0);
    for cell in seen.after.iter_mut().filter(|cell| cell.query == "0x333") {
        cell.duration_us *= 2.0;
    }
    let found = timed(&seen);
    assert_eq!(found.verdict, Verdict::TooSmall, "{:?}", found.reasons);
    assert!(found.improvement.unwrap().pct.abs() < 5.0);
}

#[test]
fn failed_executions_are_the_guards_and_no_time_to_compare() {
    let mut seen = seen(40.0, 40.0);
    let failed: Vec<Cell> = hours("0x1", "0xD", 1_000, 24, 25.0, 1.0)
        .into_iter()
        .map(|cell| Cell { kind: 4, ..cell })
        .collect();
    seen.after.extend(failed);
    let (all, worst) = seen.failing();
    assert_eq!((all.before_pct, all.now_pct, all.executions), (0.0, 20.0, 3_000.0));
    assert!((18.0..20.0).contains(&worst.unwrap().rose));
    assert!(timed(&seen).improvement.unwrap().pct.abs() < 3.0);
}

#[test]
fn nothing_that_was_not_changed_is_ever_kept_and_intervals_hold_the_truth() {
    let mut rng = StdRng::seed_from_u64(4);
    let (rounds, mut covered, mut kept, mut found_out) = (150, 0, 0, 0);
    for _ in 0..rounds {
        // What the hours share is not independent within them: a factor for each hour.
        let mut seen = seen(40.0, 30.0);
        let mut shaken = |cells: &mut Vec<Cell>| {
            let mut shared: BTreeMap<i64, f64> = BTreeMap::new();
            for cell in cells {
                let hour = shared.entry(cell.from_s).or_insert_with(|| rng.random_range(0.5..2.0));
                cell.duration_us *= *hour * rng.random_range(0.8..1.25);
            }
        };
        shaken(&mut seen.adjacent);
        shaken(&mut seen.after);
        let found = timed(&seen).improvement.unwrap();
        covered += i32::from(found.lo <= 25.0 && 25.0 <= found.hi);
        found_out += i32::from(timed(&seen).verdict == Verdict::Improved);
        for cell in seen.after.iter_mut().filter(|cell| cell.query == "0x1") {
            cell.duration_us /= 0.75;
        }
        kept += i32::from(timed(&seen).verdict == Verdict::Improved);
    }
    // 95 % in the long run, of 150 rounds: 142 or so, with a standard error of 2.7.
    assert!((133..=149).contains(&covered), "{covered} of {rounds}");
    assert!(kept <= 3, "{kept} of {rounds} that did nothing would have been kept");
    assert!(found_out >= 135, "only {found_out} of {rounds} that saved a quarter would be kept");
}

#[test]
fn welch_is_as_in_the_books() {
    // Difference 0.38, standard error 0.08406, 6.33 degrees of freedom: the tables of Student's t
    // have 2.4469 for 6 of them and 2.3646 for 7.
    let found = welch(&[1.1, 1.3, 1.2, 1.4], &[0.9, 0.8, 1.0, 0.7, 0.95]).unwrap();
    let log = |pct: f64| -(1.0 - pct / 100.0).ln();
    assert!((log(found.pct) - 0.38).abs() < 1e-9);
    for margin in [0.38 - log(found.lo), log(found.hi) - 0.38] {
        assert!((0.08406 * 2.3646..0.08406 * 2.4469).contains(&margin), "{margin}");
    }
}
