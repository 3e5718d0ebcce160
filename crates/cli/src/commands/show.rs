//! `kaizen show`: one run.

use super::{notices, shared};
use crate::{
    args::Show,
    context::Place,
    failure::{Failure, exit},
    output::Out,
    render,
    view::{self, Full},
};
use std::path::Path;

pub fn run(args: &Show, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let place = Place::find(dir)?;
    notices::overdue(&place, out);
    let reader = place.reader()?;
    // Retention may take artifacts between the run and its payloads.
    let _snapshot = reader.snapshot()?;
    let run = shared::find(&reader, &args.run)?;
    if let Some(word) = &args.phase {
        let phase = view::phase(word)?;
        let Some(payload) = run.outputs.get(&phase) else {
            let message = format!("{} has no output of {phase}", run.name());
            return Err(
                Failure::usage("no_output", message).next(format!("kaizen why {}", run.name()))
            );
        };
        let value: serde_json::Value = reader.payload(payload)?;
        out.answer(&value, || serde_json::to_string_pretty(&value).unwrap_or_default() + "\n");
        return Ok(exit::DONE);
    }
    let full = Full::read(&reader, run)?;
    out.answer(&full.view(), || render::run::full(&full, args.diff));
    Ok(exit::DONE)
}
