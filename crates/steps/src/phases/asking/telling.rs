//! What a designer is told.

use super::{
    super::{analyze::snapshot, past, step, vet},
    Asking, Designer, Dialogue, json,
};
use crate::{
    adapters::git,
    attempts,
    attempts::Attempt,
    designers::brief::{self, Brief},
    models::{Reranker, Shown, ShownFeatures, ShownOutcome},
    payload::Analysis,
    project::Project,
    sql::{looks_like_secret, strip_literals},
    targets::sqlite::database::Database,
    training::{self, Name},
};
use kaizen_engine::{journal::Timestamp, step::StepError, workflow::Target};
use std::collections::BTreeMap;

/// Earlier attempts that are told of.
const ATTEMPTS: usize = 5;
/// Those that are found first, of which the reranker chooses.
const FOUND: usize = 20;
/// Bytes of files that a model is shown, all together.
const FILES_CAP: usize = 48 << 10;

impl Asking<'_> {
    /// Everything that the designer is told next.
    pub(super) fn brief(
        &self,
        designer: &Designer,
        dialogue: &Dialogue,
    ) -> Result<(Brief, Vec<Shown>), StepError> {
        let Asking { project, cx, reader, analysis } = self;
        let definition = &project.definition;
        let schema = match &definition.target {
            Target::Sqlite { .. } => {
                let database = Database::open(&snapshot(project, cx)?).map_err(step)?;
                let objects = database.schema().map_err(step)?.into_iter();
                objects
                    .map(|object| strip_literals(&object.sql))
                    .filter(|sql| !sql.is_empty())
                    .collect()
            }
            Target::Sqlserver { .. } | Target::Command { .. } => Vec::new(),
        };
        let (files, other_files) = match (&definition.target, designer) {
            (Target::Command { .. }, Designer::Model) => shown(project)?,
            _ => (BTreeMap::new(), Vec::new()),
        };
        let history: Vec<_> =
            past::all(cx, reader)?.into_iter().map(|one| (one.run, one.record)).collect();
        let here: Vec<_> = history
            .iter()
            .filter(|(_, record)| record.target == cx.run.created.target)
            .cloned()
            .collect();
        let target = Some(cx.run.created.target.as_str());
        let words = words(analysis);
        let search = |history: &[_], words: &str| {
            attempts::search(history, words, target, FOUND)
                .map_err(|e| StepError::bug("search", e.to_string()))
        };
        let mut found = search(&history, &words)?;
        if found.is_empty() {
            // Where the words find nothing, what was tried last here is better than nothing.
            found = search(&here, "")?;
        }
        let (past_attempts, shown) = self.ranked(found, &words, designer)?;
        let task = match &definition.target {
            Target::Sqlite { .. } => format!("{} It is SQLite.", brief::DATABASE),
            Target::Sqlserver { .. } => format!("{} It is SQL Server.", brief::DATABASE),
            Target::Command { .. } => brief::REPOSITORY.to_owned(),
        };
        let brief = Brief {
            version: 1,
            task,
            analysis: json(analysis)?,
            schema,
            files,
            other_files,
            allowed_paths: definition.generate.paths.clone(),
            max_change_kb: definition.generate.max_change_kb,
            budget_s: definition.design.budget.as_secs(),
            min_improvement_pct: definition.evaluate.min_improvement_pct,
            past_attempts,
            refused: dialogue.refusals().into_iter().map(|(_, why)| why.clone()).collect(),
            answer_schema: Brief::schema_of_answers(),
        };
        Ok((brief, shown))
    }

    /// The attempts that are worth showing most, by the reranker in force, with what it knew of each.
    fn ranked(
        &self,
        found: Vec<Attempt>,
        words: &str,
        designer: &Designer,
    ) -> Result<(Vec<Attempt>, Vec<Shown>), StepError> {
        let reranker: Option<Reranker> =
            training::in_force(self.reader, Name::Reranker).map_err(step)?;
        let words = words.to_lowercase();
        let me = match designer {
            Designer::Model => "model",
            Designer::Agent(_) | Designer::Replay(_) => "agent",
        };
        let features = |attempt: &Attempt| {
            let named =
                attempt.tables.iter().filter(|table| words.contains(table.as_str())).count();
            let ended = Timestamp::parse(&attempt.ended_at).unwrap_or(self.cx.now);
            #[expect(clippy::cast_precision_loss, reason = "tables are few")]
            let same_tables = named as f64 / attempt.tables.len().max(1) as f64;
            ShownFeatures {
                lexical: attempt.fit,
                same_tables,
                // What will be proposed is not known yet.
                same_kind: false,
                same_designer: attempt.designer.as_deref() == Some(me),
                outcome: match attempt.outcome.as_str() {
                    "kept" => ShownOutcome::Kept,
                    "rolled_back" => ShownOutcome::RolledBack,
                    _ => ShownOutcome::Other,
                },
                age_days: self.cx.now.since(ended).as_secs_f64() / 86_400.0,
            }
        };
        let known: Vec<ShownFeatures> = found.iter().map(features).collect();
        let order = reranker.unwrap_or_default().order(&known);
        let chosen = order.into_iter().take(ATTEMPTS);
        Ok(chosen
            .map(|at| {
                let (attempt, features) = (found[at].clone(), known[at]);
                let shown = Shown { run: attempt.run.clone(), features, drew_on: false };
                (attempt, shown)
            })
            .unzip())
    }
}

/// What the analysis is about, for the search.
fn words(analysis: &Analysis) -> String {
    let plans = analysis.queries.iter().take(3).flat_map(|query| query.plan.iter().cloned());
    let names = analysis.queries.iter().take(3).map(|query| query.name.clone());
    let missing = analysis.server.iter().flat_map(|server| &server.missing_indexes);
    let tables = missing.map(|index| index.table.clone());
    names.chain(plans).chain(tables).collect::<Vec<_>>().join(" ")
}

type Files = (BTreeMap<String, String>, Vec<String>);

/// Files that the workflow lets a change touch, for whoever cannot look: the smallest first, as many as
/// have room. What looks like a secret is not shown.
fn shown(project: &Project) -> Result<Files, StepError> {
    let repo = project.repository().map_err(step)?;
    let head = repo.head(project.definition.deploy.branch.as_deref()).map_err(step)?.commit;
    let paths = &project.definition.generate.paths;
    let protected = vet::protected(project, &repo, &head)?;
    let mut texts = Vec::new();
    for path in repo.list(&head, "").map_err(step)? {
        if git::check_path(&path, paths, &protected).is_err() {
            continue;
        }
        // Links and what is no text are not shown.
        let Ok(Some(bytes)) = repo.read(&head, &path) else { continue };
        let Ok(text) = String::from_utf8(bytes) else { continue };
        if looks_like_secret(&text).is_none() {
            texts.push((path, text));
        }
    }
    texts.sort_by_key(|(_, text)| text.len());
    let (mut files, mut others, mut room) = (BTreeMap::new(), Vec::new(), FILES_CAP);
    for (path, text) in texts {
        match room.checked_sub(text.len()) {
            Some(left) => {
                room = left;
                files.insert(path, text);
            }
            None => others.push(path),
        }
    }
    Ok((files, others))
}
