//! `kaizen pending`: runs that wait for a decision.

use super::{notices, runs};
use crate::{
    args::Pending,
    context::Place,
    failure::{Failure, exit},
    output::Out,
    view::{self, Full},
};
use kaizen_engine::shell::reader::Filter;
use std::path::Path;

/// The status of those that are listed.
const WAITING: &str = "waiting_approval";

pub fn run(args: &Pending, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let place = Place::find(dir)?;
    notices::overdue(&place, out);
    let filter = Filter { status: Some(WAITING.to_owned()), workflow: None, limit: args.limit };
    let (waiting, all) = match place.reader() {
        Ok(reader) => (runs::list(&reader, &filter)?, reader.count(WAITING)?),
        Err(failure) if failure.code == "no_journal" => (Vec::new(), 0),
        Err(failure) => return Err(failure),
    };
    if all > waiting.len() as u64 && args.limit > 0 {
        let shown = waiting.len();
        anstream::eprintln!("{shown} of {all} that wait; all of them: kaizen pending --limit 0");
    }
    let views: Vec<_> = waiting.iter().map(Full::view).collect();
    out.answer(&views, || {
        if waiting.is_empty() {
            return "Nothing waits for a decision.\n".to_owned();
        }
        let mut text = runs::people(&waiting);
        text += "\nNext:\n";
        for full in &waiting {
            text += &format!("  kaizen show {} --diff\n", full.run.name());
            text += &view::next(&full.run).map(|next| format!("  {next}\n")).unwrap_or_default();
        }
        text
    });
    Ok(exit::DONE)
}
