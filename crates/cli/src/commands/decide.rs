//! `approve` and `reject`: record a decision on exactly what was seen.

use super::{notices, shared};
use crate::{
    args::{Approve, Decide},
    context::{self, Place},
    failure::{Failure, exit},
    output::Out,
    render,
    view::Full,
};
use kaizen_engine::{
    digest::Digest,
    journal::{Command, Decision, Live, Status},
    shell::Operated,
};
use std::{
    io::{BufRead, IsTerminal, Write},
    path::Path,
};

/// A digest may be given by its first digits, from this many on.
const SHORTEST_DIGEST: usize = 8;

pub async fn approve(args: &Approve, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let rating = args.rating;
    let command = |decision| Command::Approve { decision: Decision { rating, ..decision } };
    decide(&args.decide, dir, out, "approve", command).await
}

pub async fn reject(args: &Decide, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    decide(args, dir, out, "reject", |decision| Command::Reject { decision }).await
}

async fn decide(
    args: &Decide,
    dir: Option<&Path>,
    out: Out,
    what: &str,
    command: impl FnOnce(Decision) -> Command,
) -> Result<u8, Failure> {
    let place = Place::find(dir)?;
    notices::overdue(&place, out);
    let reader = place.reader()?;
    let run = shared::find(&reader, &args.run)?;
    let reason = shared::reason(args.reason.as_deref(), &format!("kaizen {what} {}", run.name()))?;
    let full = Full::read(&reader, run)?;
    let digest = digest(&full, args.digest.as_deref())?;
    if args.digest.is_none() && what == "approve" && waits(&full) {
        out.say(&render::run::change(&full, true));
        confirm(out)?;
    }
    let decision = context::decision(args.who.as_deref(), &reason, digest);
    let (number, me) = (full.run.created.number, decision.who.clone());
    let command = command(decision);
    let operated = place.store()?.write(move |tx| tx.operate(number, &me, command)).await;
    let operated = operated.map_err(|error| Failure::from(error).fill("RUN", &full.run.name()))?;
    let run = match operated {
        Operated::Applied(run) => run,
        Operated::Queued { .. } => full.run,
    };
    let rejected = what == "reject";
    if args.resume || rejected {
        // A rejected run has nothing left to do but its history row.
        return match shared::drive(&place, &run, out).await? {
            exit::REFUSED if rejected => Ok(exit::DONE),
            code => Ok(code),
        };
    }
    let full = Full::read(&reader, run)?;
    out.answer(&full.view(), || {
        let name = full.run.name();
        if waits(&full) {
            let given = match &full.run.status {
                Status::Live(Live::WaitingApproval { approvals, .. }) => approvals.len(),
                _ => 0,
            };
            let quorum = full.run.created.approval.quorum;
            return format!("{name}: {given} of {quorum} approvals\n");
        }
        format!("{name} is approved\n\nNext:\n  kaizen resume {name}\n")
    });
    Ok(exit::DONE)
}

fn waits(full: &Full) -> bool {
    matches!(full.run.status, Status::Live(Live::WaitingApproval { .. }))
}

/// The digest decided on: what is asked now, which a given one must match.
fn digest(full: &Full, given: Option<&str>) -> Result<Digest, Failure> {
    let current = match &full.run.gate {
        Some(gate) => gate.binding.digest(),
        None => Digest::ZERO,
    };
    let Some(given) = given else { return Ok(current) };
    let given = given.trim().to_lowercase();
    if given.len() < SHORTEST_DIGEST || !given.chars().all(|c| c.is_ascii_hexdigit()) {
        let message =
            format!("{given:?} is no digest: give at least its first {SHORTEST_DIGEST} hex digits");
        return Err(
            Failure::usage("no_digest", message).next(format!("kaizen show {}", full.run.name()))
        );
    }
    if current.to_string().starts_with(&given) {
        return Ok(current);
    }
    // The store refuses it by name; what was typed is told as far as it goes.
    Ok(format!("{given:0<64}").parse().unwrap_or(Digest::ZERO))
}

/// At a terminal the decision is asked once more, after everything has been shown.
fn confirm(out: Out) -> Result<(), Failure> {
    if out.json || !std::io::stdin().is_terminal() {
        return Ok(());
    }
    if ask("Approve this?") {
        return Ok(());
    }
    Err(Failure { exit: exit::REFUSED, ..Failure::usage("not_confirmed", "nothing was recorded") })
}

/// Asks a question at the terminal; only `y` or `yes` is a yes.
pub fn ask(question: &str) -> bool {
    let mut err = std::io::stderr();
    let _ = write!(err, "{question} [y/N] ");
    let _ = err.flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}
