//! `kaizen journal salvage`: gets the intact part out of a damaged journal.

use crate::{
    args::{Journal, JournalCommand},
    context::Place,
    failure::{Failure, exit},
    output::Out,
};
use kaizen_engine::shell::salvage::{Salvaged, salvage};
use std::path::Path;

pub fn run(args: &Journal, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let JournalCommand::Salvage { to } = &args.what;
    let place = Place::find(dir)?;
    if !place.journal.exists() {
        let message = format!("there is no journal at {}", place.journal.display());
        return Err(Failure::usage("no_journal", message).next("kaizen doctor"));
    }
    let salvaged = salvage(&place.journal, to)?;
    out.answer(&salvaged, || told(&salvaged, &place.journal, to));
    Ok(exit::DONE)
}

fn told(salvaged: &Salvaged, journal: &Path, to: &Path) -> String {
    let Salvaged { events, seen, runs, unfinished, artifacts, artifacts_missing, .. } = salvaged;
    let mut text = format!(
        "{events} of {seen} events that could be read, {runs} runs ({unfinished} of them not \
         ended) and {artifacts} artifacts are intact; they are in {}\n",
        to.display()
    );
    if *artifacts_missing > 0 {
        text += &format!("{artifacts_missing} artifacts that the events name are lost\n");
    }
    match &salvaged.stopped_at {
        Some(why) => text += &format!("the first thing that did not fit: {why}\n"),
        None => text += "every event fits\n",
    }
    let (journal, to) = (journal.display(), to.display());
    text += &format!(
        "\nThe damaged journal is as it was. To go on with the intact part, while nothing runs\n\
         (its log must go with it, or it would be taken for the new one's):\n  \
         mkdir damaged; mv {journal} {journal}-wal {journal}-shm damaged/; mv {to} {journal}\n  \
         kaizen audit verify   # before anything is resumed: git may know of later events\n"
    );
    text
}
