//! `kaizen models`: what is learnt from outcomes, in versions, and as files for other programs.

mod change;

pub use change::{Restored, Trained};

use super::shared;
use crate::{
    args::{Models, ModelsCommand},
    context::Place,
    failure::{Failure, exit},
    output::Out,
    render::models as render,
};
use change::{restore, train};
use kaizen_engine::shell::Reader;
use kaizen_steps::{
    payload::Asked,
    training::{self, Description, Examples, Figures, Name, describe, figures},
};
use serde::Serialize;
use std::path::Path;

pub async fn run(args: &Models, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let place = Place::find(dir)?;
    let reader = place.reader()?;
    match &args.what {
        ModelsCommand::List => list(&reader, out)?,
        ModelsCommand::Show { name, version } => show(&reader, named(name)?, *version, out)?,
        ModelsCommand::Train { name, dry_run } => {
            let only = name.as_deref().map(named).transpose()?;
            train(&place, &reader, only, *dry_run, out).await?;
        }
        ModelsCommand::Rollback { name, to, reason } => {
            let example = format!("kaizen models rollback {name} --to {to}");
            let reason = shared::reason(reason.as_deref(), &example)?;
            restore(&place, &reader, named(name)?, *to, &reason, out).await?;
        }
        ModelsCommand::Export { name, version, to } => {
            export(&reader, named(name)?, *version, to, out)?;
        }
    }
    Ok(exit::DONE)
}

fn named(name: &str) -> Result<Name, Failure> {
    Ok(Name::parse(name)?)
}

/// An error about a model, with the model's name in the next command.
fn about(name: Name) -> impl Fn(training::Error) -> Failure {
    move |error| Failure::from(error).fill("NAME", name.as_str())
}

/// One thing that is learnt.
#[derive(Serialize)]
pub struct Listed {
    pub name: &'static str,
    pub method: &'static str,
    /// The version in force; null before the first.
    pub version: Option<i64>,
    pub versions: usize,
    pub rows: Option<usize>,
    pub at: Option<String>,
    pub basis: String,
}

fn list(reader: &Reader, out: Out) -> Result<(), Failure> {
    let examples = Examples::of(training::lessons(reader)?);
    let mut all = Vec::new();
    for name in Name::ALL {
        let row = training::active(reader, name)?;
        let Description { method, rows, basis, .. } =
            describe(reader, name, row.as_ref(), &examples)?;
        all.push(Listed {
            name: name.as_str(),
            method,
            version: row.as_ref().map(|row| row.version),
            versions: reader.models(name.as_str())?.len(),
            rows,
            at: row.map(|row| row.at),
            basis,
        });
    }
    out.answer(&all, || render::list(&all));
    Ok(())
}

/// One version.
#[derive(Serialize)]
pub struct Version {
    pub version: i64,
    pub at: String,
    /// The run that brought it: `r12`.
    pub run: String,
    pub promoted: bool,
    pub in_force: bool,
    pub digest: String,
    /// What a person asked for; null: an outcome taught it.
    pub asked: Option<Asked>,
}

/// A model with its figures and versions.
#[derive(Serialize)]
pub struct Shown {
    pub name: &'static str,
    /// The version that is shown; null before the first.
    pub version: Option<i64>,
    #[serde(flatten)]
    pub description: Description,
    /// Null for the weights.
    pub figures: Option<Figures>,
    pub versions: Vec<Version>,
}

fn show(reader: &Reader, name: Name, version: Option<i64>, out: Out) -> Result<(), Failure> {
    let examples = Examples::of(training::lessons(reader)?);
    let in_force = training::active(reader, name)?;
    let row = match version {
        Some(_) => Some(training::version(reader, name, version).map_err(about(name))?),
        None => in_force.clone(),
    };
    let mut versions = Vec::new();
    for one in reader.models(name.as_str())? {
        versions.push(Version {
            version: one.version,
            run: format!("r{}", one.run),
            promoted: one.promoted,
            in_force: in_force.as_ref().is_some_and(|row| row.version == one.version),
            digest: one.digest.to_string(),
            asked: training::asked(reader, &one)?,
            at: one.at,
        });
    }
    let shown = Shown {
        name: name.as_str(),
        version: row.as_ref().map(|row| row.version),
        description: describe(reader, name, row.as_ref(), &examples)?,
        figures: figures(reader, name, row.as_ref(), &examples)?,
        versions,
    };
    out.answer(&shown, || render::show(&shown));
    Ok(())
}

/// What was written.
#[derive(Serialize)]
pub struct Exported {
    pub name: &'static str,
    pub version: i64,
    pub file: String,
    pub bytes: usize,
    /// Columns of the input, in order.
    pub features: Vec<String>,
}

fn export(
    reader: &Reader,
    name: Name,
    version: Option<i64>,
    to: &Path,
    out: Out,
) -> Result<(), Failure> {
    let row = training::version(reader, name, version).map_err(about(name))?;
    let (bytes, features) = if to.extension().is_some_and(|ending| ending == "sql") {
        let function = training::tsql(reader, name, &row).map_err(about(name))?;
        (function.into_bytes(), kaizen_steps::models::names())
    } else {
        training::onnx(reader, name, &row).map_err(about(name))?
    };
    std::fs::write(to, &bytes).map_err(|e| {
        Failure::usage("export_unwritable", format!("{}: {e}", to.display()))
            .next(format!("kaizen models export {} --to FILE.onnx", name.as_str()))
    })?;
    let exported = Exported {
        name: name.as_str(),
        version: row.version,
        file: to.display().to_string(),
        bytes: bytes.len(),
        features,
    };
    out.answer(&exported, || render::exported(&exported));
    Ok(())
}
