//! `kaizen why`: a run's story, event by event, for people.

use super::shared;
use crate::{
    args::RunName,
    context::Place,
    failure::{Failure, exit},
    output::Out,
    render::{self, evidence, style},
    view::{self, Full},
};
use kaizen_engine::{
    journal::{Event, Fact, Facts},
    shell::Reader,
};
use kaizen_steps::payload::{ChangeSet, Evaluation, WeightsUpdate};
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct Line {
    seq: u64,
    /// Null where retention took its body.
    at: Option<String>,
    actor: Option<String>,
    kind: &'static str,
    why: String,
}

pub fn run(args: &RunName, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let place = Place::find(dir)?;
    let reader = place.reader()?;
    // Retention may take artifacts between the run and its payloads.
    let _snapshot = reader.snapshot()?;
    let run = shared::find(&reader, &args.run)?;
    let mut lines = Vec::new();
    for row in reader.rows(Some(run.created.number), 0, u32::MAX >> 1)? {
        if row.is_pruned() {
            let why = "taken by retention; its hash is left".to_owned();
            lines.push(Line { seq: row.run_seq, at: None, actor: None, kind: "pruned", why });
            continue;
        }
        let event = Event::decode(&row.event).map_err(kaizen_engine::shell::Error::from)?;
        lines.push(Line {
            seq: row.run_seq,
            at: Some(event.at.to_string()),
            actor: Some(event.actor.clone()),
            kind: event.fact.kind(),
            why: tell(&reader, &event.fact)?,
        });
    }
    let full = Full::read(&reader, run)?;
    out.answer(&lines, || {
        let mut text = format!("{}\n\n", render::run::title(&full.run));
        for line in &lines {
            let at = line.at.as_deref().unwrap_or_default();
            let time = format!("{:<12}", at.chars().skip(11).take(12).collect::<String>());
            text += &format!(
                "  {} {:<18} {}\n",
                style::paint(style::DIM, &time),
                line.kind,
                line.why.replace('\n', "\n                                  ")
            );
        }
        text += &render::run::trouble(&full.run);
        if let Some(next) = view::next(&full.run) {
            text += &format!("\nNext:\n  {next}\n");
        }
        text
    });
    Ok(exit::DONE)
}

fn tell(reader: &Reader, fact: &Fact) -> Result<String, Failure> {
    Ok(match fact {
        Fact::RunCreated(created) => {
            let how = if created.dry_run { "a dry run" } else { "to be applied" };
            format!("{how}, by {}, workflow {}", created.started_by, created.workflow)
        }
        Fact::RunResumed { after_crash_of: Some(_) } => {
            "its driver had died; taken over".to_owned()
        }
        Fact::RunResumed { after_crash_of: None } => "looked at again".to_owned(),
        Fact::PhaseCompleted { phase, output, facts, spent_ms, .. } => {
            let detail = match facts {
                Facts::Plain => String::new(),
                Facts::NoChange(why) => format!(": nothing to change: {why}"),
                Facts::Generated(_) => {
                    let change: ChangeSet = reader.payload(output)?;
                    let p = change.probability.posterior;
                    format!(": {}\n{}", change.title, evidence::headline(&change.preflight, p))
                }
                Facts::Judged(judged) => {
                    let evaluation: Evaluation = reader.payload(output)?;
                    judged_text(&evaluation, judged.keep)
                }
                Facts::Learned(models) => {
                    let update: WeightsUpdate = reader.payload(output)?;
                    let count = models.len();
                    update
                        .notes
                        .iter()
                        .fold(format!(": {count} new versions"), |text, note| text + "\n" + note)
                }
            };
            format!("{phase} in {spent_ms} ms{detail}")
        }
        Fact::PhaseFailed { phase, failure, retry_at, .. } => match retry_at {
            Some(at) => format!("{phase}: {}; again at {at}", failure.message),
            None => format!("{phase}: {}", failure.message),
        },
        Fact::ApprovalRequested { gate } => {
            format!("{}; until {}", gate.reasons.join("; "), gate.expires_at)
        }
        Fact::Approved { decision } | Fact::Rejected { decision } => {
            format!("by {}: {}", decision.who, decision.reason)
        }
        Fact::ApprovalVoided { changed } => {
            format!("no longer what was approved: {}", changed.join(", "))
        }
        Fact::ApprovalExpired {} => "nobody decided in time".to_owned(),
        Fact::TargetQueued { behind, .. } => match behind {
            Some(run) => format!("the target is held by r{run}"),
            None => "the target is held".to_owned(),
        },
        Fact::TargetAcquired { target, .. } => target.clone(),
        Fact::EffectAnnounced { effect, .. } => format!("{effect} is about to be done"),
        Fact::EffectDone { effect, how, .. } => {
            format!("{effect}: {}", view::word(how).as_str().unwrap_or_default())
        }
        Fact::EffectFailed { effect, failure } => format!("{effect}: {}", failure.message),
        Fact::Slept { until, why } => format!("until {until}: {why}"),
        Fact::Woken {} | Fact::Unpaused {} => String::new(),
        Fact::Paused { reason }
        | Fact::CancelRequested { reason }
        | Fact::RollbackRequested { reason } => reason.clone(),
        Fact::RollbackCompleted { report } => format!("schema {}", report["schema"]),
        Fact::OperatorNeeded { failure, .. } => failure.message.clone(),
        Fact::OperatorResolved { effect, done, reason } => {
            let said = if *done { "done" } else { "not done" };
            format!("{effect} is {said}: {reason}")
        }
        Fact::Noted { topic, body } => {
            let body: serde_json::Value = reader.payload(body)?;
            match body["diff"].as_str() {
                Some(diff) => format!(
                    "{topic} since {}\n{}",
                    body["since"].as_str().unwrap_or("?"),
                    diff.trim_end()
                ),
                None => format!("{topic}{}", asked_text(topic, &body)),
            }
        }
        Fact::RunSealed { events } => format!("{events} events"),
        Fact::RunCompacted(compacted) => {
            format!("{} events keep their hash alone", compacted.pruned.len())
        }
    })
}

/// What passed between a run and its designer.
fn asked_text(topic: &str, body: &serde_json::Value) -> String {
    let text = |key: &str| body[key].as_str().unwrap_or_default();
    let number = |key: &str| body[key].as_u64().unwrap_or_default();
    match topic {
        "designer_asked" => {
            let model = body["model"].as_str().map(|model| format!(" the model {model}:"));
            let to = text("destination");
            format!("{} {} bytes to {to}", model.unwrap_or_default(), number("bytes"))
        }
        "designer_answered" => {
            let tokens = number("input_tokens") + number("output_tokens");
            let tokens = if tokens > 0 { format!(" {tokens} tokens") } else { String::new() };
            match body["refused"][1].as_str() {
                Some(why) => format!("{tokens}\nrefused: {why}"),
                None => tokens,
            }
        }
        "designer_unanswered" => format!(" {}", text("why")),
        _ => String::new(),
    }
}

fn judged_text(evaluation: &Evaluation, keep: bool) -> String {
    let word = if keep { "keep" } else { "roll back" };
    let p = &evaluation.probability;
    let headline = evidence::headline(&evaluation.evidence, p.posterior);
    let mut text = format!(": {word}\n{headline}\nprior {:.2} ({})", p.prior, p.prior_basis);
    for reason in &evaluation.reasons {
        text += &format!("\n{reason}");
    }
    text
}
