//! The versions that the journal holds, and which of them is in force.
//!
//! Deliberately not here: making new ones (`fit`).

use super::{Error, Name};
use crate::payload::{Asked, WeightsUpdate};
use kaizen_engine::{
    journal::{Event, Fact, Phase, Timestamp},
    shell::{Reader, reader::ModelRow},
};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// At most so many updates an hour: a loop gone wild must not teach itself.
pub const MOST_AN_HOUR: usize = 10;
const HOUR: Duration = Duration::from_secs(3_600);

/// Events of a run that are looked through for what was asked; a run that only learns has four.
const FIRST_EVENTS: u32 = 8;

/// The version in force: the last that was promoted.
///
/// # Errors
/// Where the journal cannot be read.
pub fn active(reader: &Reader, name: Name) -> Result<Option<ModelRow>, Error> {
    Ok(reader.models(name.as_str())?.into_iter().rfind(|version| version.promoted))
}

/// The version of that number, or the one in force.
///
/// # Errors
/// [`Error::NoVersion`], [`Error::NothingYet`], or where the journal cannot be read.
pub fn version(reader: &Reader, name: Name, number: Option<i64>) -> Result<ModelRow, Error> {
    let Some(number) = number else {
        return active(reader, name)?.ok_or(Error::NothingYet { name: name.as_str() });
    };
    let all = reader.models(name.as_str())?;
    let newest = all.last().map(|row| row.version);
    all.into_iter().find(|row| row.version == number).ok_or_else(|| Error::NoVersion {
        name: name.as_str(),
        version: number,
        there: newest.map_or_else(
            || "nothing has been learnt yet".to_owned(),
            |newest| format!("there are 1 to {newest}"),
        ),
    })
}

/// What a version's bytes say; they are checked against their digest.
///
/// # Errors
/// Where they are missing, were edited, or are of another shape.
pub fn read<T: DeserializeOwned>(reader: &Reader, name: Name, row: &ModelRow) -> Result<T, Error> {
    let bytes = reader.artifact(&row.digest)?;
    serde_json::from_slice(&bytes).map_err(|source| Error::Misshapen {
        name: name.as_str(),
        version: row.version,
        source,
    })
}

/// The model in force; `None` before the first.
///
/// # Errors
/// As [`read`].
pub fn in_force<T: DeserializeOwned>(reader: &Reader, name: Name) -> Result<Option<T>, Error> {
    active(reader, name)?.map(|row| read(reader, name, &row)).transpose()
}

/// What a person asked for that brought this version about; `None`: an outcome did.
///
/// # Errors
/// Where the journal cannot be read.
pub fn asked(reader: &Reader, row: &ModelRow) -> Result<Option<Asked>, Error> {
    for stored in reader.rows(Some(row.run), 0, FIRST_EVENTS)? {
        if stored.is_pruned() {
            continue;
        }
        let event = Event::decode(&stored.event).map_err(kaizen_engine::shell::Error::from)?;
        if let Fact::PhaseCompleted { phase: Phase::UpdateWeights, output, .. } = event.fact {
            return Ok(reader.payload::<WeightsUpdate>(&output)?.asked);
        }
    }
    Ok(None)
}

/// Versions within the hour before `now`.
///
/// # Errors
/// Where the journal cannot be read.
pub fn updates_last_hour(reader: &Reader, name: Name, now: Timestamp) -> Result<usize, Error> {
    let versions = reader.models(name.as_str())?;
    let recent = versions.iter().filter_map(|version| Timestamp::parse(&version.at));
    Ok(recent.filter(|at| now.since(*at) < HOUR).count())
}
