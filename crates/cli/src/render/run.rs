//! One run for people: where it stands, its change, its evidence, its decisions.

use super::{
    evidence,
    style::{BAD, BOLD, DIM, GOOD, WARN, paint, visible},
};
use crate::view::{self, Full};
use anstyle::Style;
use kaizen_engine::journal::{Effect, Outcome, Run, Status};
use kaizen_steps::payload::ChangeSet;

/// `r3 sqlite-index-tuning: kept`.
pub fn title(run: &Run) -> String {
    let (style, word) = state(run);
    let dry = if run.created.dry_run { " (dry run)" } else { "" };
    format!("{} {}{dry}: {}", paint(BOLD, &run.name()), run.created.workflow, paint(style, &word))
}

/// Its status, or its outcome once it has ended, with the colour that it deserves.
pub fn state(run: &Run) -> (Style, String) {
    match &run.status {
        Status::Finished { outcome } => {
            let style = match outcome {
                Outcome::Kept | Outcome::DryRun | Outcome::NoChange => GOOD,
                Outcome::RolledBack | Outcome::Rejected | Outcome::Expired => WARN,
                Outcome::Cancelled | Outcome::Failed => BAD,
            };
            (style, outcome.to_string())
        }
        status => {
            let style = if matches!(status, Status::NeedsOperator { .. }) { BAD } else { WARN };
            let phase = run.phase().map(|phase| format!(" ({phase})")).unwrap_or_default();
            (style, format!("{}{phase}", status.word()))
        }
    }
}

/// The whole of it.
pub fn full(full: &Full, with_diff: bool) -> String {
    let run = &full.run;
    let mut text = format!("{}\n", title(run));
    text += &format!("  started {} by {}\n", run.created_at, run.created.started_by);
    if let Some(at) = run.finished_at {
        text += &format!("  ended   {at}\n");
    }
    if let Status::Sleeping { until, why, .. } = &run.status {
        text += &format!("  sleeps until {until}: {why}\n");
    }
    text += &compacted(full);
    text += &full.analysis.as_ref().map(super::server::analysis).unwrap_or_default();
    text += &change(full, with_diff);
    if let (Some(evaluation), true) = (&full.evaluation, full.change.is_some()) {
        let word = if evaluation.keep { "keep" } else { "roll back" };
        text += &format!("\n{} {word}\n", paint(BOLD, "evaluation:"));
        text += &indent(&evidence::full(&evaluation.evidence, evaluation.probability.posterior));
    }
    text += &deployed(run);
    text += &decisions(run);
    text += &trouble(run);
    if let Some(next) = view::next(run) {
        text += &format!("\nNext:\n  {next}\n");
    }
    text
}

/// What there is to tell of a run that retention has been at.
fn compacted(full: &Full) -> String {
    let Some(compacted) = &full.run.compacted else { return String::new() };
    let mut text = format!(
        "  compacted {}: what its phases handed over is gone ({} events keep their hash alone)\n",
        full.run.updated_at,
        compacted.pruned.len()
    );
    let Some(record) = &full.record else { return text };
    if let Some(title) = &record.title {
        let kind = record.change_type.as_deref().unwrap_or("?");
        let risk = record.risk_level.as_deref().unwrap_or("?");
        text += &format!("\n{} {title}\n  {kind}, risk {risk}\n", paint(BOLD, "change:"));
    }
    if let Some(measured) = record.performance_delta_pct {
        text += &format!("  measured {}\n", evidence::better(measured));
    }
    text
}

/// The change and its preflight: what is decided on.
pub fn change(full: &Full, with_diff: bool) -> String {
    full.change.as_ref().map(|set| change_text(set, full, with_diff)).unwrap_or_default()
}

fn change_text(change: &ChangeSet, full: &Full, with_diff: bool) -> String {
    let mut text = format!(
        "\n{} {}\n  {}, risk {}\n  {}\n",
        paint(BOLD, "change:"),
        visible(&change.title),
        change.kind,
        change.risk,
        visible(change.rationale.trim()).replace('\n', "\n  ")
    );
    for why in &change.needs_human {
        text += &format!("  {} {why}\n", paint(WARN, "needs a human:"));
    }
    if let Some(digest) = full.digest() {
        text += &format!("  digest {digest}\n");
    }
    if let Some(quality) = &change.quality {
        text +=
            &format!("  reviewers would give it {:.0} of 100 ({})\n", quality.score, quality.basis);
    }
    let measured = change.preflight.pairs > 0 || change.preflight.improvement.is_some();
    let heading = if evidence::is_unmeasured(&change.preflight) {
        "preflight, nothing measured:"
    } else if measured {
        "preflight, measured on copies:"
    } else {
        "preflight:"
    };
    text += &format!("\n{}\n", paint(BOLD, heading));
    text += &indent(&evidence::full(&change.preflight, change.probability.posterior));
    if with_diff {
        text += &format!("\n{}", diff(&change.diff));
    }
    text
}

/// A unified diff in its usual colours.
pub fn diff(diff: &str) -> String {
    let paint_line = |line: &str| match line.chars().next() {
        _ if line.starts_with("+++") || line.starts_with("---") => paint(BOLD, line),
        Some('+') => paint(GOOD, line),
        Some('-') => paint(BAD, line),
        Some('@') => paint(DIM, line),
        _ => line.to_owned(),
    };
    // Only a newline ends a line here: a carriage return alone would hide what stands before it.
    let lines = diff.split_terminator('\n').map(visible);
    lines.fold(String::new(), |text, line| text + &paint_line(&line) + "\n")
}

fn deployed(run: &Run) -> String {
    let commit = |effect, what: &str| {
        view::commit(run, effect).map(|id| format!("  {what} {id}\n")).unwrap_or_default()
    };
    let mut text = commit(Effect::Commit, "commit") + &commit(Effect::Revert, "revert");
    for (effect, what) in [(Effect::Up, "up script applied"), (Effect::Down, "down script applied")]
    {
        if run.is_done(effect) {
            text += &format!("  {what}\n");
        }
    }
    if text.is_empty() { text } else { format!("\n{}\n{text}", paint(BOLD, "deployment:")) }
}

fn decisions(run: &Run) -> String {
    if run.decisions.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{}\n", paint(BOLD, "decisions:"));
    for (at, decided, decision) in &run.decisions {
        let decided = view::word(decided);
        let method = view::word(&decision.method);
        let rating = decision.rating.map(|rating| format!(", {rating} of 5")).unwrap_or_default();
        text += &format!(
            "  {} by {} ({}{rating}) at {at}: {}\n",
            decided.as_str().unwrap_or_default(),
            decision.who,
            method.as_str().unwrap_or_default(),
            decision.reason
        );
    }
    text
}

/// What went wrong, and what to look at.
pub fn trouble(run: &Run) -> String {
    let Some(failure) = &run.failure else { return String::new() };
    let ended_well = matches!(run.status, Status::Finished { outcome: Outcome::Kept });
    if ended_well {
        return String::new();
    }
    let mut text = format!("\n{} {}\n", paint(BAD, "problem:"), failure.message);
    if let Status::NeedsOperator { look_at, .. } = &run.status {
        for line in look_at {
            text += &format!("  {line}\n");
        }
    }
    text
}

fn indent(text: &str) -> String {
    text.lines().fold(String::new(), |whole, line| {
        if line.is_empty() { whole + "\n" } else { whole + "  " + line + "\n" }
    })
}
