//! `kaizen serve`: stays, ships the trail as it grows, and goes on with runs whose time has come.

use super::shared;
use crate::{
    args::Serve,
    context::{self, Place},
    failure::{Failure, exit},
    output::Out,
    render, trail,
};
use kaizen_engine::{
    journal::{Due, due},
    shell::{
        Clock as _, Error, SystemClock,
        relay::{Limits, RelayError},
    },
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

/// How often plans are looked for whose time of being forced is over.
const FORCED_EVERY: Duration = Duration::from_secs(600);

/// The longest pause after a server that is away.
const LONGEST: Duration = Duration::from_secs(60);

pub async fn run(args: &Serve, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let place = Place::find(dir)?;
    // Made where it is missing: a service may be there before the first run.
    place.store()?;
    let connector = trail::connector()?;
    match &connector {
        Some(connector) => out.say(&format!("ships the trail to {}", connector.place())),
        None => out.say("no SQL Server is configured: the trail stays in the journal"),
    }
    out.say("goes on with runs whose time has come; stop it with Ctrl-C");
    let work = async { tokio::join!(relay(&place, args.every), wake(&place, args.every, out)) };
    tokio::select! {
        _ = work => {}
        () = stop() => {}
    }
    out.say("stopped; what is under way goes on with: kaizen resume --all");
    Ok(exit::DONE)
}

/// Ctrl-C, or what a service manager sends.
async fn stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}

async fn relay(place: &Place, every: Duration) {
    let mut pause = every;
    loop {
        match ship(place).await {
            Ok(()) => pause = every,
            Err(told) => {
                tracing::warn!(%told, "the trail has not got everything yet");
                pause = (pause * 2).min(LONGEST.max(every));
            }
        }
        tokio::time::sleep(pause).await;
    }
}

/// What stops the relay stops it alone: runs go on, and `provenance status` says why.
async fn ship(place: &Place) -> Result<(), String> {
    let say = |failure: Failure| failure.message;
    let Some(connector) = trail::connector().map_err(say)? else { return Ok(()) };
    let store = place.store().map_err(say)?;
    let mut relay = trail::relay(place, store, connector, trail::PATIENCE).map_err(say)?;
    match relay.ship(Limits::default()).await {
        Ok(shipped) => {
            if shipped.events > 0 {
                tracing::info!(events = shipped.events, seq = shipped.seq, "shipped");
            }
            Ok(())
        }
        Err(RelayError::Elsewhere) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

async fn wake(place: &Place, every: Duration, out: Out) {
    let mut looked: Option<Instant> = None;
    loop {
        // It reads the whole history: not at every turn.
        if looked.is_none_or(|at| at.elapsed() > FORCED_EVERY) {
            looked = Some(Instant::now());
            if let Err(failure) = shared::end_forcing(place).await {
                tracing::error!(message = failure.message, "forced plans were not looked at");
            }
        }
        for number in unfinished(place) {
            // One that cannot go on does not keep the others from it.
            if let Err(failure) = go_on(place, number, out).await {
                tracing::error!(run = number, message = failure.message, "it cannot go on");
            }
        }
        tokio::time::sleep(every).await;
    }
}

fn unfinished(place: &Place) -> Vec<i64> {
    let numbers = place.reader().and_then(|reader| Ok(reader.unfinished()?));
    numbers.unwrap_or_else(|failure| {
        tracing::error!(message = failure.message, "the journal cannot be read");
        Vec::new()
    })
}

async fn go_on(place: &Place, number: i64, out: Out) -> Result<(), Failure> {
    let reader = place.reader()?;
    let run = reader.run(number)?;
    let waits = matches!(due(&run, SystemClock.now()), Due::Person | Due::Sleep(_) | Due::End);
    if waits || reader.driver(number)?.is_some() {
        return Ok(());
    }
    let engine = shared::engine(place, &run, Out { json: true })?;
    match engine.resume(number, &context::os_user()).await {
        Ok(stop) => out.say(&render::run::title(&stop.run)),
        // Somebody else has it: that is as good.
        Err(Error::Driven { .. } | Error::Fenced { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
