//! What several commands do alike: name a run, drive it, say how it stands.

use crate::{
    context::Place,
    failure::Failure,
    output::{self, Out},
    render::{self, observer::Watcher},
    view::{self, Full},
};
use kaizen_engine::{
    journal::{Command, Due, Event, Fact, Live, Outcome, Run, Status, event::ENGINE},
    shell::{Clock as _, Engine, Error, Reader, Stop, SystemClock},
    workflow::Target,
};
use kaizen_steps::{
    payload::ProvenanceRecord,
    project::Project,
    sql::{self, tsql},
};
use std::sync::Arc;

/// The run that a name means.
pub fn find(reader: &Reader, name: &str) -> Result<Run, Failure> {
    Ok(reader.run(reader.find(name)?)?)
}

/// A reason, trimmed; an empty one is none.
pub fn reason(given: Option<&str>, example: &str) -> Result<String, Failure> {
    match given.map(str::trim) {
        Some(text) if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(Failure::usage("no_reason", "a reason is needed, so that the trail can say why")
            .next(format!("{example} --reason 'why'"))),
    }
}

/// A driver for a run as it was pinned.
pub fn engine(place: &Place, run: &Run, out: Out) -> Result<Engine, Failure> {
    let reader = place.reader()?;
    let project = place.pinned(&reader, run)?;
    let watcher = Arc::new(Watcher::new(place.journal.clone(), out.json));
    watcher.skip(run);
    place.engine(project, place.store()?, watcher)
}

/// Asks for the end of forced plans whose time is over, as far as they stand: whoever drives next takes
/// them back.
pub async fn end_forcing(place: &Place) -> Result<(), Failure> {
    if !has_server(place) {
        return Ok(());
    }
    let now = SystemClock.now();
    for row in place.reader()?.history()? {
        let Ok(record) = row.record.read::<ProvenanceRecord>() else { continue };
        let up = record.up.filter(|_| record.outcome == Outcome::Kept.word()).unwrap_or_default();
        let statements: Vec<String> =
            sql::split(&up).into_iter().flatten().map(|statement| statement.text).collect();
        let ends = tsql::forced(&statements).into_iter().map(|forcing| forcing.until).min();
        let Some(until) = ends.filter(|until| *until <= now) else { continue };
        let reason = format!("the plan was to be forced until {until}");
        let (number, command) = (row.run, Command::Rollback { reason, later: Vec::new() });
        let asked = place.store()?.write(move |tx| tx.operate(number, ENGINE, command)).await;
        if let Err(error) = asked {
            tracing::warn!(run = number, %error, "its forced plan's time is over");
        }
    }
    Ok(())
}

/// Whether a workflow of this project is about a SQL Server database.
fn has_server(place: &Place) -> bool {
    let files = std::fs::read_dir(place.root.join("workflows")).into_iter().flatten().flatten();
    files
        .filter_map(|file| Project::open(&place.root, &file.path()).ok())
        .any(|project| matches!(project.definition.target, Target::Sqlserver { .. }))
}

/// Drives a run and shows where it stopped. The exit code is that of its state.
pub async fn drive(place: &Place, run: &Run, out: Out) -> Result<u8, Failure> {
    let engine = engine(place, run, out)?;
    let me = crate::context::os_user();
    out.say(&render::run::title(run));
    let stop = engine.resume(run.created.number, &me).await.map_err(|error| match error {
        Error::Driven { .. } => Failure::from(error).next(format!("kaizen show {}", run.name())),
        other => other.into(),
    })?;
    finish(place, &stop, out)
}

/// Shows where a run stopped.
pub fn finish(place: &Place, stop: &Stop, out: Out) -> Result<u8, Failure> {
    let reader = place.reader()?;
    let full = Full::read(&reader, stop.run.clone())?;
    let voided = voided(&reader, &stop.run)?;
    out.answer(&full.view(), || ending(&full, &stop.due, &voided));
    if let (Some(failure), false) = (view::trouble(&stop.run), out.json) {
        let look_at = full.view().failure.map(|failure| failure.look_at).unwrap_or_default();
        output::trouble(&failure, &look_at);
    }
    Ok(view::exit_code(&stop.run))
}

/// What made an approval void, where the run asks anew because of that.
fn voided(reader: &Reader, run: &Run) -> Result<Vec<String>, Failure> {
    if !matches!(run.status, Status::Live(Live::WaitingApproval { .. })) {
        return Ok(Vec::new());
    }
    let mut changed = Vec::new();
    for row in reader.rows(Some(run.created.number), 0, u32::MAX >> 1)? {
        if let Fact::ApprovalVoided { changed: names } =
            Event::decode(&row.event).map_err(Error::from)?.fact
        {
            changed = names;
        }
    }
    Ok(changed)
}

/// The last words on a run: its state, why, and the next command.
fn ending(full: &Full, due: &Due, voided: &[String]) -> String {
    let run = &full.run;
    let mut text = format!("{}\n", render::run::title(run));
    match &run.status {
        Status::Live(Live::WaitingApproval { gate, .. }) => {
            if !voided.is_empty() {
                let what = voided.join(", ");
                text += &format!("  the approval given before is void: {what} changed since\n");
            }
            for reason in &gate.reasons {
                text += &format!("  {reason}\n");
            }
            text += &format!("  see it:  kaizen show {} --diff\n", run.name());
            text += &format!("  until {}\n", gate.expires_at);
        }
        Status::Sleeping { until, why, .. } => text += &format!("  until {until}: {why}\n"),
        Status::Live(Live::Queued { behind: Some(behind), .. }) => {
            text += &format!("  behind r{behind}, which holds the target\n");
        }
        Status::Paused { reason, .. } => text += &format!("  {reason}\n"),
        Status::Live(_) | Status::NeedsOperator { .. } | Status::Finished { .. } => {}
    }
    if let Status::Finished { .. } = run.status {
        text += &outcome(full);
    } else if *due == Due::AcquireTarget {
        text += "  the target is held by another run\n";
    }
    if view::trouble(run).is_some() {
        // It goes to stderr, with the next command.
        return text;
    }
    text += &render::run::trouble(run);
    if let Some(next) = view::next(run) {
        text += &format!("\nNext:\n  {next}\n");
    }
    text
}

fn outcome(full: &Full) -> String {
    use kaizen_engine::journal::Outcome;
    let run = &full.run;
    let Some(outcome) = run.outcome else { return String::new() };
    let evidence = full.evidence().map(|(evidence, probability)| {
        format!("\n{}", render::evidence::full(evidence, probability))
    });
    match outcome {
        Outcome::DryRun => {
            let diff = full.change.as_ref().map(|change| render::run::diff(&change.diff));
            format!(
                "  nothing was deployed\n{}{}\n{}",
                full.analysis.as_ref().map(render::server::analysis).unwrap_or_default(),
                evidence.unwrap_or_default(),
                diff.unwrap_or_default()
            )
        }
        Outcome::Kept | Outcome::RolledBack => evidence.unwrap_or_default(),
        Outcome::NoChange => {
            let seen = full.analysis.as_ref().map(render::server::analysis).unwrap_or_default();
            let notes = full.proposal.as_ref().map(|proposal| proposal.notes.clone());
            let notes = notes.unwrap_or_default();
            notes.iter().fold(seen, |text, note| text + "  " + note + "\n")
        }
        Outcome::Rejected | Outcome::Expired | Outcome::Cancelled | Outcome::Failed => {
            String::new()
        }
    }
}
