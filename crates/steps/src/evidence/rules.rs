//! The single rules behind a verdict, each answering with sentences that name its numbers.
//!
//! Deliberately not here: their order (`verdict`).

use super::verdict::{Limits, Measured, Objective};
use crate::payload::{Check, CheckResult, QueryEvidence, SizeEvidence, Verdict};

/// Any failed check: a test, a query's result, the down script.
pub fn failures(measured: &Measured<'_>) -> Vec<String> {
    let failed = measured.checks.iter().filter(|check| check.result == CheckResult::Failed);
    failed.map(|check| with_detail(&format!("the check `{}` failed", check.name), check)).collect()
}

/// What makes every timing of this evaluation worthless.
pub fn noise(measured: &Measured<'_>, limits: &Limits) -> Vec<String> {
    let half = limits.min_improvement_pct / 2.0;
    match measured.control {
        None => vec!["there is no A/A control, so that noise cannot be told from effect".into()],
        Some(control) if control.pct.is_nan() || control.pct.abs() > half => vec![format!(
            "unchanged against unchanged differed by {:.1} %, more than {half:.1} % (half the \
             least improvement): the machine is too noisy to tell",
            control.pct.abs()
        )],
        Some(_) => Vec::new(),
    }
}

/// Queries, the workload or writing got worse than allowed.
pub fn harm(measured: &Measured<'_>, limits: &Limits) -> Vec<String> {
    let mut reasons: Vec<String> =
        measured.queries.iter().filter_map(|query| slower(query, limits)).collect();
    if let Some(total) = measured.improvement
        && measured.objective == Objective::WorkloadTime
        && total.hi < 0.0
        && -total.pct > limits.max_regression_pct
    {
        reasons.push(format!("the whole workload takes more time: {total}"));
    }
    reasons.extend(measured.size.and_then(|size| dearer(&size, measured.objective, limits)));
    reasons
}

/// Whether one query got slower than allowed, and the sentence that says so.
///
/// The point estimate must be over the limit and the interval must exclude zero: with twenty
/// queries one interval in twenty excludes zero by chance, but by chance and by that much it hardly
/// does. Where neither plan nor counters moved, SQLite ran the very same program, so only an
/// interval wholly beyond the limit counts.
fn slower(query: &QueryEvidence, limits: &Limits) -> Option<String> {
    let estimate = query.improvement?;
    let same_program = !query.plan_changed && query.before == query.after;
    let sure_from = if same_program { -limits.max_regression_pct } else { 0.0 };
    let over = -estimate.pct > limits.max_regression_pct && estimate.hi < sure_from;
    let (verb, unit) = match &query.unit {
        None => ("takes", "ms"),
        Some(unit) => ("costs", unit.as_str()),
    };
    (over && matters(query, limits)).then(|| {
        format!(
            "`{}` {verb} {estimate}: {:.3} {unit} before, {:.3} {unit} after; {:.1} % more is allowed",
            query.name, query.before_ms, query.after_ms, limits.max_regression_pct
        )
    })
}

/// Whether the difference is large enough to be somebody's concern.
pub fn matters(query: &QueryEvidence, limits: &Limits) -> bool {
    // A query said to run often may not hide behind being short.
    let difference = (query.after_ms - query.before_ms).abs() * query.weight.max(1.0);
    difference.is_nan() || difference >= limits.noise_floor_ms
}

fn dearer(size: &SizeEvidence, objective: Objective, limits: &Limits) -> Option<String> {
    let (before, after) = (size.write_before_ms?, size.write_after_ms?);
    let allowed = match objective {
        Objective::WorkloadTime => limits.max_write_cost_pct,
        // What promises cheaper writing must not make it dearer; half the least improvement is
        // what the A/A control lets pass as noise.
        Objective::Size => limits.max_write_cost_pct.min(limits.min_improvement_pct / 2.0),
    };
    let more = (after / before - 1.0) * 100.0;
    (more > allowed && after - before >= limits.noise_floor_ms).then(|| {
        format!(
            "writing got dearer by {more:.1} % ({before:.3} ms before, {after:.3} ms after), more \
             than {allowed:.1} %"
        )
    })
}

/// What should have been measured and was not.
pub fn gaps(measured: &Measured<'_>, limits: &Limits) -> Vec<String> {
    let mut reasons = Vec::new();
    if measured.checks.is_empty() {
        reasons.push("nothing was checked for correctness".to_owned());
    }
    for check in measured.checks {
        if check.result == CheckResult::NotMeasurable && !limits.may_be_absent.contains(&check.name)
        {
            let name = &check.name;
            reasons.push(with_detail(&format!("the check `{name}` was not measurable"), check));
        }
    }
    for query in measured.queries.iter().filter(|query| untimed(query)) {
        reasons.push(format!(
            "`{}` has another plan now and could not be timed, so that nobody knows whether it \
             got slower",
            query.name
        ));
    }
    match measured.objective {
        Objective::WorkloadTime if measured.improvement.is_none() => {
            reasons.push("the workload's time could not be compared".to_owned());
        }
        Objective::Size if measured.size.is_none() => {
            reasons.push("the size before and after was not measured".to_owned());
        }
        Objective::WorkloadTime | Objective::Size => {}
    }
    reasons
}

/// A query that may have got slower without anybody having seen it.
fn untimed(query: &QueryEvidence) -> bool {
    let not_slower = query.after_ms <= query.before_ms;
    query.improvement.is_none() && query.plan_changed && !not_slower
}

/// The workload's time against the least improvement.
pub fn faster(measured: &Measured<'_>, limits: &Limits) -> (Verdict, String) {
    let Some(estimate) = measured.improvement else {
        return (Verdict::Inconclusive, "the workload's time could not be compared".into());
    };
    let least = limits.min_improvement_pct;
    if estimate.pct >= least && estimate.lo > 0.0 {
        let reason =
            format!("the workload's time: {estimate}; at least {least:.1} % less is asked");
        (Verdict::Improved, reason)
    } else if estimate.pct >= least {
        let reason = format!("the workload's time: {estimate}; noise alone can explain that");
        (Verdict::Inconclusive, reason)
    } else if estimate.pct.is_nan() {
        (Verdict::Inconclusive, "the improvement is not a number".into())
    } else {
        let reason =
            format!("the workload's time: {estimate}; at least {least:.1} % less is asked");
        (Verdict::TooSmall, reason)
    }
}

/// Bytes saved. The least improvement holds for the object that is removed, all of which goes: as
/// a share of the whole database a redundant index on a small table would stay forever.
pub fn smaller(measured: &Measured<'_>) -> (Verdict, String) {
    let Some(size) = measured.size else {
        return (Verdict::Inconclusive, "the size before and after was not measured".into());
    };
    let SizeEvidence { before_bytes: before, after_bytes: after, .. } = size;
    let shrank = after < before;
    let pct = saved_pct(before, after).unwrap_or(0.0);
    let bytes = before.abs_diff(after);
    if shrank {
        let reason = format!("the database is {bytes} bytes ({pct:.1} %) smaller, at no cost");
        (Verdict::Improved, reason)
    } else {
        let reason = format!("the database did not shrink: {before} bytes before, {after} after");
        (Verdict::TooSmall, reason)
    }
}

/// Percent of `before` that is gone.
pub fn saved_pct(before: u64, after: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a percentage needs no more than 2^53 bytes")]
    let (before, after) = (before as f64, after as f64);
    (before > 0.0).then(|| (before - after) / before * 100.0)
}

fn with_detail(sentence: &str, check: &Check) -> String {
    if check.detail.is_empty() {
        sentence.to_owned()
    } else {
        format!("{sentence}: {}", check.detail)
    }
}
