//! A run that only learns: begun, filled and sealed in one transaction, so that there is nothing to
//! resume. It looks at no target and has no effects; its trail is that of any other run.
//!
//! Deliberately not here: what is learnt, and who may ask for it.

use super::{error::Error, transition::Tx};
use crate::{
    journal::{Command, Created, Facts, Payload, Phase, Run, event::ModelVersion},
    json::Json,
    step::payload,
};
use std::sync::Arc;
use uuid::Uuid;

/// What such a run leaves.
pub struct Learnt {
    /// The output of Update weights.
    pub output: Json,
    pub models: Vec<ModelVersion>,
    /// The models' bytes, and the texts that `created` names by digest.
    pub artifacts: Vec<Vec<u8>>,
}

impl Tx<'_> {
    /// Appends a whole run of `actor`'s that brings new versions of models, driven by `owner`.
    /// `created.number` is filled in here; `record` makes the history row of the run.
    ///
    /// # Errors
    /// Where the journal cannot be written.
    pub fn learn(
        &mut self,
        mut created: Created,
        (actor, owner): (&str, &str),
        learnt: &Learnt,
        record: impl FnOnce(&Run) -> Result<Json, serde_json::Error>,
    ) -> Result<Arc<Run>, Error> {
        created.number = self.next_number()?;
        let number = created.number;
        let run = self.create(Uuid::now_v7(), created, actor, owner)?;
        let (output, artifact) = payload(learnt.output.clone());
        let learn = Command::Learn { output, models: learnt.models.clone() };
        let record = Command::Complete {
            phase: Phase::RecordProvenance,
            attempt: 1,
            spent_ms: 0,
            // The history row is read from the event itself.
            output: Payload::Inline(record(&run)?),
            facts: Facts::Plain,
        };
        let artifacts: Vec<_> = learnt.artifacts.iter().cloned().chain(artifact).collect();
        self.transition(number, 1, owner, vec![learn, record], &artifacts)
    }
}
