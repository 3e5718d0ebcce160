//! Phase 3. Generate makes the exact bytes that would be deployed, derives what they are by
//! parsing them, and tries them on copies (the preflight).
//!
//! The preflight refuses for application, tests, correctness or down, never for speed: its verdict
//! is shown to whoever decides.

use super::{analyze::snapshot, blocking, measuring, past, server, step};
use crate::{
    adapters::{
        disk,
        git::{self, Files, Repo},
    },
    evidence::posterior,
    models::{Features, PlanPattern, designer_name},
    payload::{Analysis, Candidate, Change, ChangeFile, ChangeSet, Evidence, Proposal, Source},
    project::Project,
    sql::{self, Classification, Declared},
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
use std::{collections::BTreeMap, path::Path, sync::Arc};

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
    let (files, migrations) = files(project, &repo, &head.commit, &candidate.change, &scripts)?;
    let staged: Files =
        files.iter().map(|(p, t)| (p.clone(), Some(t.clone().into_bytes()))).collect();
    let mut effects = vec![Effect::Commit, Effect::Worktree];
    effects.extend(project.definition.deploy.push.then_some(Effect::Push));
    effects.extend((!scripts.up.is_empty()).then_some(Effect::Up));
    let Classification { kind, risk, needs_human, tables, statements_up, statements_down } =
        scripts.classification;
    let title = candidate.change.title.clone();
    let digest = Digest::of_json(&(&title, kind, risk, &scripts.up, &scripts.down, &files))
        .map_err(|e| StepError::bug("digest", e.to_string()))?;
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
        diff: repo.diff(&head.commit, &staged).map_err(step)?,
        files,
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
        whole.rationale = format!("{}\n{}", whole.rationale, next.rationale);
    }
    Ok(whole)
}

/// Both scripts, in normal form, and what parsing them says.
struct Scripts {
    up: String,
    down: String,
    classification: Classification,
}

impl Scripts {
    fn of(change: &ChangeFile, database: &Database) -> Result<Scripts, StepError> {
        let up = refuse_empty(change)?;
        for text in [Some(&up), change.down.as_ref()].into_iter().flatten() {
            refuse_secrets("the script", text)?;
        }
        let declared = Declared { kind: change.kind, risk: change.risk };
        let down = match &change.down {
            Some(down) if !down.trim().is_empty() => Some(down.clone()),
            _ if up.trim().is_empty() => None,
            _ => {
                // What is refused for itself is told as that, not for its missing down script.
                sql::classify(&up, None, declared).map_err(refused)?;
                Some(derived_down(&up, database)?)
            }
        };
        let classification = sql::classify(&up, down.as_deref(), declared).map_err(refused)?;
        Scripts::complete(&up, classification)
    }

    /// The same for SQL Server, where no down script follows by rule: others may depend on how an
    /// index was made.
    fn of_tsql(change: &ChangeFile) -> Result<Scripts, StepError> {
        let up = refuse_empty(change)?;
        for text in [Some(&up), change.down.as_ref()].into_iter().flatten() {
            refuse_secrets("the script", text)?;
        }
        let declared = Declared { kind: change.kind, risk: change.risk };
        let found = sql::tsql::classify(&up, change.down.as_deref(), declared).map_err(refused)?;
        Scripts::complete(&up, found)
    }

    fn complete(up: &str, classification: Classification) -> Result<Scripts, StepError> {
        if !up.trim().is_empty() && classification.statements_down.is_empty() {
            return Err(no_down());
        }
        Ok(Scripts {
            up: script(&classification.statements_up),
            down: script(&classification.statements_down),
            classification,
        })
    }
}

/// The up script, which is empty only where files change.
fn refuse_empty(change: &ChangeFile) -> Result<String, StepError> {
    let up = change.up.clone().unwrap_or_default();
    if up.trim().is_empty() && change.files.is_empty() {
        let message =
            format!("{:?} changes nothing: it has neither files nor an up script", change.title);
        return Err(StepError::operator("refused_empty_change", message));
    }
    Ok(up)
}

fn derived_down(up: &str, database: &Database) -> Result<String, StepError> {
    let statements = sql::split(up)
        .map_err(|source| refused(sql::Refusal::Unreadable { script: sql::Script::Up, source }))?;
    let schema = database.schema().map_err(step)?;
    let original = |index: &str| {
        let found = schema.iter().find(|o| o.kind == "index" && o.name.eq_ignore_ascii_case(index));
        found.map(|object| object.sql.clone())
    };
    sql::undo(&statements, original).map(|down| script(&down)).ok_or_else(no_down)
}

fn no_down() -> StepError {
    StepError::operator(
        "refused_without_down",
        "the change has no down script, and none follows from its up script by rule: \
         it could not be taken back",
    )
}

fn refused(refusal: sql::Refusal) -> StepError {
    use kaizen_engine::error::Classified;
    StepError::operator(&format!("refused_{}", refusal.code()), refusal.to_string())
}

fn script(statements: &[String]) -> String {
    statements.iter().fold(String::new(), |text, one| text + one.trim_end_matches(';') + ";\n")
}

/// The files that would be committed, and which of them hold the scripts.
fn files(
    project: &Project,
    repo: &Repo,
    base: &str,
    change: &ChangeFile,
    scripts: &Scripts,
) -> Result<(BTreeMap<String, String>, Vec<String>), StepError> {
    let allow = &project.definition.generate.paths;
    let mut protected = git::protected_default();
    protected.extend(project.policy.protected.paths.iter().cloned());
    let mut files = change.files.clone();
    for (path, text) in &files {
        git::check_path(path, allow, &protected).map_err(refused_path)?;
        repo.check_no_symlink_out(base, path).map_err(refused_git)?;
        refuse_secrets(path, text)?;
    }
    let mut migrations = Vec::new();
    if !scripts.up.is_empty() {
        let stem = migration_stem(project, repo, base, &change.title)?;
        for (way, text) in [("up", &scripts.up), ("down", &scripts.down)] {
            let path = format!("{stem}.{way}.sql");
            git::check_path(&path, std::slice::from_ref(&path), &protected)
                .map_err(refused_path)?;
            repo.check_no_symlink_out(base, &path).map_err(refused_git)?;
            if files.contains_key(&path) {
                let message = format!("{path} is where Kaizen writes the change's own script");
                return Err(StepError::operator("refused_path_taken", message));
            }
            files.insert(path.clone(), format!("-- {}\n{text}", one_line(&change.title)));
            migrations.push(path);
        }
    }
    let bytes: usize = files.values().map(String::len).sum();
    let most = project.definition.generate.max_change_kb as usize * 1_024;
    if bytes > most {
        let message =
            format!("the change is {} KiB, the workflow allows {}", bytes / 1_024, most / 1_024);
        return Err(StepError::operator("refused_too_large", message));
    }
    Ok((files, migrations))
}

/// `migrations/0007_index_orders_o_custkey`: the next number, then the title.
fn migration_stem(
    project: &Project,
    repo: &Repo,
    base: &str,
    title: &str,
) -> Result<String, StepError> {
    let folder = project.definition.generate.migrations.trim_end_matches('/').to_owned();
    let prefix = format!("{folder}/");
    let numbers = repo.list(base, &prefix).map_err(step)?.into_iter().filter_map(|path| {
        let name = path.strip_prefix(&prefix)?;
        let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    });
    let next = numbers.max().unwrap_or(0) + 1;
    let mut slug = String::new();
    for c in title.chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.ends_with('_') && !slug.is_empty() {
            slug.push('_');
        }
    }
    let slug: String = slug.chars().take(48).collect();
    Ok(format!("{folder}/{next:04}_{}", slug.trim_end_matches('_')))
}

fn one_line(title: &str) -> String {
    title.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn refuse_secrets(place: &str, text: &str) -> Result<(), StepError> {
    match sql::looks_like_secret(text) {
        None => Ok(()),
        Some(shape) => {
            let message = format!("{place} holds what looks like a secret ({shape})");
            Err(StepError::operator("refused_secret", message))
        }
    }
}

fn refused_path(error: git::PathError) -> StepError {
    use kaizen_engine::error::Classified;
    StepError::operator(&format!("refused_{}", error.code()), error.to_string())
}

fn refused_git(error: git::Error) -> StepError {
    match error {
        git::Error::Path(error) => refused_path(error),
        other => step(other),
    }
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
    let evidence =
        Digest::of_json(preflight).map_err(|e| StepError::bug("digest", e.to_string()))?;
    let parts = [
        ("change_set", change.digest.to_string()),
        ("base_commit", head.commit),
        ("evidence", evidence.to_string()),
        ("workflow", project.workflow_digest_now()),
        ("policy", project.policy_digest_now()),
        ("target", format!("{}@{}#{file}", database.identity().map_err(step)?, head.branch)),
        ("schema", database.schema_digest().map_err(step)?.to_string()),
        ("kaizen", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    Ok(Binding(parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}
