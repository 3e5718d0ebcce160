//! The seven phases. Each is a type with a typed input and output; none knows the journal.
//!
//! What changes the outside world is not here but in [`crate::effects`]: a phase may be run again
//! after a crash.

pub mod analyze;
pub mod deploy;
pub mod design;
pub mod evaluate;
pub mod generate;
pub mod record_provenance;
pub mod update_weights;

mod asking;
pub mod command;
pub(crate) mod measuring;
mod past;
mod policy;
pub(crate) mod server;
mod vet;

use crate::project::Project;
use kaizen_engine::{
    error::Classified,
    step::{Context, Pipeline, StepError},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The pipeline for a project.
#[must_use]
pub fn pipeline(project: &Arc<Project>) -> Pipeline {
    Pipeline::new(
        analyze::Analyze { project: project.clone() },
        design::Design { project: project.clone() },
        generate::Generate { project: project.clone() },
        deploy::Deploy { project: project.clone() },
        evaluate::Evaluate { project: project.clone() },
        update_weights::UpdateWeights,
        record_provenance::RecordProvenance { project: project.clone() },
    )
}

/// Runs blocking work without holding up other runs.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, StepError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, StepError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(StepError::bug("panicked", format!("a step panicked: {error}"))),
    }
}

/// Waits for asynchronous work from within [`blocking`].
pub(crate) fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Handle::current().block_on(work)
}

/// An error of a room below, as the engine takes it.
pub(crate) fn step<E: Classified>(error: E) -> StepError {
    StepError::of(&error)
}

/// What is left of the run's budget of computing, at most `most`.
pub(crate) fn time_left(cx: &Context, most: Duration) -> Duration {
    cx.deadline.map_or(most, |end| end.saturating_duration_since(Instant::now()).min(most))
}

/// A seed that a replay of the same run uses again.
pub(crate) fn seed(cx: &Context) -> u64 {
    let bytes = cx.run.id.as_bytes();
    bytes[8..].iter().fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}
