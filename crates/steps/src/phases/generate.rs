//! Phase 3. Generate makes the exact bytes that would be deployed, derives what they are by
//! parsing them, and tries them on copies (the preflight).
//!
//! The preflight refuses for application, tests, correctness or down, never for speed: its verdict
//! is shown to whoever decides.

use super::{
    analyze::snapshot,
    blocking, command, measuring, past, server, step,
    vet::{self, Scripts, Vetted},
};
use crate::{
    adapters::disk,
    evidence::posterior,
    models::{Features, PlanPattern, designer_name},
    payload::{Analysis, Candidate, Change, ChangeSet, Evidence, Proposal, Source, staged},
    project::Project,
    sql::Classification,
    targets::sqlite::{
        Workload,
        copies::{Change as At, prepare_copies},
        database::Database,
        preflight,
    },
};
use async_trait::async_trait;
use kaizen_engine::{
    digest::Digest,
    journal::{Binding, Effect},
    step::{Context, Step, StepError},
    workflow::Target,
};
use std::{path::Path, sync::Arc};

/// Phase 3.
pub struct Generate {
    pub project: Arc<Project>,
}

#[async_trait]
impl Step for Generate {
    type Input = Proposal;
    type Output = ChangeSet;

    async fn run(&self, proposal: Proposal, cx: &Context) -> Result<ChangeSet, StepError> {
        let (project, cx) = (self.project.clone(), cx.clone());
        blocking(move || generate(&project, &cx, proposal)).await
    }
}

fn generate(project: &Project, cx: &Context, proposal: Proposal) -> Result<ChangeSet, StepError> {
    let source = proposal.source.clone();
    let candidate = bundle(proposal)?;
    match &project.definition.target {
        Target::Sqlite { .. } => {
            // Generate may be asked again after somebody changed the target: look at what is there now.
            let snapshot = fresh_snapshot(project, cx)?;
            let database = Database::open(&snapshot).map_err(step)?;
            let scripts = Scripts::of(&candidate.change, &database)?;
            let change = change(project, candidate, source, scripts)?;
            judge(project, cx, change, &snapshot)
        }
        Target::Sqlserver { .. } => {
            let scripts = Scripts::of_tsql(&candidate.change)?;
            let change = change(project, candidate, source, scripts)?;
            server::before::judge(project, cx, change)
        }
        Target::Command { .. } => {
            let scripts = Scripts::none(&candidate.change)?;
            let change = change(project, candidate, source, scripts)?;
            command::judge(project, cx, change)
        }
    }
}

/// The change as it would be deployed, on what the branch is at now.
fn change(
    project: &Project,
    candidate: Candidate,
    source: Source,
    scripts: Scripts,
) -> Result<Change, StepError> {
    let repo = project.repository().map_err(step)?;
    let head = repo.head(project.definition.deploy.branch.as_deref()).map_err(step)?;
    let Vetted { files, deleted, migrations } =
        vet::files(project, &repo, &head.commit, &candidate.change, &scripts)?;
    let mut effects = vec![Effect::Commit, Effect::Worktree];
    effects.extend(project.definition.deploy.push.then_some(Effect::Push));
    effects.extend((!scripts.up.is_empty()).then_some(Effect::Up));
    let Classification { kind, risk, needs_human, tables, statements_up, statements_down } =
        scripts.classification;
    let title = candidate.change.title.clone();
    let what = (&title, kind, risk, &scripts.up, &scripts.down, &files);
    let digest = match deleted.is_empty() {
        true => Digest::of_json(&what),
        false => Digest::of_json(&(what, &deleted)),
    };
    let digest = digest.map_err(|e| StepError::bug("digest", e.to_string()))?;
    Ok(Change {
        title,
        kind,
        risk,
        rationale: candidate.rationale,
        expected_improvement_pct: candidate.expected_improvement_pct,
        rollback_plan: candidate.rollback_plan,
        source,
        up: scripts.up,
        down: scripts.down,
        diff: repo.diff(&head.commit, &staged(&files, &deleted)).map_err(step)?,
        files,
        deleted,
        migrations,
        statements_up,
        statements_down,
        base_commit: head.commit,
        branch: head.branch,
        needs_human,
        tables,
        digest,
        effects,
    })
}

/// Preflight, probability and what an approval binds to.
fn judge(
    project: &Project,
    cx: &Context,
    change: Change,
    snapshot: &Path,
) -> Result<ChangeSet, StepError> {
    let preflight = preflight(project, cx, &change, snapshot)?;
    if let Some(check) = measuring::first_failure(&preflight.checks) {
        let message =
            format!("the preflight refuses {:?}: {}: {}", change.title, check.name, check.detail);
        cx.note(
            "preflight_refused",
            serde_json::json!({ "change": change, "preflight": preflight }),
        );
        return Err(StepError::operator("refused_by_preflight", message));
    }
    let reader = cx.reader()?;
    let past = past::all(cx, &reader)?;
    let features = features(cx, &change, &past)?;
    let prior = past::prior(&reader, &past, &features)?;
    let objective = measuring::objective(change.kind);
    let probability = posterior(&prior, &preflight, objective, &measuring::limits(project));
    let binding = binding(project, &change, &preflight)?;
    let quality = past::quality(&reader, &past, &change, &preflight)?;
    Ok(ChangeSet { change, features, preflight, probability, binding, quality })
}

/// Several candidates of one proposal go as one change set, judged together.
fn bundle(proposal: Proposal) -> Result<Candidate, StepError> {
    let mut candidates = proposal.candidates.into_iter();
    let Some(mut whole) = candidates.next() else {
        return Err(StepError::bug("empty_proposal", "the proposal holds no candidate"));
    };
    for next in candidates {
        let join = |a: Option<String>, b: Option<String>| match (a, b) {
            (Some(a), Some(b)) => Some(format!("{};\n{b}", a.trim_end().trim_end_matches(';'))),
            (one, other) => one.or(other),
        };
        whole.change.title = format!("{}; {}", whole.change.title, next.change.title);
        whole.change.up = join(whole.change.up, next.change.up);
        // What was done last is taken back first.
        whole.change.down = join(next.change.down, whole.change.down);
        whole.change.kind = None;
        whole.change.risk = whole.change.risk.max(next.change.risk);
        whole.change.files.extend(next.change.files);
        whole.change.edits.extend(next.change.edits);
        whole.change.delete.extend(next.change.delete);
        whole.change.diff = match (whole.change.diff, next.change.diff) {
            (Some(a), Some(b)) => Some(format!("{}\n{b}", a.trim_end())),
            (one, other) => one.or(other),
        };
        whole.rationale = format!("{}\n{}", whole.rationale, next.rationale);
    }
    Ok(whole)
}

fn fresh_snapshot(project: &Project, cx: &Context) -> Result<std::path::PathBuf, StepError> {
    let path = snapshot(project, cx)?;
    let live = Database::open(&project.database()).map_err(step)?;
    let held = Database::open(&path).map_err(step)?;
    if live.schema_digest().map_err(step)? != held.schema_digest().map_err(step)? {
        drop(held);
        live.snapshot(&path).map_err(step)?;
    }
    Ok(path)
}

fn preflight(
    project: &Project,
    cx: &Context,
    change: &Change,
    snapshot: &Path,
) -> Result<Evidence, StepError> {
    let dir = project.scratch(&cx.run).map_err(step)?.join("preflight");
    std::fs::create_dir_all(&dir)
        .map_err(|e| StepError::operator("scratch", format!("{}: {e}", dir.display())))?;
    let workload = Workload::load(&project.root, project.workload()).map_err(step)?;
    let mut checks = Vec::new();
    if !change.up.is_empty() {
        cx.progress("trying the scripts on a copy");
        checks =
            preflight::preflight_checks(snapshot, &dir, &change.up, &change.down).map_err(step)?;
        if measuring::first_failure(&checks).is_some() {
            return Ok(measuring::failed(checks));
        }
    }
    let copy = || changed_copy(snapshot, &dir, change).map(Some);
    checks.push(measuring::run_tests(project, cx, change, &dir, copy)?);
    if measuring::first_failure(&checks).is_some() {
        return Ok(measuring::failed(checks));
    }
    let subject = measuring::Subject {
        snapshot,
        dir: &dir,
        change: At::Planned { up: &change.up },
        kind: change.kind,
        tables: &change.tables,
        checks,
    };
    let evidence = measuring::measure(project, cx, &workload, subject)?;
    let _ = std::fs::remove_dir_all(&dir);
    Ok(evidence)
}

/// A copy with the change, for tests to use as they like.
fn changed_copy(
    snapshot: &Path,
    dir: &Path,
    change: &Change,
) -> Result<std::path::PathBuf, StepError> {
    let copies = prepare_copies(snapshot, dir, At::Planned { up: &change.up });
    Ok(copies.map_err(step)?.after)
}

/// What is known of the change before it is measured.
pub(super) fn features(
    cx: &Context,
    change: &Change,
    past: &[past::Past],
) -> Result<Features, StepError> {
    let analysis: Analysis = cx
        .output()?
        .ok_or_else(|| StepError::bug("missing_checkpoint", "analyze has no checkpoint"))?;
    let slowest = analysis.queries.iter().find(|query| {
        let plan = query.plan.join("\n").to_lowercase();
        change.tables.iter().any(|table| plan.contains(table.as_str()))
    });
    let lines = change.diff.lines().filter(|line| line.starts_with(['+', '-'])).count();
    #[expect(clippy::cast_precision_loss, reason = "sizes and line counts")]
    let (bytes, lines) = (analysis.size_bytes as f64, lines as f64);
    Ok(Features {
        kind: change.kind,
        plan_pattern: slowest.map_or(PlanPattern::Other, |query| PlanPattern::of(&query.plan)),
        size_log10_bytes: bytes.max(1.0).log10(),
        write_share: 0.0,
        diff_lines_log: lines.ln_1p(),
        designer: designer_name(&change.source).to_owned(),
        past_rate_of_kind: past::rate_of_kind(past, change.kind),
    })
}

/// Everything that whoever approves has seen.
pub(crate) fn binding(
    project: &Project,
    change: &Change,
    preflight: &Evidence,
) -> Result<Binding, StepError> {
    let database = Database::open(&project.database()).map_err(step)?;
    let head = project.repository().map_err(step)?;
    let head = head.head(project.definition.deploy.branch.as_deref()).map_err(step)?;
    let file = disk::file_id(&project.database())
        .map_err(|e| StepError::operator("database_unreadable", e.to_string()))?;
    let target = format!("{}@{}#{file}", database.identity().map_err(step)?, head.branch);
    let schema = database.schema_digest().map_err(step)?.to_string();
    bound(project, change, preflight, &head.commit, &[("target", target), ("schema", schema)])
}

/// What an approval binds to on every target, and what only this kind of target has.
pub(super) fn bound(
    project: &Project,
    change: &Change,
    preflight: &Evidence,
    base_commit: &str,
    place: &[(&str, String)],
) -> Result<Binding, StepError> {
    let evidence =
        Digest::of_json(preflight).map_err(|e| StepError::bug("digest", e.to_string()))?;
    let parts = [
        ("change_set", change.digest.to_string()),
        ("base_commit", base_commit.to_owned()),
        ("evidence", evidence.to_string()),
        ("workflow", project.workflow_digest_now()),
        ("policy", project.policy_digest_now()),
        ("kaizen", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let all = parts.iter().chain(place);
    Ok(Binding(all.map(|(name, value)| ((*name).to_owned(), value.clone())).collect()))
}
