//! `kaizen resume`: goes on with a run, or with every run that can go on.

use super::{notices, shared};
use crate::{
    args::Resume,
    context::Place,
    failure::{Failure, exit},
    output::Out,
    view,
};
use kaizen_engine::{
    journal::{Command, Due, Refusal, Status, due},
    shell::{Clock, Error, SystemClock},
};
use std::path::Path;

pub async fn run(args: &Resume, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let place = Place::find(dir)?;
    if let Some(name) = &args.run {
        let run = shared::find(&place.reader()?, name)?;
        notices::overdue_but(&place, Some(run.created.number), out);
        if let Status::Finished { outcome } = run.status {
            let message =
                format!("{} has ended as {outcome}; there is nothing to resume", run.name());
            return Err(Failure::usage("already_finished", message)
                .next(format!("kaizen show {}", run.name())));
        }
        if let Status::Sleeping { .. } = run.status {
            // Whoever names a run wants it looked at now, whatever it waits for.
            let engine = shared::engine(&place, &run, out)?;
            let number = run.created.number;
            match engine.operate(number, &crate::context::os_user(), Command::Wake).await {
                Ok(_) | Err(Error::Refused(Refusal::Stale { .. })) => {}
                Err(error) => return Err(error.into()),
            }
        }
        return shared::drive(&place, &run, out).await;
    }
    all(&place, out).await
}

async fn all(place: &Place, out: Out) -> Result<u8, Failure> {
    shared::end_forcing(place).await?;
    let reader = place.reader()?;
    let mut views = Vec::new();
    let mut worst = exit::DONE;
    for number in reader.unfinished()? {
        let run = reader.run(number)?;
        let due = due(&run, SystemClock.now());
        if matches!(due, Due::Person | Due::Sleep(_) | Due::End) {
            continue;
        }
        let engine = shared::engine(place, &run, out)?;
        match engine.resume(number, &crate::context::os_user()).await {
            // Somebody else has it: that is as good.
            Err(Error::Driven { .. }) => {}
            Err(error) => return Err(error.into()),
            Ok(stop) => {
                worst = worst.max(match view::exit_code(&stop.run) {
                    exit::WAITS | exit::ROLLED_BACK | exit::REFUSED => exit::DONE,
                    other => other,
                });
                views.push(view::Full::read(&reader, stop.run)?);
            }
        }
    }
    let shown: Vec<_> = views.iter().map(view::Full::view).collect();
    out.answer(&shown, || {
        if views.is_empty() {
            return "Nothing can go on by itself.\n".to_owned();
        }
        views.iter().map(|full| crate::render::run::title(&full.run) + "\n").collect()
    });
    Ok(worst)
}
