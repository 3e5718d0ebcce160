//! What earlier runs left behind: outcomes to learn from, changes not to propose again, numbers
//! to compare with.

use super::step;
use crate::{
    evidence::Prior,
    models::{
        Features, MIDDLE, Predictor, Quality, QualityFeatures, QualityScorer, Shown, Weights,
        designer_name, score_of,
    },
    payload::{
        Analysis, Change, ChangeSet, Evaluation, Evidence, Kind, KindSuccess, Proposal,
        ProvenanceRecord,
    },
    sql::tsql,
    training::{self, Examples, Lesson, Name},
};
use kaizen_engine::{
    digest::Digest,
    journal::{Outcome, Phase, Run, Timestamp},
    shell::Reader,
    step::{Context, StepError},
};
use std::{collections::BTreeMap, time::Duration};

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
    /// Whether it was judged, and how: true for kept, and for what was taken back because its time
    /// was over.
    pub fn success(&self) -> Option<bool> {
        training::success(&self.record)
    }

    /// What it teaches.
    pub fn lesson(&self) -> Lesson {
        Lesson::of(self.run, self.record.clone())
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

/// Whether a kept change was taken back because its time was over: a plan that was to be forced until
/// then. It has not failed.
pub fn ended_in_time(run: &Run, change: &ChangeSet, now: Timestamp) -> bool {
    let reopened = run.revision > 1 && run.outcome == Some(Outcome::RolledBack);
    let until = tsql::forced(&change.statements_up).into_iter().map(|forcing| forcing.until).min();
    reopened && until.is_some_and(|until| until <= now)
}

/// What this run teaches, as it ends.
pub fn lesson(cx: &Context, change: &ChangeSet) -> Lesson {
    let kept = cx.run.outcome == Some(Outcome::Kept) || ended_in_time(&cx.run, change, cx.now);
    Lesson {
        run: cx.run.created.number,
        success: Some(kept),
        features: Some(change.features.clone()),
        quality: change.quality.as_ref().map(|quality| quality.features),
        ratings: ratings(&cx.run),
        shown: shown(cx),
    }
}

/// The earlier attempts that the designer was shown.
pub fn shown(cx: &Context) -> Vec<Shown> {
    let proposal = cx.output::<Proposal>().ok().flatten();
    proposal.map(|proposal| proposal.shown).unwrap_or_default()
}

/// What reviewers gave a run's change with their approval.
pub fn ratings(run: &Run) -> Vec<u8> {
    run.decisions.iter().filter_map(|(_, _, decision)| decision.rating).collect()
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
    let is_kept = |record: &ProvenanceRecord| record.outcome == Outcome::Kept.word();
    let kept = |one: &&Past| one.record.target == target && is_kept(&one.record);
    let Some(last) = past.iter().rfind(kept) else { return Ok(None) };
    // Retention may take the one or the other meanwhile.
    let _snapshot = reader.snapshot()?;
    let run = reader.run(last.run)?;
    let Some(payload) = run.outputs.get(&Phase::Evaluate) else { return Ok(None) };
    let evaluation: Evaluation = reader.payload(payload)?;
    let queries = evaluation.evidence.queries.into_iter();
    Ok(Some((run.name(), queries.map(|query| (query.name, query.after_ms)).collect())))
}

/// What the predictor in force expects of a change before it is measured.
pub fn prior(reader: &Reader, past: &[Past], features: &Features) -> Result<Prior, StepError> {
    let in_force: Option<Predictor> = training::in_force(reader, Name::Predictor).map_err(step)?;
    let judged = || Examples::of(past.iter().map(Past::lesson)).judged;
    let predictor = in_force.unwrap_or_else(|| Predictor::base_rate(&judged()));
    Ok(Prior::from(&predictor.predict(features)))
}

/// What reviewers would think of a change, by the scorer in force. Of the preflight it takes which checks
/// passed, and nothing that was measured.
pub fn quality(
    reader: &Reader,
    past: &[Past],
    change: &Change,
    preflight: &Evidence,
) -> Result<Option<Quality>, StepError> {
    let scorer: QualityScorer =
        training::in_force(reader, Name::Quality).map_err(step)?.unwrap_or_default();
    let past_score = score_of_designer(past, designer_name(&change.source));
    Ok(Some(scorer.score(QualityFeatures::of(change, &preflight.checks, past_score))))
}

/// Mean score of a designer's rated changes, 0 to 100; [`MIDDLE`] without any.
pub fn score_of_designer(past: &[Past], designer: &str) -> f64 {
    let theirs = past.iter().filter(|one| one.record.designer.as_deref() == Some(designer));
    let ratings: Vec<u8> = theirs.flat_map(|one| one.record.ratings.iter().copied()).collect();
    score_of(&ratings).unwrap_or(MIDDLE)
}

/// The weights in force.
pub fn weights(reader: &Reader) -> Result<Weights, StepError> {
    Ok(training::in_force(reader, Name::Weights).map_err(step)?.unwrap_or_default())
}
