//! `kaizen runs`: lists runs, newest first.

use super::notices;
use crate::{
    args::Runs,
    context::Place,
    failure::{Failure, exit},
    output::Out,
    render::{
        self,
        table::{Align, table},
    },
    view::Full,
};
use kaizen_engine::{
    journal::Outcome,
    shell::{Reader, reader::Filter},
};
use std::path::Path;

const STATUSES: [&str; 8] = [
    "queued",
    "running",
    "waiting_approval",
    "sleeping",
    "paused",
    "rolling_back",
    "needs_operator",
    "finished",
];

pub fn run(args: &Runs, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    if let Some(status) = &args.status {
        let mut known = STATUSES.iter().copied().chain(Outcome::ALL.iter().map(|o| o.word()));
        if !known.any(|word| word == status) {
            let words: Vec<_> =
                STATUSES.iter().copied().chain(Outcome::ALL.iter().map(|o| o.word())).collect();
            let message = format!("{status:?} is no status; known are {}", words.join(", "));
            return Err(Failure::usage("no_such_status", message).next("kaizen runs"));
        }
    }
    let place = Place::find(dir)?;
    notices::overdue(&place, out);
    let filter =
        Filter { status: args.status.clone(), workflow: args.workflow.clone(), limit: args.limit };
    let runs = match place.reader() {
        Ok(reader) => list(&reader, &filter)?,
        Err(failure) if failure.code == "no_journal" => Vec::new(),
        Err(failure) => return Err(failure),
    };
    let views: Vec<_> = runs.iter().map(Full::view).collect();
    out.answer(&views, || people(&runs));
    Ok(exit::DONE)
}

/// The runs that match, with their payloads.
pub fn list(reader: &Reader, filter: &Filter) -> Result<Vec<Full>, Failure> {
    // Retention may take artifacts between the run and its payloads.
    let _snapshot = reader.snapshot()?;
    let numbers = reader.list(filter)?;
    numbers.into_iter().map(|number| Full::read(reader, reader.run(number)?)).collect()
}

/// A table of runs.
pub fn people(runs: &[Full]) -> String {
    if runs.is_empty() {
        return "No runs.\n".to_owned();
    }
    let head = [
        ("run", Align::Left),
        ("state", Align::Left),
        ("change", Align::Left),
        ("measured", Align::Right),
        ("started", Align::Left),
    ];
    let row = |full: &Full| {
        let (_, state) = render::run::state(&full.run);
        let short: String = full.title().unwrap_or("-").chars().take(60).collect();
        vec![
            full.run.name(),
            state,
            short,
            full.measured().map_or_else(|| "-".to_owned(), render::evidence::better),
            full.run.created_at.to_string().chars().take(19).collect::<String>().replace('T', " "),
        ]
    };
    table(&head, &runs.iter().map(row).collect::<Vec<_>>())
}
