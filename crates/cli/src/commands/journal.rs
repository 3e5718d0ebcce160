//! `kaizen journal`: looking after the journal itself.

use crate::{
    args::{Journal, JournalCommand},
    context::{self, Place},
    failure::{Failure, exit},
    output::Out,
    render::evidence::bytes,
};
use kaizen_engine::{
    journal::Timestamp,
    shell::{
        Clock as _, Reader, SystemClock,
        retention::{Runs, Taken, compact, vacuum},
        salvage::{Salvaged, salvage},
    },
    workflow::duration,
};
use serde::Serialize;
use std::{path::Path, time::Duration};

pub async fn run(args: &Journal, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let place = Place::find(dir)?;
    if !place.journal.exists() {
        let message = format!("there is no journal at {}", place.journal.display());
        return Err(Failure::usage("no_journal", message).next("kaizen doctor"));
    }
    match &args.what {
        JournalCommand::Salvage { to } => {
            let salvaged = salvage(&place.journal, to)?;
            out.answer(&salvaged, || told(&salvaged, &place.journal, to));
        }
        JournalCommand::Compact { older_than, dry_run: true, .. } => {
            would(&place, *older_than, out)?;
        }
        JournalCommand::Compact { older_than, vacuum, .. } => {
            take(&place, *older_than, *vacuum, out).await?;
        }
    }
    Ok(exit::DONE)
}

/// What ended before this is old enough.
fn ago(age: Duration) -> Timestamp {
    let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    Timestamp(SystemClock.now().0.saturating_sub(age).max(0))
}

#[derive(Serialize)]
struct Would {
    before: String,
    runs: Runs,
}

fn would(place: &Place, age: Duration, out: Out) -> Result<(), Failure> {
    let before = ago(age);
    let reader = place.reader()?;
    let runs: Runs = reader.compactable(before)?.into_iter().collect();
    let would = Would { before: before.to_string(), runs };
    let kept = waited_for(&reader)?;
    out.answer(&would, || match would.runs.count() {
        0 => none(before),
        _ => format!(
            "What ended before {before} would be compacted: {}\n\nNext:\n  {}\n",
            would.runs,
            command(age)
        ),
    });
    kept.iter().for_each(|kept| out.say(kept));
    Ok(())
}

/// Says for which trail runs stay, however old they are.
fn waited_for(reader: &Reader) -> Result<Option<String>, Failure> {
    let events = reader.events()?;
    let slowest = reader.deliveries()?.into_iter().min_by_key(|delivery| delivery.seq);
    Ok(slowest.filter(|slowest| slowest.seq < events).map(|slowest| {
        format!(
            "Runs stay whose events the trail at {} has not got: it has {} of {events} \
             (kaizen provenance status)",
            slowest.place, slowest.seq
        )
    }))
}

async fn take(place: &Place, age: Duration, give_back: bool, out: Out) -> Result<(), Failure> {
    let before = ago(age);
    let store = place.store()?;
    let kept = waited_for(&place.reader()?)?;
    let taken = compact(&store, before, &context::os_user()).await?;
    drop(store);
    // Told before anything else can go wrong: what was taken stays taken.
    out.answer(&taken, || took(&taken, before, age, give_back));
    kept.iter().for_each(|kept| out.say(kept));
    if give_back && !vacuum(&place.journal)? {
        out.say("a reader holds on to the old pages: the file shrinks once nobody has it open\n");
    }
    Ok(())
}

fn command(age: Duration) -> String {
    format!("kaizen journal compact --older-than {}", duration::format(age).replace(' ', ""))
}

fn none(before: Timestamp) -> String {
    format!("No run that is whole ended before {before}: there is nothing to take.\n")
}

fn took(taken: &Taken, before: Timestamp, age: Duration, gives_back: bool) -> String {
    let Taken { runs, events, event_bytes, artifacts, artifact_bytes, damaged, unswept } = taken;
    let mut text = match runs.count() {
        0 => none(before),
        _ => format!(
            "What ended before {before} was compacted: {runs}\n  \
             {events} events keep their hash alone ({} of bodies)\n",
            bytes(*event_bytes)
        ),
    };
    if *artifacts > 0 {
        let size = bytes(*artifact_bytes);
        text += &format!("  {artifacts} artifacts that nothing names any more are gone ({size})\n");
    }
    for (run, why) in damaged {
        text += &format!("  r{run} was left alone: {why}\n");
    }
    if let Some(why) = unswept {
        text += &format!("  no artifact went, since what cannot be read might name it: {why}\n");
    }
    if !gives_back && (runs.count() > 0 || *artifacts > 0) {
        text += &format!(
            "\nNew runs will use the room. To give it back to the disk, while nothing runs:\n  \
             {} --vacuum\n",
            command(age)
        );
    }
    text
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
    if salvaged.accounted > 0 {
        text += &format!(
            "{} runs were compacted, and the event that says so is lost: it is said anew\n",
            salvaged.accounted
        );
    }
    if salvaged.unaccounted > 0 {
        text += &format!(
            "{} runs were compacted, and the event that says so is lost: they cannot be shown\n",
            salvaged.unaccounted
        );
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
