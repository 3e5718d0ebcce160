//! What is learnt, for people: versions, coefficients, figures, and reliability drawn as bars.

use super::{
    style::{BOLD, DIM, paint},
    table::{Align, table},
};
use crate::commands::models::{Exported, Listed, Restored, Shown, Trained, Version};
use kaizen_steps::{
    models::Bin,
    payload::Asked,
    training::{Description, Figures},
};

/// Columns of a bar that stands for certainty.
const BAR: usize = 40;

/// Versions that are listed; the newest.
const MOST_VERSIONS: usize = 20;

pub fn list(all: &[Listed]) -> String {
    let head = [
        ("model", Align::Left),
        ("method", Align::Left),
        ("in force", Align::Right),
        ("versions", Align::Right),
        ("rows", Align::Right),
        ("since", Align::Left),
    ];
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let row = |one: &Listed| {
        vec![
            one.name.to_owned(),
            one.method.to_owned(),
            or_dash(one.version.map(|version| version.to_string())),
            one.versions.to_string(),
            or_dash(one.rows.map(|rows| rows.to_string())),
            or_dash(one.at.as_deref().map(minute)),
        ]
    };
    let mut text = table(&head, &all.iter().map(row).collect::<Vec<_>>());
    text += "\n";
    for one in all {
        text += &format!("  {}: {}\n", one.name, one.basis);
    }
    text
}

pub fn show(shown: &Shown) -> String {
    let version = match shown.version {
        Some(version) => format!(" version {version}"),
        None => ", nothing learnt yet".to_owned(),
    };
    let mut text = format!("{}{version}\n  {}\n", paint(BOLD, shown.name), shown.description.basis);
    text += &features(&shown.description);
    text += &shown.figures.as_ref().map(figures).unwrap_or_default();
    text += &versions(&shown.versions);
    text
}

fn features(description: &Description) -> String {
    if description.features.is_empty() {
        return String::new();
    }
    let standardised = description.features.iter().any(|feature| feature.mean.is_some());
    let mut head = vec![("feature", Align::Left)];
    head.push(match description.method {
        "weights" => ("weight", Align::Right),
        "boosted" => ("share of splits", Align::Right),
        _ => ("coefficient", Align::Right),
    });
    if standardised {
        head.extend([("mean", Align::Right), ("scale", Align::Right)]);
    }
    let number = |value: Option<f64>| value.map(|value| format!("{value:.4}")).unwrap_or_default();
    let mut rows: Vec<Vec<String>> = Vec::new();
    if let Some(intercept) = description.intercept {
        rows.push(row(["intercept".to_owned(), number(Some(intercept))], standardised, None));
    }
    for feature in &description.features {
        let ends = Some([number(feature.mean), number(feature.scale)]);
        let first = [feature.name.clone(), number(Some(feature.coefficient))];
        rows.push(row(first, standardised, ends));
    }
    format!("\n{}", table(&head, &rows))
}

fn row(first: [String; 2], standardised: bool, ends: Option<[String; 2]>) -> Vec<String> {
    let ends = standardised.then(|| ends.unwrap_or_default());
    first.into_iter().chain(ends.into_iter().flatten()).collect()
}

fn figures(figures: &Figures) -> String {
    let (Some(loss), Some(simplest)) = (figures.loss, figures.simplest_loss) else {
        return "\n  no example yet: nothing to judge it by\n".to_owned();
    };
    let mut text = format!(
        "\n{} {} examples, each predicted before it was learned\n",
        paint(BOLD, "figures:"),
        figures.rows
    );
    text += &format!("  {} {loss:.4} (the simplest method: {simplest:.4})\n", figures.loss_name);
    if let Some(points) = figures.mean_absolute_error {
        text += &format!("  misses by {points:.1} points of 100 on average\n");
    }
    match figures.auc {
        Some(auc) => text += &format!("  AUC {auc:.3}\n"),
        None if figures.mean_absolute_error.is_none() => {
            text += "  AUC cannot be told: there was one outcome only\n";
        }
        None => {}
    }
    text + &reliability(&figures.reliability)
}

/// Bars of what happened (`█`), with a mark where it was predicted to be (`│`).
pub fn reliability(bins: &[Bin]) -> String {
    if bins.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\n{} what happened (█) against what was predicted (│)\n",
        paint(BOLD, "reliability:")
    );
    for bin in bins {
        text += &format!(
            "  {:.1} to {:.1}  {}  {:>4.2} of {}\n",
            bin.from,
            bin.from + 0.1,
            bar(bin.observed, bin.predicted),
            bin.observed,
            bin.rows
        );
    }
    text
}

fn bar(observed: f64, predicted: f64) -> String {
    let columns = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "between 0 and BAR"
        )]
        let columns = (share.clamp(0.0, 1.0) * BAR as f64).round() as usize;
        columns
    };
    let (full, mark) = (columns(observed), columns(predicted).min(BAR - 1));
    let sign = |at: usize| match at {
        at if at == mark => '│',
        at if at < full => '█',
        _ => '·',
    };
    (0..BAR).map(sign).collect()
}

fn versions(all: &[Version]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let head = [
        ("version", Align::Right),
        ("made", Align::Left),
        ("by", Align::Left),
        ("state", Align::Left),
        ("why", Align::Left),
    ];
    let line = |one: &Version| {
        let state = match (one.in_force, one.promoted) {
            (true, _) => "in force",
            (false, true) => "was in force",
            (false, false) => "not promoted",
        };
        let why = match &one.asked {
            Some(Asked::Train) => "asked for".to_owned(),
            Some(Asked::Restore { version, reason, .. }) => {
                format!("version {version} put back: {reason}")
            }
            None => "an outcome".to_owned(),
        };
        vec![one.version.to_string(), minute(&one.at), one.run.clone(), state.to_owned(), why]
    };
    let newest: Vec<_> = all.iter().rev().take(MOST_VERSIONS).map(line).collect();
    let mut text = format!("\n{}", table(&head, &newest));
    if all.len() > newest.len() {
        let more = all.len() - newest.len();
        text += &paint(DIM, &format!("  and {more} earlier ones: --json lists them all\n"));
    }
    text
}

pub fn trained(trained: &Trained, dry_run: bool) -> String {
    let mut text = String::new();
    for model in &trained.models {
        let what = match (model.known, model.promoted) {
            (true, _) => "as it is in force already",
            (false, true) => "promoted",
            (false, false) => "not promoted",
        };
        text += &format!("{} {what}\n  {}\n", paint(BOLD, model.name), model.note);
    }
    match &trained.run {
        Some(run) => text += &format!("\nrecorded as {run}\n"),
        None if dry_run => text += "\nnothing was stored: a dry run\n",
        None => text += "\nnothing was stored: there is nothing new\n",
    }
    text
}

pub fn restored(restored: &Restored, learns_on: bool) -> String {
    let Restored { name, version, restored, run } = restored;
    let next = if learns_on {
        "  the next outcome is learnt from there".to_owned()
    } else {
        "  it stays in force until: kaizen models train".to_owned()
    };
    format!(
        "{name} {version} is in force, and says what {restored} said (recorded as {run})\n{next}\n"
    )
}

pub fn exported(exported: &Exported) -> String {
    let Exported { name, version, file, bytes, features } = exported;
    let mut text = format!("{name} {version} is in {file} ({bytes} bytes)\n");
    text += "  it takes these features, each a float64, in this order\n";
    for feature in features {
        text += &format!("    {feature}\n");
    }
    text
}

/// A time to the minute.
fn minute(at: &str) -> String {
    at.chars().take(16).collect::<String>().replace('T', " ")
}
