//! Each rule of the verdict, and the probability that goes with it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::probability::MOST_LIKELIHOOD_RATIO;
use super::probability::{CAP_HARMFUL, CAP_UNPROVEN, Prior, posterior};
use super::verdict::{Limits, Measured, Objective, judge};
use crate::payload::{
    Check, CheckResult, Counters, Estimate, Evidence, QueryEvidence, SizeEvidence, Verdict,
};

fn around(pct: f64, half: f64) -> Option<Estimate> {
    Some(Estimate { pct, lo: pct - half, hi: pct + half })
}

fn check(name: &str, result: CheckResult) -> Check {
    Check { name: name.into(), result, detail: String::new() }
}

/// A query that took 10 ms before.
fn query(name: &str, improvement: Option<Estimate>) -> QueryEvidence {
    let pct = improvement.map_or(0.0, |estimate| estimate.pct);
    QueryEvidence {
        name: name.into(),
        weight: 1.0,
        before_ms: 10.0,
        after_ms: 10.0 * (1.0 - pct / 100.0),
        before: Counters { vm_steps: 1_000, ..Counters::default() },
        after: Counters { vm_steps: 500, ..Counters::default() },
        improvement,
        plan_changed: true,
        unit: None,
        higher_is_better: false,
    }
}

fn good() -> Evidence {
    Evidence {
        checks: vec![check("results", CheckResult::Passed)],
        improvement: around(50.0, 2.0),
        control: around(0.5, 2.0),
        queries: vec![query("q1", around(60.0, 3.0)), query("q2", around(1.0, 3.0))],
        size: Some(SizeEvidence {
            before_bytes: 1_000_000,
            after_bytes: 1_100_000,
            write_before_ms: Some(10.0),
            write_after_ms: Some(12.0),
        }),
        pairs: 10,
        verdict: Verdict::Improved,
        reasons: Vec::new(),
    }
}

fn verdict_for(evidence: &Evidence, objective: Objective) -> (Verdict, String) {
    let measured = Measured {
        checks: &evidence.checks,
        improvement: evidence.improvement,
        control: evidence.control,
        queries: &evidence.queries,
        size: evidence.size,
        objective,
    };
    let (verdict, reasons) = judge(&measured, &Limits::default());
    assert!(!reasons.is_empty(), "{verdict:?} without a reason");
    (verdict, reasons.join("\n"))
}

fn timed(change: impl FnOnce(&mut Evidence)) -> (Verdict, String) {
    let mut evidence = good();
    change(&mut evidence);
    verdict_for(&evidence, Objective::WorkloadTime)
}

fn sized(change: impl FnOnce(&mut Evidence)) -> (Verdict, String) {
    let mut evidence = good();
    evidence.improvement = None;
    evidence.size = Some(SizeEvidence {
        before_bytes: 1_000_000,
        after_bytes: 990_000,
        write_before_ms: Some(12.0),
        write_after_ms: Some(10.0),
    });
    change(&mut evidence);
    verdict_for(&evidence, Objective::Size)
}

#[test]
fn a_clear_win_is_improved_and_says_by_how_much() {
    let (verdict, why) = timed(|_| {});
    assert_eq!(verdict, Verdict::Improved);
    assert!(why.contains("50.0 %"), "{why}");
}

#[test]
fn a_failed_check_is_incorrect_whatever_was_won() {
    let (verdict, why) = timed(|e| e.checks.push(check("down_script", CheckResult::Failed)));
    assert_eq!(verdict, Verdict::Incorrect);
    assert!(why.contains("down_script"), "{why}");
}

#[test]
fn a_control_beyond_half_the_minimum_is_inconclusive() {
    assert_eq!(timed(|e| e.control = around(-5.1, 0.1)).0, Verdict::Inconclusive);
    assert_eq!(timed(|e| e.control = around(4.9, 9.0)).0, Verdict::Improved);
    assert_eq!(timed(|e| e.control = around(f64::NAN, 0.1)).0, Verdict::Inconclusive);
    assert_eq!(timed(|e| e.control = None).0, Verdict::Inconclusive);
}

#[test]
fn one_query_over_the_limit_regresses_a_huge_win_and_is_named() {
    let (verdict, why) = timed(|e| {
        e.improvement = around(95.0, 1.0);
        e.queries.push(query("by_key", around(-40.0, 5.0)));
    });
    assert_eq!(verdict, Verdict::Regressed);
    assert!(why.contains("`by_key`") && why.contains("40.0 %"), "{why}");
}

#[test]
fn a_slower_query_counts_only_over_the_limit_and_beyond_chance() {
    assert_eq!(timed(|e| e.queries.push(query("q", around(-9.0, 1.0)))).0, Verdict::Improved);
    assert_eq!(timed(|e| e.queries.push(query("q", around(-20.0, 25.0)))).0, Verdict::Improved);
    assert_eq!(timed(|e| e.queries.push(query("q", around(-20.0, 19.0)))).0, Verdict::Regressed);
}

#[test]
fn the_same_program_is_slower_only_when_its_whole_interval_is_over_the_limit() {
    let same = |half| {
        let mut same = query("same", around(-20.0, half));
        same.plan_changed = false;
        same.after = same.before;
        timed(|e| e.queries.push(same)).0
    };
    assert_eq!(same(15.0), Verdict::Improved);
    assert_eq!(same(5.0), Verdict::Regressed);
}

#[test]
fn a_difference_under_the_noise_floor_is_ignored_unless_the_query_runs_often() {
    let tiny = |weight| {
        let mut tiny = query("tiny", around(-100.0, 20.0));
        (tiny.weight, tiny.before_ms, tiny.after_ms) = (weight, 0.02, 0.04);
        timed(|e| e.queries.push(tiny)).0
    };
    assert_eq!(tiny(1.0), Verdict::Improved);
    assert_eq!(tiny(100.0), Verdict::Regressed);
}

#[test]
fn a_workload_that_got_slower_as_a_whole_regressed() {
    assert_eq!(timed(|e| e.improvement = around(-15.0, 2.0)).0, Verdict::Regressed);
    assert_eq!(timed(|e| e.improvement = around(-5.0, 2.0)).0, Verdict::TooSmall);
}

#[test]
fn less_than_the_minimum_is_too_small_and_a_win_that_noise_explains_is_inconclusive() {
    assert_eq!(timed(|e| e.improvement = around(9.9, 0.1)).0, Verdict::TooSmall);
    assert_eq!(timed(|e| e.improvement = around(12.0, 13.0)).0, Verdict::Inconclusive);
    assert_eq!(timed(|e| e.improvement = None).0, Verdict::Inconclusive);
    assert_eq!(timed(|e| e.improvement = around(f64::NAN, 1.0)).0, Verdict::Inconclusive);
}

#[test]
fn what_was_not_measurable_is_never_a_pass_unless_policy_names_it() {
    assert_eq!(timed(|e| e.checks.clear()).0, Verdict::Inconclusive);
    let mut evidence = good();
    evidence.checks.push(check("tests", CheckResult::NotMeasurable));
    assert_eq!(verdict_for(&evidence, Objective::WorkloadTime).0, Verdict::Inconclusive);
    let measured = Measured {
        checks: &evidence.checks,
        improvement: evidence.improvement,
        control: evidence.control,
        queries: &evidence.queries,
        size: None,
        objective: Objective::WorkloadTime,
    };
    let limits = Limits { may_be_absent: vec!["tests".into()], ..Limits::default() };
    assert_eq!(judge(&measured, &limits).0, Verdict::Improved);
}

#[test]
fn a_query_with_a_new_plan_that_could_not_be_timed_is_inconclusive() {
    let untimed = |after_ms| {
        let mut untimed = query("endless", None);
        untimed.after_ms = after_ms;
        timed(|e| e.queries.push(untimed)).0
    };
    assert_eq!(untimed(5_000.0), Verdict::Inconclusive);
    assert_eq!(untimed(f64::NAN), Verdict::Inconclusive);
    assert_eq!(untimed(1.0), Verdict::Improved);
}

#[test]
fn dearer_writing_regresses_beyond_its_limit() {
    let write = |after| timed(|e| e.size.as_mut().unwrap().write_after_ms = Some(after)).0;
    assert_eq!(write(29.0), Verdict::Improved);
    assert_eq!(write(31.0), Verdict::Regressed);
}

#[test]
fn dropping_something_redundant_improves_when_it_shrinks_and_costs_nothing() {
    assert_eq!(sized(|_| {}).0, Verdict::Improved);
    assert_eq!(sized(|e| e.size.as_mut().unwrap().after_bytes = 1_000_000).0, Verdict::TooSmall);
    assert_eq!(sized(|e| e.size = None).0, Verdict::Inconclusive);
    let slower = sized(|e| e.queries.push(query("q9", around(-30.0, 4.0))));
    assert_eq!(slower.0, Verdict::Regressed);
    let dearer = sized(|e| e.size.as_mut().unwrap().write_after_ms = Some(13.0));
    assert_eq!(dearer.0, Verdict::Regressed);
}

fn probability(change: impl FnOnce(&mut Evidence), prior: f64) -> super::Probability {
    let mut evidence = good();
    change(&mut evidence);
    (evidence.verdict, _) = verdict_for(&evidence, Objective::WorkloadTime);
    let prior = Prior { probability: prior, basis: "test".into() };
    posterior(&prior, &evidence, Objective::WorkloadTime, &Limits::default())
}

#[test]
fn a_clear_win_passes_the_default_threshold_from_an_even_prior() {
    let seen = probability(|_| {}, 0.5);
    assert!(seen.posterior > 0.95, "{seen:?}");
    assert!(seen.likelihood_ratio <= MOST_LIKELIHOOD_RATIO);
}

#[test]
fn a_win_just_at_the_minimum_stays_under_the_threshold() {
    let seen = probability(|e| e.improvement = around(10.5, 4.0), 0.5);
    assert!((0.5..0.75).contains(&seen.posterior), "{seen:?}");
}

#[test]
fn a_query_that_may_be_slower_lowers_the_probability() {
    let seen = probability(|e| e.queries.push(query("q", around(-9.0, 20.0))), 0.5);
    assert!(seen.posterior < 0.75, "{seen:?}");
}

#[test]
fn no_other_verdict_passes_whatever_the_prior() {
    let unproven = probability(|e| e.control = around(8.0, 1.0), 0.99);
    assert!(unproven.posterior <= CAP_UNPROVEN, "{unproven:?}");
    let wrong = probability(|e| e.checks[0].result = CheckResult::Failed, 0.99);
    assert!(wrong.posterior <= CAP_HARMFUL, "{wrong:?}");
}

#[test]
fn the_prior_moves_the_posterior_and_is_shown_with_its_count() {
    let low = probability(|e| e.improvement = around(12.0, 3.0), 0.1).posterior;
    let high = probability(|e| e.improvement = around(12.0, 3.0), 0.9).posterior;
    assert!(low < 0.75 && 0.75 < high, "{low} and {high}");
    let prior = Prior::beta(7, 2, (1.0, 1.0));
    assert!((prior.probability - 8.0 / 11.0).abs() < 1e-12);
    assert!(prior.basis.contains("7 of 9"), "{}", prior.basis);
}

#[test]
fn a_number_that_is_none_does_not_become_a_probability_that_is_none() {
    let seen = probability(|e| e.improvement = around(f64::NAN, 1.0), 0.5);
    assert!(seen.posterior <= CAP_UNPROVEN, "{seen:?}");
}
