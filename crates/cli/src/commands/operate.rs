//! `pause`, `cancel`, `rollback`, `resolve`: what operators want of a run.

use super::shared;
use crate::{
    args::{Reasoned, Resolve},
    context::{self, Place},
    failure::{Failure, exit},
    output::Out,
    view::Full,
};
use kaizen_engine::{
    journal::{Command, Effect, Run},
    shell::{Operated, Reader},
};
use kaizen_steps::payload::ProvenanceRecord;
use std::{path::Path, sync::Arc};

pub async fn pause(args: &Reasoned, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let (place, run) = open(dir, &args.run)?;
    let reason = args.reason.clone().unwrap_or_else(|| "paused by an operator".to_owned());
    match apply(&place, &run, Command::Pause { reason }).await? {
        Operated::Applied(run) => {
            let text = format!("{} is paused\n\nNext:\n  kaizen resume {0}\n", run.name());
            answer(&place, run, out, text)
        }
        Operated::Queued { driver } => queued(&place, run, &driver, "pause", out),
    }
}

pub async fn cancel(args: &Reasoned, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let (place, run) = open(dir, &args.run)?;
    let reason = args.reason.clone().unwrap_or_else(|| "cancelled by an operator".to_owned());
    match apply(&place, &run, Command::Cancel { reason }).await? {
        // What it did is undone, and its history row written, at once.
        Operated::Applied(run) => done(shared::drive(&place, &run, out).await),
        Operated::Queued { driver } => queued(&place, run, &driver, "cancel", out),
    }
}

pub async fn rollback(args: &Reasoned, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let (place, run) = open(dir, &args.run)?;
    let example = format!("kaizen rollback {}", run.name());
    let reason = shared::reason(args.reason.as_deref(), &example)?;
    let later = later_runs(&place.reader()?, &run)?;
    let command = Command::Rollback { reason, later: later.clone() };
    let applied = apply(&place, &run, command).await.map_err(|failure| match later.first() {
        Some(first) if failure.code == "later_runs" => {
            failure.next(format!("kaizen rollback {first} --reason 'why'"))
        }
        _ => failure,
    })?;
    match applied {
        Operated::Applied(run) => match shared::drive(&place, &run, out).await? {
            exit::ROLLED_BACK => Ok(exit::DONE),
            other => Ok(other),
        },
        Operated::Queued { driver } => queued(&place, run, &driver, "rollback", out),
    }
}

pub async fn resolve(args: &Resolve, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let (place, run) = open(dir, &args.run)?;
    let effect: Effect = args.effect.parse().map_err(|message: String| {
        Failure::usage("no_such_effect", message).next(format!("kaizen show {}", run.name()))
    })?;
    let said = if args.done { "--done" } else { "--not-done" };
    let example = format!("kaizen resolve {} --effect {effect} {said}", run.name());
    let reason = shared::reason(args.reason.as_deref(), &example)?;
    let command = Command::Resolve { effect, done: args.done, reason };
    match apply(&place, &run, command).await? {
        Operated::Applied(run) => {
            let text = format!("recorded\n\nNext:\n  kaizen resume {}\n", run.name());
            answer(&place, run, out, text)
        }
        Operated::Queued { driver } => queued(&place, run, &driver, "resolve", out),
    }
}

fn open(dir: Option<&Path>, name: &str) -> Result<(Place, Run), Failure> {
    let place = Place::find(dir)?;
    let run = shared::find(&place.reader()?, name)?;
    Ok((place, run))
}

async fn apply(place: &Place, run: &Run, command: Command) -> Result<Operated, Failure> {
    let (number, me) = (run.created.number, context::os_user());
    let store = place.store()?;
    let operated = store.write(move |tx| tx.operate(number, &me, command)).await;
    operated.map_err(|error| Failure::from(error).fill("RUN", &run.name()))
}

/// These commands exit by their own success: a cancel that ended in `cancelled` went well.
fn done(result: Result<u8, Failure>) -> Result<u8, Failure> {
    match result? {
        exit::FAILED | exit::ROLLED_BACK => Ok(exit::DONE),
        other => Ok(other),
    }
}

fn answer(place: &Place, run: impl Into<Arc<Run>>, out: Out, text: String) -> Result<u8, Failure> {
    let full = Full::read(&place.reader()?, run)?;
    out.answer(&full.view(), || text);
    Ok(exit::DONE)
}

fn queued(
    place: &Place,
    run: impl Into<Arc<Run>>,
    driver: &str,
    what: &str,
    out: Out,
) -> Result<u8, Failure> {
    let run = run.into();
    let text =
        format!("{}: the {what} is left for process {driver}, which drives it\n", run.name());
    answer(place, run, out, text)
}

/// Kept runs after this one that depend on the same tables or paths, last first.
fn later_runs(reader: &Reader, run: &Run) -> Result<Vec<String>, Failure> {
    let mut later = Vec::new();
    let mut mine: Option<ProvenanceRecord> = None;
    for row in reader.history()? {
        let Ok(record) = row.record.read::<ProvenanceRecord>() else { continue };
        if row.run == run.created.number {
            mine = Some(record);
        } else if let Some(mine) = &mine
            && record.outcome == "kept"
            && record.target == mine.target
            && (shares(&record.tables, &mine.tables) || shares(&record.files, &mine.files))
        {
            later.push(format!("r{}", row.run));
        }
    }
    later.reverse();
    Ok(later)
}

fn shares(one: &[String], other: &[String]) -> bool {
    one.iter().any(|name| other.contains(name))
}
