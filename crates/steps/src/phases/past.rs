//! What earlier runs left behind: outcomes to learn from, changes not to propose again, numbers
//! to compare with.

use crate::{
    evidence::Prior,
    models::{Example, Features, Predictor, Weights},
    payload::{Analysis, Change, Evaluation, Kind, KindSuccess, ProvenanceRecord},
};
use kaizen_engine::{
    digest::Digest,
    journal::{Phase, Timestamp},
    shell::Reader,
    step::{Context, StepError},
};
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, time::Duration};

/// The predictor's name in the journal.
pub const PREDICTOR: &str = "ChangeSuccessPredictor";
/// The weights' name in the journal.
pub const WEIGHTS: &str = "Weights";

const MONTH: Duration = Duration::from_secs(30 * 24 * 3_600);

/// A kept run's name, and its median milliseconds by query.
pub type Baseline = (String, BTreeMap<String, f64>);

/// One earlier run that ended.
pub struct Past {
    pub run: i64,
    pub record: ProvenanceRecord,
}

/// Every run that has ended, oldest first, by its latest revision; not this one.
pub fn all(cx: &Context, reader: &Reader) -> Result<Vec<Past>, StepError> {
    let mut past = Vec::new();
    for row in reader.history()? {
        if row.run == cx.run.created.number {
            continue;
        }
        let record = row.record.read().map_err(|e| {
            StepError::bug("misshapen_history", format!("the history row of r{}: {e}", row.run))
        })?;
        past.push(Past { run: row.run, record });
    }
    Ok(past)
}

impl Past {
    /// Whether it was judged, and how: true for kept.
    pub fn success(&self) -> Option<bool> {
        match self.record.outcome.as_str() {
            "kept" => Some(true),
            "rolled_back" => Some(false),
            _ => None,
        }
    }

    /// What the predictor learns from it.
    pub fn example(&self) -> Option<Example> {
        let (features, success) = (self.record.features.clone()?, self.success()?);
        Some(Example { features, success, run: format!("r{}", self.run) })
    }
}

/// Digest of what a change does, whatever it is called.
pub fn content_of(change: &Change) -> Result<String, StepError> {
    let mut files = change.files.clone();
    files.retain(|path, _| !change.migrations.contains(path));
    content(&change.up, &files, &change.deleted)
}

/// The same of its parts. Case and blanks of a script say nothing.
pub fn content(
    up: &str,
    files: &BTreeMap<String, String>,
    deleted: &[String],
) -> Result<String, StepError> {
    let words: Vec<String> =
        up.split(|c: char| c.is_whitespace() || c == ';').map(str::to_lowercase).collect();
    let words: Vec<&String> = words.iter().filter(|word| !word.is_empty()).collect();
    let digest = Digest::of_json(&(words, files, deleted));
    digest.map(|digest| digest.to_string()).map_err(|e| StepError::bug("digest", e.to_string()))
}

/// Digest of what a designer would see: the schema or the files, the queries with their plans. Not the
/// size, which a change that was taken back leaves larger.
pub fn evidence(analysis: &Analysis) -> String {
    let mut parts: Vec<String> = match &analysis.command {
        Some(command) => vec![command.tree.clone()],
        None => vec![analysis.schema_digest.to_string()],
    };
    let mut queries: Vec<String> = analysis
        .queries
        .iter()
        .map(|query| format!("{} {} {} {:?}", query.name, query.weight, query.shape, query.plan))
        .collect();
    queries.sort();
    parts.extend(queries);
    Digest::of(&[parts.join("\n").as_bytes()]).to_string()
}

/// Kept and attempted changes of a kind, of all time.
pub fn rate_of_kind(past: &[Past], kind: Kind) -> f64 {
    let kind = kind.to_string();
    let of_kind = past.iter().filter(|one| one.record.change_type.as_ref() == Some(&kind));
    let judged: Vec<_> = of_kind.filter_map(Past::success).collect();
    if judged.is_empty() {
        return 0.5;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of runs")]
    let rate = judged.iter().filter(|kept| **kept).count() as f64 / judged.len() as f64;
    rate
}

/// Success by kind of change over the last 30 days, of kinds with 3 or more attempts.
pub fn success_by_kind(past: &[Past], now: Timestamp) -> Vec<KindSuccess> {
    let mut counts: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for one in past {
        let ended = Timestamp::parse(&one.record.completed_at);
        let recent = ended.is_some_and(|at| now.since(at) <= MONTH);
        if let (true, Some(kind), Some(kept)) = (recent, &one.record.change_type, one.success()) {
            let count = counts.entry(kind.clone()).or_default();
            count.0 += u32::from(kept);
            count.1 += 1;
        }
    }
    let enough = counts.into_iter().filter(|(_, (_, attempts))| *attempts >= 3);
    enough.map(|(kind, (kept, attempts))| KindSuccess { kind, kept, attempts }).collect()
}

/// Median milliseconds by query as the last kept change on this target left them.
pub fn baseline(
    reader: &Reader,
    past: &[Past],
    target: &str,
) -> Result<Option<Baseline>, StepError> {
    let kept = |one: &&Past| one.record.target == target && one.success() == Some(true);
    let Some(last) = past.iter().rfind(kept) else { return Ok(None) };
    // Retention may take the one or the other meanwhile.
    let _snapshot = reader.snapshot()?;
    let run = reader.run(last.run)?;
    let Some(payload) = run.outputs.get(&Phase::Evaluate) else { return Ok(None) };
    let evaluation: Evaluation = reader.payload(payload)?;
    let queries = evaluation.evidence.queries.into_iter();
    Ok(Some((run.name(), queries.map(|query| (query.name, query.after_ms)).collect())))
}

/// The predictor in force: the last version promoted, or the base rate of what has been seen.
pub fn predictor(reader: &Reader, examples: &[Example]) -> Result<Predictor, StepError> {
    Ok(active(reader, PREDICTOR)?.unwrap_or_else(|| Predictor::base_rate(examples)))
}

/// What the predictor in force expects of a change before it is measured.
pub fn prior(reader: &Reader, past: &[Past], features: &Features) -> Result<Prior, StepError> {
    let examples: Vec<Example> = past.iter().filter_map(Past::example).collect();
    Ok(Prior::from(&predictor(reader, &examples)?.predict(features)))
}

/// The weights in force.
pub fn weights(reader: &Reader) -> Result<Weights, StepError> {
    Ok(active(reader, WEIGHTS)?.unwrap_or_default())
}

fn active<T: DeserializeOwned>(reader: &Reader, name: &str) -> Result<Option<T>, StepError> {
    let promoted = reader.models(name)?.into_iter().rfind(|version| version.promoted);
    let Some(version) = promoted else { return Ok(None) };
    let bytes = reader.artifact(&version.digest)?;
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|e| StepError::bug("misshapen_model", format!("{name} {}: {e}", version.version)))
}
