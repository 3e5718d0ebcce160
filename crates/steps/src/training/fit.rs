//! New versions of the models, from everything that was judged so far.
//!
//! Deliberately not here: storing them (a phase or a command does, with what it was asked for).

use super::{
    Error, Name,
    lessons::Examples,
    versions::{active, asked, read},
};
use crate::{
    models::{Model, Predictor, QualityScorer, Reranker, promote},
    payload::Asked,
};
use kaizen_engine::{digest::Digest, journal::event::ModelVersion, shell::Reader};
use serde::{Serialize, de::DeserializeOwned};

/// A version that was fitted, not yet stored.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub name: Name,
    /// Its JSON.
    pub bytes: Vec<u8>,
    pub promoted: bool,
    /// Whether it says the same as the version in force.
    pub is_known: bool,
    /// For people: why it was or was not promoted.
    pub note: String,
}

impl Candidate {
    /// As an event names it.
    #[must_use]
    pub fn version(&self) -> ModelVersion {
        let (name, digest) = (self.name.as_str().to_owned(), Digest::of(&[&self.bytes]));
        ModelVersion { name, digest, promoted: self.promoted }
    }
}

/// Who wants a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// An outcome. It does not replace a version that a person has put back.
    Outcome,
    /// A person.
    Person,
}

/// Fits a model anew; `None` for the weights, which are no fit.
///
/// # Errors
/// Where the journal cannot be read, or the model not be fitted.
pub fn candidate(
    reader: &Reader,
    name: Name,
    examples: &Examples,
    by: By,
) -> Result<Option<Candidate>, Error> {
    match name {
        Name::Predictor => fitted::<Predictor>(reader, name, &examples.judged, by).map(Some),
        Name::Quality => fitted::<QualityScorer>(reader, name, &examples.rated, by).map(Some),
        Name::Reranker => fitted::<Reranker>(reader, name, &examples.shown, by).map(Some),
        Name::Weights => Ok(None),
    }
}

fn fitted<M: Model + Serialize + DeserializeOwned>(
    reader: &Reader,
    name: Name,
    examples: &[M::Example],
    by: By,
) -> Result<Candidate, Error> {
    let candidate = M::fit(examples)?;
    let in_force = active(reader, name)?;
    let current = match &in_force {
        Some(row) => read(reader, name, row)?,
        None => M::simplest(examples),
    };
    let promotion = promote(&current, &candidate, examples)?;
    let bytes = serde_json::to_vec(&candidate)
        .map_err(|source| Error::Unwritable { name: name.as_str(), source })?;
    let is_known = in_force.as_ref().is_some_and(|row| row.digest == Digest::of(&[&bytes]));
    let (mut promoted, mut note) = (promotion.promoted, promotion.reason);
    if let (By::Outcome, Some(row)) = (by, &in_force)
        && let Some(Asked::Restore { .. }) = asked(reader, row)?
    {
        promoted = false;
        note = format!(
            "version {} was put back by a person and stays in force until `kaizen models train`",
            row.version
        );
    }
    Ok(Candidate { name, bytes, promoted, is_known, note: format!("{}: {note}", name.as_str()) })
}
