//! Fitting models anew and going back to an earlier version: runs of their own in the trail.

use super::about;
use crate::{
    context::{self, Place},
    failure::Failure,
    output::Out,
    render::models as render,
};
use kaizen_engine::{
    digest::Digest,
    journal::{ApprovalPolicy, Created, Run, event::ModelVersion},
    json::Json,
    shell::{Clock as _, Learnt, Reader, SystemClock},
};
use kaizen_steps::{
    payload::{Asked, ProvenanceRecord, WeightsUpdate},
    project::Project,
    training::{self, By, Candidate, Examples, MOST_AN_HOUR, Name},
};
use serde::Serialize;
use std::sync::Arc;

/// What stands in place of a workflow's definition.
const NO_WORKFLOW: &[u8] = b"# No workflow: asked for with `kaizen models`.\n";

/// What fitting anew came to.
#[derive(Serialize)]
pub struct Trained {
    /// The run in the trail; null: nothing was stored.
    pub run: Option<String>,
    pub models: Vec<TrainedModel>,
}

#[derive(Serialize)]
pub struct TrainedModel {
    pub name: &'static str,
    pub promoted: bool,
    /// Whether it is what is in force already: nothing new to store.
    pub known: bool,
    pub note: String,
}

pub async fn train(
    place: &Place,
    reader: &Reader,
    only: Option<Name>,
    dry_run: bool,
    out: Out,
) -> Result<(), Failure> {
    let names = only.map_or(Name::FITTED.to_vec(), |name| vec![name]);
    let examples = Examples::of(training::lessons(reader)?);
    let mut candidates = Vec::new();
    for name in names {
        let fitted = training::candidate(reader, name, &examples, By::Person)?;
        let no_fit = || about(name)(training::Error::NoModel { name: name.as_str() });
        candidates.push(fitted.ok_or_else(no_fit)?);
    }
    let new: Vec<&Candidate> = candidates.iter().filter(|candidate| !candidate.is_known).collect();
    let run = match new.is_empty() || dry_run {
        true => None,
        false => Some(keep(place, reader, &new).await?),
    };
    let trained = Trained {
        run: run.map(|run| run.name()),
        models: candidates
            .iter()
            .map(|one| TrainedModel {
                name: one.name.as_str(),
                promoted: one.promoted,
                known: one.is_known,
                note: one.note.clone(),
            })
            .collect(),
    };
    out.answer(&trained, || render::trained(&trained, dry_run));
    Ok(())
}

/// Stores what was fitted.
async fn keep(place: &Place, reader: &Reader, new: &[&Candidate]) -> Result<Arc<Run>, Failure> {
    for candidate in new {
        let recent = training::updates_last_hour(reader, candidate.name, SystemClock.now())?;
        if recent >= MOST_AN_HOUR {
            let name = candidate.name.as_str();
            return Err(about(candidate.name)(training::Error::TooOften {
                name,
                most: MOST_AN_HOUR,
            }));
        }
    }
    let names: Vec<_> = new.iter().map(|candidate| candidate.name.as_str()).collect();
    let update = WeightsUpdate {
        models: new.iter().map(|candidate| candidate.version()).collect(),
        notes: new.iter().map(|candidate| candidate.note.clone()).collect(),
        asked: Some(Asked::Train),
        ..WeightsUpdate::default()
    };
    let bytes = new.iter().map(|candidate| candidate.bytes.clone()).collect();
    learn(place, update, bytes, format!("fit {} anew", names.join(", "))).await
}

/// What going back came to.
#[derive(Serialize)]
pub struct Restored {
    pub name: &'static str,
    /// The new version, which says what `restored` says.
    pub version: i64,
    pub restored: i64,
    pub run: String,
}

pub async fn restore(
    place: &Place,
    reader: &Reader,
    name: Name,
    to: i64,
    reason: &str,
    out: Out,
) -> Result<(), Failure> {
    let row = training::version(reader, name, Some(to)).map_err(about(name))?;
    let in_force = training::active(reader, name)?;
    if in_force.as_ref().is_some_and(|now| now.version == to || now.digest == row.digest) {
        let version = in_force.map_or(to, |now| now.version);
        return Err(about(name)(training::Error::InForce { name: name.as_str(), version }));
    }
    training::usable(reader, name, &row).map_err(about(name))?;
    let version = ModelVersion { name: row.name.clone(), digest: row.digest, promoted: true };
    let note = format!("{}: version {to} put back: {reason}", name.as_str());
    let asked = Asked::Restore { name: row.name.clone(), version: to, reason: reason.to_owned() };
    let update = WeightsUpdate {
        models: vec![version],
        notes: vec![note.clone()],
        asked: Some(asked),
        ..WeightsUpdate::default()
    };
    let run = learn(place, update, Vec::new(), note).await?;
    let now = training::active(&place.reader()?, name)?;
    let restored = Restored {
        name: name.as_str(),
        version: now.map_or(0, |row| row.version),
        restored: to,
        run: run.name(),
    };
    out.answer(&restored, || render::restored(&restored, name == Name::Weights));
    Ok(())
}

/// Appends a run that only learns.
async fn learn(
    place: &Place,
    update: WeightsUpdate,
    models: Vec<Vec<u8>>,
    title: String,
) -> Result<Arc<Run>, Failure> {
    let (_, policy) = Project::policy(&place.root)?;
    let actor = context::os_user();
    let created = Created {
        // Filled in where it is stored.
        number: 0,
        workflow: "models".to_owned(),
        workflow_path: String::new(),
        definition: Digest::of(&[NO_WORKFLOW]),
        policy: Digest::of(&[policy.as_bytes()]),
        engine: kaizen_engine::BEHAVIOUR,
        kaizen: env!("CARGO_PKG_VERSION").to_owned(),
        dry_run: false,
        target: "models".to_owned(),
        from_run: None,
        change: None,
        export: None,
        designer: None,
        started_by: actor.clone(),
        approval: ApprovalPolicy::default(),
        pre_approved: None,
        budget_ms: 0,
        max_attempts: 1,
    };
    let texts = [NO_WORKFLOW.to_vec(), policy.into_bytes()];
    let learnt = Learnt {
        output: Json::of(&update).map_err(kaizen_engine::shell::Error::from)?,
        models: update.models,
        artifacts: models.into_iter().chain(texts).collect(),
    };
    let store = place.store()?;
    let me = store.me().to_owned();
    let write = store.write(move |tx| {
        let record = |run: &Run| Json::of(&ProvenanceRecord::of_learning(run, title));
        tx.learn(created, (&actor, &me), &learnt, record)
    });
    Ok(write.await?)
}
