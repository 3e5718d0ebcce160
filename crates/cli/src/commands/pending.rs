//! `kaizen pending`: runs that wait for a decision.

use super::{notices, runs};
use crate::{
    context::Place,
    failure::{Failure, exit},
    output::Out,
    view::{self, Full},
};
use kaizen_engine::shell::reader::Filter;
use std::path::Path;

pub fn run(dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let place = Place::find(dir)?;
    notices::overdue(&place, out);
    let status = Some("waiting_approval".to_owned());
    let waiting = match place.reader() {
        Ok(reader) => runs::list(&reader, &Filter { status, ..Filter::default() })?,
        Err(failure) if failure.code == "no_journal" => Vec::new(),
        Err(failure) => return Err(failure),
    };
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
