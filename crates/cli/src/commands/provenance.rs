//! `kaizen provenance`: how far the trail in SQL Server has come, and shipping the rest.

use crate::{
    args::{Provenance, ProvenanceCommand},
    context::Place,
    failure::{Failure, exit},
    output::Out,
    render::style::{BAD, GOOD, WARN, paint},
    trail,
};
use kaizen_engine::{
    journal::{Event, Timestamp},
    shell::{
        Clock as _, Error, Reader, SystemClock,
        relay::{Delivery, Limits, RelayError, SinkError},
    },
    workflow::duration,
};
use kaizen_steps::{
    project::Project,
    provenance::{self, Installed, read::HeldJournal},
};
use serde::Serialize;
use std::{
    path::Path,
    time::{Duration, Instant},
};

pub async fn run(args: &Provenance, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let place = Place::find(dir)?;
    match args.what {
        ProvenanceCommand::Status => status(&place, out).await,
        ProvenanceCommand::Sync { resend } => sync(&place, resend, out).await,
    }
}

#[derive(Serialize)]
struct Status {
    configured: bool,
    /// Where, without secrets.
    place: Option<String>,
    require: &'static str,
    /// Null where nothing is configured, or the server does not answer.
    trail: Option<String>,
    /// Why the server cannot be used now.
    error: Option<String>,
    events: u64,
    trails: Vec<TrailStatus>,
}

#[derive(Serialize)]
struct TrailStatus {
    trail: String,
    place: String,
    /// Whether it is the one configured.
    current: bool,
    acknowledged: u64,
    /// Events that wait.
    lag: u64,
    /// When the oldest of them happened.
    waiting_since: Option<String>,
    at: String,
    /// Why it goes no further until somebody mends that.
    stopped: Option<String>,
}

async fn status(place: &Place, out: Out) -> Result<u8, Failure> {
    let reader = place.reader()?;
    let (policy, _) = Project::policy(&place.root)?;
    let connector = trail::connector()?;
    let (mut trail, mut error) = (None, None);
    if let Some(connector) = &connector {
        match look(connector, &reader).await {
            Ok(found) => trail = found,
            Err(failure) => error = Some(failure.message),
        }
    }
    let here = connector.as_ref().map(trail_place);
    let events = reader.events()?;
    let mut trails = Vec::new();
    for delivery in reader.deliveries()? {
        let current = match &trail {
            Some(trail) => *trail == delivery.trail,
            None => here.as_ref() == Some(&delivery.place),
        };
        trails.push(of(&reader, delivery, events, current)?);
    }
    let status = Status {
        configured: connector.is_some(),
        place: here,
        require: match policy.provenance.require {
            kaizen_engine::workflow::Require::Eventually => "eventually",
            kaizen_engine::workflow::Require::BeforeEffects => "before_effects",
        },
        trail,
        error,
        events,
        trails,
    };
    let stopped = status.trails.iter().any(|trail| trail.current && trail.stopped.is_some());
    out.answer(&status, || people(&status));
    Ok(if stopped { exit::FAILED } else { exit::DONE })
}

fn trail_place(connector: &kaizen_steps::adapters::mssql::Connector) -> String {
    connector.place()
}

/// Which trail answers.
async fn look(
    connector: &kaizen_steps::adapters::mssql::Connector,
    reader: &Reader,
) -> Result<Option<String>, Failure> {
    let mut session = connector.session().await.map_err(trail::failure)?;
    let installed = provenance::installed(&mut session).await.map_err(trail::failure)?;
    if installed == Installed::Nothing {
        return Err(Failure::usage("sqlserver_no_trail", "it has no trail of Kaizen yet"));
    }
    let mut held = HeldJournal::new(&mut session, reader.journal_id()?);
    held.trail().await.map_err(trail::failure)
}

fn of(
    reader: &Reader,
    delivery: Delivery,
    events: u64,
    current: bool,
) -> Result<TrailStatus, Failure> {
    let oldest = reader.rows(None, delivery.seq, 1)?.into_iter().next();
    let oldest = oldest.filter(|row| !row.is_pruned());
    let since = oldest.map(|row| Event::decode(&row.event).map_err(Error::from)).transpose()?;
    Ok(TrailStatus {
        trail: delivery.trail,
        place: delivery.place,
        current,
        acknowledged: delivery.seq,
        lag: events.saturating_sub(delivery.seq),
        waiting_since: since.map(|event| event.at.to_string()),
        at: delivery.at.to_string(),
        stopped: delivery.stopped,
    })
}

fn people(status: &Status) -> String {
    let Some(place) = &status.place else {
        return format!(
            "No SQL Server is configured: the trail is in the journal alone ({} events).\n\nNext:\n  \
             {}\n",
            status.events,
            trail::needed().err().and_then(|failure| failure.next).unwrap_or_default()
        );
    };
    let mut text = match &status.error {
        Some(error) => format!("{place}  {}\n  {error}\n", paint(WARN, "away")),
        None => format!("{place}  {}\n", paint(GOOD, "answers")),
    };
    text += &format!(
        "  require    {}\n  events     {} in the journal\n",
        status.require, status.events
    );
    for trail in &status.trails {
        let name = if trail.current { "trail" } else { "other" };
        text += &format!("  {name}      {} at {}\n", trail.trail, trail.place);
        text += &format!(
            "    acknowledged {} of {} events, at {}\n",
            trail.acknowledged, status.events, trail.at
        );
        if trail.lag > 0 {
            let since = trail.waiting_since.as_deref().and_then(Timestamp::parse);
            let age = since.map(|since| SystemClock.now().since(since));
            let age = age.map(|age| format!(", the oldest for {}", duration::format(whole(age))));
            text += &format!("    waiting      {} events{}\n", trail.lag, age.unwrap_or_default());
        }
        if let Some(stopped) = &trail.stopped {
            text += &format!("    {} {stopped}\n", paint(BAD, "stopped:"));
        }
    }
    if status.trails.is_empty() {
        text += "  nothing has been shipped yet\n";
    }
    if status.trails.iter().all(|trail| trail.lag > 0) {
        text += "\nNext:\n  kaizen provenance sync\n";
    }
    text
}

/// Whole seconds.
fn whole(age: Duration) -> Duration {
    Duration::from_secs(age.as_secs())
}

#[derive(Serialize)]
struct Synced {
    trail: String,
    shipped: u64,
    acknowledged: u64,
    lag: u64,
    seconds: f64,
}

async fn sync(place: &Place, resend: bool, out: Out) -> Result<u8, Failure> {
    // The one that is missing is told of before the other.
    place.reader()?;
    let connector = trail::needed()?;
    let mut relay = trail::relay(place, place.store()?, connector, trail::PATIENCE)?;
    let began = Instant::now();
    let shipped = relay.ship(Limits { deadline: None, resend }).await.map_err(stopped)?;
    let synced = Synced {
        trail: shipped.trail,
        shipped: shipped.events,
        acknowledged: shipped.seq,
        lag: shipped.lag,
        seconds: began.elapsed().as_secs_f64(),
    };
    out.answer(&synced, || match synced.shipped {
        0 => format!("The trail has all {} events.\n", synced.acknowledged),
        count => format!(
            "{count} events shipped in {:.1} s; the trail has all {} of them.\n",
            synced.seconds, synced.acknowledged
        ),
    });
    Ok(exit::DONE)
}

/// What is wrong with the trail is a difference, like one that an audit finds.
fn stopped(error: RelayError) -> Failure {
    let is_difference = matches!(
        error,
        RelayError::Sink(
            SinkError::Forged { .. }
                | SinkError::Cut { .. }
                | SinkError::Replaced { .. }
                | SinkError::Ahead { .. }
        )
    );
    let failure = Failure::from(error);
    if is_difference { Failure { exit: exit::DIFFERENCE, ..failure } } else { failure }
}
