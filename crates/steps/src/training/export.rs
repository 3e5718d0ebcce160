//! A stored version for other programs, and whether it can be used at all.

use super::{Error, Name, versions::read};
use crate::features::scoring_function;
use crate::models::{
    self, Model, Predictor, QUALITY_FEATURES, QualityScorer, Reranker, SHOWN_FEATURES, Weights,
};
use kaizen_engine::shell::{Reader, reader::ModelRow};

/// A version as ONNX, and the names of its input's columns.
///
/// # Errors
/// [`Error::NoModel`] for the weights; where the version cannot be read back or used.
pub fn onnx(reader: &Reader, name: Name, row: &ModelRow) -> Result<(Vec<u8>, Vec<String>), Error> {
    let (version, digest) = (row.version.to_string(), row.digest.to_string());
    let about = [("version", &*version), ("digest", &*digest), ("made", &*row.at)];
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Ok(match name {
        Name::Predictor => {
            let model: Predictor = read(reader, name, row)?;
            (model.to_onnx(&about)?, models::names())
        }
        Name::Quality => {
            let model: QualityScorer = read(reader, name, row)?;
            (model.to_onnx(&about)?, owned(&QUALITY_FEATURES))
        }
        Name::Reranker => {
            let model: Reranker = read(reader, name, row)?;
            (model.to_onnx(&about)?, owned(&SHOWN_FEATURES))
        }
        Name::Weights => return Err(Error::NoModel { name: name.as_str() }),
    })
}

/// A version as a function of T-SQL, `dbo.<name>`, that scores as Kaizen does; its parameters are the
/// features as [`models::encode`] makes them.
///
/// # Errors
/// [`Error::NoFunction`] where it is no logistic model; where it cannot be read back or used.
pub fn tsql(reader: &Reader, name: Name, row: &ModelRow) -> Result<String, Error> {
    let no_function = || Error::NoFunction { name: name.as_str(), version: row.version };
    if name != Name::Predictor {
        return Err(no_function());
    }
    match read::<Predictor>(reader, name, row)? {
        model if !model.is_sound() => Err(models::Error::Unsound.into()),
        Predictor::Logistic(model) => {
            let (features, intercept) = model.raw();
            scoring_function(name.as_str(), &features, intercept).map_err(|_| no_function())
        }
        Predictor::BaseRate { .. } => Err(no_function()),
    }
}

/// Whether a version can be read back and be used by this version of Kaizen.
///
/// # Errors
/// What stands in the way.
pub fn usable(reader: &Reader, name: Name, row: &ModelRow) -> Result<(), Error> {
    let sound = match name {
        Name::Predictor => read::<Predictor>(reader, name, row)?.is_sound(),
        Name::Quality => read::<QualityScorer>(reader, name, row)?.is_sound(),
        Name::Reranker => read::<Reranker>(reader, name, row)?.is_sound(),
        Name::Weights => read::<Weights>(reader, name, row).map(|_| true)?,
    };
    if sound { Ok(()) } else { Err(models::Error::Unsound.into()) }
}
