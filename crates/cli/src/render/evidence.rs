//! Evidence: the verdict first, then the checks, then query by query.

use super::{
    style::{BAD, DIM, GOOD, WARN, paint},
    table::{Align, table},
};
use kaizen_steps::payload::{Check, CheckResult, Evidence, QueryEvidence, Verdict};

/// The verdict in one line.
pub fn headline(evidence: &Evidence, probability: f64) -> String {
    let (style, word) = match evidence.verdict {
        Verdict::Improved => (GOOD, "improved"),
        Verdict::TooSmall => (WARN, "too small"),
        Verdict::Regressed => (BAD, "regressed"),
        Verdict::Incorrect => (BAD, "incorrect"),
        Verdict::Inconclusive => (WARN, "inconclusive"),
    };
    let measured = evidence.improvement.map_or(String::new(), |e| format!(": takes {}", e));
    let likely = format!("probability of success {probability:.2}");
    format!("{}{measured}; {likely}", paint(style, word))
}

/// A saving in a column: `+97.3 %`, `-12.0 %`, `228 × slower`.
pub fn better(saved_pct: f64) -> String {
    if saved_pct <= -100.0 {
        return format!("{:.1} × slower", 1.0 - saved_pct / 100.0);
    }
    format!("{saved_pct:+.1} %")
}

/// Whether nothing at all could be measured, for one reason.
pub fn is_unmeasured(evidence: &Evidence) -> bool {
    !evidence.checks.is_empty()
        && evidence.checks.iter().all(|check| {
            check.result == CheckResult::NotMeasurable && evidence.reasons.contains(&check.detail)
        })
}

/// All of it.
pub fn full(evidence: &Evidence, probability: f64) -> String {
    let mut text = format!("{}\n", headline(evidence, probability));
    for reason in &evidence.reasons {
        text += &format!("  {reason}\n");
    }
    let (noted, passed): (Vec<_>, Vec<_>) =
        evidence.checks.iter().partition(|check| check.result != CheckResult::Passed);
    if !passed.is_empty() {
        let named = |check: &&Check| match check.name.as_str() {
            // How many there were, and what they were kept to.
            "tests" => format!("tests ({})", check.detail),
            name => name.to_owned(),
        };
        let names: Vec<String> = passed.iter().map(named).collect();
        text += &format!("  {} {}\n", paint(GOOD, "passed"), names.join(", "));
    }
    if is_unmeasured(evidence) {
        let names: Vec<_> = noted.iter().map(|check| check.name.as_str()).collect();
        text += &format!("  {} {}\n", paint(DIM, "not measurable"), names.join(", "));
    } else {
        noted.iter().for_each(|check| text += &check_line(check));
    }
    if let Some(control) = &evidence.control {
        let noise = format!("  control, the same against the same: {}\n", control);
        text += &paint(DIM, &noise);
    }
    if let Some(size) = &evidence.size {
        text += &format!("  size {} -> {}", bytes(size.before_bytes), bytes(size.after_bytes));
        if let (Some(before), Some(after)) = (size.write_before_ms, size.write_after_ms) {
            text += &format!("; writing takes {} -> {} ms", ms(before), ms(after));
        }
        text.push('\n');
    }
    if !evidence.queries.is_empty() {
        text.push('\n');
        text += &queries(&evidence.queries);
    }
    text
}

fn check_line(check: &Check) -> String {
    let (style, word) = match check.result {
        CheckResult::Passed => (GOOD, "passed"),
        CheckResult::Failed => (BAD, "failed"),
        CheckResult::NotMeasurable => (DIM, "not measurable"),
    };
    format!("  {} {}: {}\n", paint(style, word), check.name, check.detail)
}

fn queries(queries: &[QueryEvidence]) -> String {
    let metrics = queries.iter().any(|query| query.unit.is_some());
    let [what, before, after] = match metrics {
        true => ["metric", "before", "after"],
        false => ["query", "before ms", "after ms"],
    };
    let mut head = vec![
        (what, Align::Left),
        ("weight", Align::Right),
        (before, Align::Right),
        (after, Align::Right),
        ("better", Align::Right),
    ];
    if metrics {
        head.push(("unit", Align::Left));
    }
    // A server counts no steps.
    let counted = queries.iter().any(|query| query.before.vm_steps + query.after.vm_steps > 0);
    if counted {
        head.extend([("VM steps before", Align::Right), ("after", Align::Right)]);
    }
    let row = |query: &QueryEvidence| {
        let mut row = vec![
            query.name.clone(),
            format!("{}", query.weight),
            ms(query.before_ms),
            ms(query.after_ms),
            query.improvement.map_or_else(|| "-".to_owned(), |e| better(e.pct)),
        ];
        if metrics {
            let way = if query.higher_is_better { ", more is better" } else { "" };
            row.push(format!("{}{way}", query.unit.as_deref().unwrap_or("ms")));
        }
        if counted {
            row.push(query.before.vm_steps.to_string());
            row.push(query.after.vm_steps.to_string());
        }
        row
    };
    table(&head, &queries.iter().map(row).collect::<Vec<_>>())
}

/// Milliseconds with three significant digits.
pub fn ms(value: f64) -> String {
    match value {
        v if v >= 100.0 => format!("{v:.0}"),
        v if v >= 10.0 => format!("{v:.1}"),
        v if v >= 1.0 => format!("{v:.2}"),
        v => format!("{v:.3}"),
    }
}

pub fn bytes(value: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let mib = value as f64 / f64::from(1 << 20);
    if mib >= 1.0 { format!("{mib:.1} MiB") } else { format!("{} KiB", value >> 10) }
}
