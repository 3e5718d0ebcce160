//! What the git repository says about the trail: each commit that a run made carries the hash of
//! the event that announced it.

use crate::adapters::git::{CommitInfo, CommitPlan, Error, Repo};
use kaizen_engine::{
    error::Classified,
    journal::{Effect, EffectState, Run},
    shell::{self, Reader, reader::Filter, verify::Difference},
};
use serde::{Deserialize as _, Serialize};
use std::{collections::BTreeMap, path::Path};

/// What git corroborates.
#[derive(Debug, Clone, Default)]
pub struct GitReport {
    /// Commits of Kaizen's that were compared.
    pub commits: u64,
    /// For each run, the last of its events that a head in a pushed commit covers.
    pub anchored: BTreeMap<i64, u64>,
    pub differences: Vec<Difference>,
    /// What differs for an honest reason: a rebase, say.
    pub warnings: Vec<String>,
}

/// Why git could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Git(#[from] Error),
    #[error(transparent)]
    Journal(#[from] shell::Error),
}

impl Classified for AuditError {
    fn class(&self) -> kaizen_engine::error::Class {
        match self {
            AuditError::Git(error) => error.class(),
            AuditError::Journal(error) => error.class(),
        }
    }

    fn code(&self) -> &'static str {
        match self {
            AuditError::Git(error) => error.code(),
            AuditError::Journal(error) => error.code(),
        }
    }
}

/// Compares every commit that the journal says was made with the repository, and every commit
/// that says it is Kaizen's with the journal.
///
/// # Errors
/// Where the repository cannot be read. A run that does not fold is the journal's difference.
pub fn verify_git(
    root: &Path,
    reader: &Reader,
    only: Option<i64>,
) -> Result<GitReport, AuditError> {
    let repo = Repo::open(root)?;
    let mut report = GitReport::default();
    let mut commits: BTreeMap<String, CommitInfo> = BTreeMap::new();
    for commit in repo.commits_with_trailer("Kaizen-Run")? {
        commits.insert(commit.id.clone(), commit);
    }
    let numbers = match only {
        Some(run) => vec![run],
        None => reader.list(&Filter::default())?,
    };
    let mut known = Vec::new();
    for number in numbers {
        let Ok(run) = reader.run(number) else { continue };
        for effect in [Effect::Commit, Effect::Revert] {
            known.extend(compare(&run, effect, &commits, &mut report));
        }
        if let Some(run_seq) = anchored(&run) {
            report.anchored.insert(number, run_seq);
        }
    }
    if only.is_none() {
        let strange = commits.values().filter(|commit| !known.contains(&commit.id));
        report.differences.extend(strange.map(|commit| Difference {
            store: "git",
            kind: "extra",
            at: format!("commit {}", short(&commit.id)),
            detail: "it says it is Kaizen's, and the journal does not know it".to_owned(),
        }));
    }
    Ok(report)
}

/// One effect's commit; returns the id that the journal knows it by, or was found for it.
fn compare(
    run: &Run,
    effect: Effect,
    commits: &BTreeMap<String, CommitInfo>,
    report: &mut GitReport,
) -> Option<String> {
    let Some(EffectState::Done { plan, hash, receipt, .. }) = run.effects.get(&effect) else {
        return None;
    };
    // What a person did by hand carries no head of ours.
    let id = receipt["commit"].as_str()?.to_owned();
    let plan = CommitPlan::deserialize(plan).ok()?;
    report.commits += 1;
    let at = format!("{effect} {} of {}", short(&id), run.name());
    let differs = |kind, detail: &str| Difference {
        store: "git",
        kind,
        at: at.clone(),
        detail: detail.to_owned(),
    };
    let Some(commit) = commits.get(&id) else {
        let same_tree = commits.values().find(|commit| {
            commit.tree == plan.tree
                && commit.trailer("Kaizen-Head").as_deref() == Some(&hash.to_string())
        });
        if let Some(moved) = same_tree {
            let moved_to = short(&moved.id);
            report
                .warnings
                .push(format!("{at} was rewritten as {moved_to}: the same tree and head"));
            return Some(moved.id.clone());
        }
        report.differences.push(differs("missing", "no branch has this commit"));
        return None;
    };
    if commit.trailer("Kaizen-Head").as_deref() != Some(&hash.to_string()) {
        let detail = "its Kaizen-Head is not the hash of the event that announced it";
        report.differences.push(differs("edited", detail));
    }
    if commit.tree != plan.tree {
        report.differences.push(differs("edited", "its tree is not the announced one"));
    }
    Some(id)
}

/// The run's last event whose hash a pushed commit holds, elsewhere.
fn anchored(run: &Run) -> Option<u64> {
    let pushed = |push: Effect, commit: Effect| {
        let is_pushed = run.is_done(push);
        is_pushed.then(|| run.announced_at(commit)).flatten()
    };
    pushed(Effect::RevertPush, Effect::Revert).or_else(|| pushed(Effect::Push, Effect::Commit))
}

/// Events, one after the other, that the same stores outside this host hold a head of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Anchored {
    pub from: u64,
    pub to: u64,
    pub events: u64,
    /// `sqlserver`, `git`; none: unanchored.
    pub stores: Vec<&'static str>,
}

/// Which stores anchor which events: SQL Server all up to `sqlserver`, git those of `git`.
///
/// # Errors
/// Where the journal cannot be read.
pub fn anchors(
    reader: &Reader,
    git: &BTreeMap<i64, u64>,
    sqlserver: u64,
    only: Option<i64>,
) -> Result<Vec<Anchored>, shell::Error> {
    let mut ranges: Vec<Anchored> = Vec::new();
    let mut after = 0;
    loop {
        let rows = reader.rows(only, after, CHUNK)?;
        let Some(last) = rows.last() else { return Ok(ranges) };
        after = last.seq;
        for row in rows {
            let in_git = git.get(&row.run).is_some_and(|last| row.run_seq <= *last);
            let stores = [("sqlserver", row.seq <= sqlserver), ("git", in_git)];
            let stores: Vec<_> =
                stores.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| name).collect();
            match ranges.last_mut() {
                Some(range) if range.stores == stores => {
                    (range.to, range.events) = (row.seq, range.events + 1);
                }
                _ => ranges.push(Anchored { from: row.seq, to: row.seq, events: 1, stores }),
            }
        }
    }
}

/// Rows read at a time.
const CHUNK: u32 = 1_000;

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
