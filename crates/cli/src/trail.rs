//! The trail in SQL Server as commands use it: from the environment, for a moment after whatever
//! was recorded, and before effects where policy says so.

use crate::{
    args::{Command, ModelsCommand},
    context::{self, Place},
    failure::Failure,
    output::Out,
    render::style::{WARN, paint},
};
use async_trait::async_trait;
use kaizen_engine::{
    error::{Class, Classified},
    shell::{
        Store,
        relay::{Acknowledge, Limits, Relay, RelayError},
    },
    step::StepError,
    workflow::Require,
};
use kaizen_steps::{
    adapters::mssql::{self, Connector, Session},
    project::Project,
    provenance::{About, SqlServer, VARIABLE},
};
use std::{
    path::Path,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// How long a command waits for a server that does not answer, once its own work is done.
const MOMENT: Duration = Duration::from_secs(1);

/// How long it ships to one that does.
const WHILE: Duration = Duration::from_secs(5);

/// How long a command that is about the trail itself keeps trying.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// When a run that waits for the trail looks again.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Set once by the demo: its sample project leaves no mark in a trail that cannot forget.
static APART: OnceLock<()> = OnceLock::new();

/// From here on this process knows of no trail.
pub fn stay_apart() {
    let _ = APART.set(());
}

/// Where the environment says that the trail is; `None`: nowhere.
pub fn connector() -> Result<Option<Connector>, Failure> {
    if APART.get().is_some() {
        return Ok(None);
    }
    Connector::from_env(VARIABLE).map_err(failure)
}

/// The same for a command that needs it.
pub fn needed() -> Result<Connector, Failure> {
    connector()?.ok_or_else(|| {
        let message = format!("no SQL Server is configured: {VARIABLE} is not set");
        Failure::usage("sqlserver_not_configured", message).next(format!(
            "export {VARIABLE}='Server=tcp:HOST,1433;Database=kaizen;User Id=LOGIN;Password=…'"
        ))
    })
}

/// A connection for a command that is about the trail itself.
pub async fn connect(connector: &Connector) -> Result<Session, Failure> {
    connector.session_within(PATIENCE).await.map_err(failure)
}

/// An error of the server's with the first step that mends it.
pub fn failure(error: mssql::Error) -> Failure {
    let mend = error.mend().into_iter().next();
    let failure = Failure::from(error);
    match mend {
        Some(mend) => failure.next(mend),
        None => failure,
    }
}

/// A relay of this project's journal.
pub fn relay(
    place: &Place,
    store: Store,
    connector: Connector,
    patience: Duration,
) -> Result<Relay<SqlServer>, Failure> {
    let about = About {
        host: context::host(),
        project: place.root.display().to_string(),
        kaizen: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let sink = SqlServer::new(connector, patience, place.reader()?, about);
    Ok(Relay::new(store, &place.journal, sink)?)
}

/// Whether a command may have recorded something.
pub const fn records(command: &Command) -> bool {
    match command {
        Command::Start(_)
        | Command::Analyze(_)
        | Command::Resume(_)
        | Command::Pause(_)
        | Command::Cancel(_)
        | Command::Rollback(_)
        | Command::Resolve(_)
        | Command::Approve(_)
        | Command::Reject(_)
        | Command::Journal(_) => true,
        Command::Models(models) => {
            matches!(models.what, ModelsCommand::Train { .. } | ModelsCommand::Rollback { .. })
        }
        // The demo is a project of its own, and what is not about a run records nothing.
        Command::Demo(_)
        | Command::Init(_)
        | Command::Runs(_)
        | Command::Show(_)
        | Command::Why(_)
        | Command::Pending(_)
        | Command::Audit(_)
        | Command::Serve(_)
        | Command::Provenance(_)
        | Command::Report(_)
        | Command::Sql(_)
        | Command::Doctor
        | Command::Completions(_)
        | Command::Man => false,
    }
}

/// Ships what was recorded, for a moment. Never fails: the journal has it, and says on stderr what
/// waits.
pub async fn ship_for_a_moment(dir: Option<&Path>, out: Out) {
    let told = match ship(dir).await {
        Ok(()) => return,
        Err(told) => told,
    };
    if out.json {
        tracing::warn!(%told, "the trail has not got everything yet");
    } else {
        anstream::eprintln!("{} {told}", paint(WARN, "trail:"));
    }
}

async fn ship(dir: Option<&Path>) -> Result<(), String> {
    let say = |failure: Failure| failure.message;
    let Some(connector) = connector().map_err(say)? else { return Ok(()) };
    let Ok(place) = Place::find(dir) else { return Ok(()) };
    if !place.journal.exists() {
        return Ok(());
    }
    let reader = place.reader().map_err(say)?;
    let (here, events) = (connector.place(), reader.events().unwrap_or(u64::MAX));
    let known = reader.deliveries().unwrap_or_default();
    if known.iter().any(|known| known.place == here && known.seq == events) {
        return Ok(());
    }
    let store = place.store().map_err(say)?;
    let connector = connector.with_timeout(MOMENT).with_answers_within(MOMENT);
    let mut relay = relay(&place, store, connector, MOMENT).map_err(say)?;
    let limits = Limits { deadline: Some(Instant::now() + WHILE), resend: false };
    // A server that stops answering in the middle does not hold up the command either.
    let shipped = tokio::time::timeout(WHILE + MOMENT, relay.ship(limits)).await;
    let waits = |why: &str| format!("{why}; see: kaizen provenance status");
    match shipped {
        Ok(Ok(shipped)) if shipped.lag == 0 => Ok(()),
        Ok(Ok(shipped)) => Err(waits(&format!("{} events wait to be shipped", shipped.lag))),
        // That one ships these events too.
        Ok(Err(RelayError::Elsewhere)) => Ok(()),
        Ok(Err(error)) => Err(waits(&error.to_string())),
        Err(_) => Err(waits("SQL Server does not answer in time")),
    }
}

/// What policy asks for before anything outside is done; `None`: nothing.
pub fn before_effects(
    place: &Place,
    project: &Project,
    store: &Store,
) -> Result<Option<Arc<dyn Acknowledge>>, Failure> {
    if project.policy.provenance.require == Require::Eventually {
        return Ok(None);
    }
    Ok(Some(match required() {
        Ok(connector) => {
            let relay = relay(place, store.clone(), connector, PATIENCE)?;
            Arc::new(BeforeEffects(Mutex::new(relay)))
        }
        // Undoing, and whatever does nothing outside, goes on without.
        Err(failure) => Arc::new(Nowhere(failure.message)),
    }))
}

/// The connection that policy asks for.
pub fn required() -> Result<Connector, Failure> {
    needed().map_err(|failure| {
        let told = failure.message;
        let message =
            format!("kaizen.toml has provenance.require = \"before_effects\", and {told}");
        Failure { message, ..failure }
    })
}

/// Policy asks for a trail, and there is none.
struct Nowhere(String);

#[async_trait]
impl Acknowledge for Nowhere {
    async fn caught_up(&self) -> Result<(), StepError> {
        let next = vec!["set KAIZEN_SQLSERVER, then: kaizen resume RUN".to_owned()];
        Err(StepError::operator("sqlserver_not_configured", self.0.clone()).looking_at(next))
    }
}

struct BeforeEffects(Mutex<Relay<SqlServer>>);

#[async_trait]
impl Acknowledge for BeforeEffects {
    async fn caught_up(&self) -> Result<(), StepError> {
        let told = |error: &dyn Classified| match error.class() {
            Class::Retry => StepError::retry(error.code(), error.to_string(), LOOK_AGAIN),
            Class::Operator | Class::Bug => {
                StepError::of(error).looking_at(vec!["kaizen provenance status".to_owned()])
            }
        };
        let shipped = self.0.lock().await.ship(Limits::default()).await;
        match shipped {
            Ok(shipped) if shipped.lag == 0 => Ok(()),
            // Others recorded more meanwhile; what this run needs was recorded before.
            Ok(_) => Ok(()),
            Err(error) => Err(told(&error)),
        }
    }
}
