//! The phases on a repository that commands speak for: how it does, whether a change may be asked about,
//! what it did.

use super::{blocking, generate, measuring, past, policy, seed, step, time_left};
use crate::{
    adapters::{git::Files, process},
    evidence::{Limits, posterior},
    payload::{
        Analysis, Change, ChangeSet, Check, CheckResult, CommandAnalysis, Evaluation, Evidence,
        QueryProfile, QueryStatus, Regression, SourceAbsent,
    },
    project::Project,
    sql::without_secrets,
    targets::command::{
        Metric, Settings, Worktree,
        compare::{self, Lane, Options},
        worktree,
    },
};
use kaizen_engine::{
    digest::Digest,
    journal::{Binding, Effect},
    step::{Context, StepError},
    workflow::Target,
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Bytes kept of what the `analyze` command prints.
const REPORT_CAP: usize = 64 << 10;

const BUILD: &str = "build";

/// The workflow's commands; `None` where the target is a database.
struct Commands {
    settings: Settings,
    test: Vec<String>,
    analyze: Vec<String>,
}

fn commands(project: &Project) -> Result<Commands, StepError> {
    let Target::Command { benchmark, test, build, analyze, env, timeout } =
        &project.definition.target
    else {
        return Err(StepError::bug("target", "the target has no commands"));
    };
    Ok(Commands {
        settings: Settings {
            build: build.clone(),
            benchmark: benchmark.clone(),
            env: env.clone(),
            timeout: *timeout,
            confine: measuring::confine(project),
        },
        test: test.clone(),
        analyze: analyze.clone(),
    })
}

/// Phase 1.
pub(crate) async fn analysis(project: &Arc<Project>, cx: &Context) -> Result<Analysis, StepError> {
    let (project, cx) = (project.clone(), cx.clone());
    blocking(move || analyze(&project, &cx)).await
}

fn analyze(project: &Project, cx: &Context) -> Result<Analysis, StepError> {
    let commands = commands(project)?;
    let commit = head(project)?;
    let dir = scratch(project, cx, "analyze")?;
    let tree = export(project, &commands, &commit, &Files::new(), &dir.join("now"))?;
    let held = tree.held().map_err(step)?;
    cx.progress("building");
    tree.build().map_err(step)?;
    cx.progress("running the tests");
    let failing_tests = tree.run(&commands.test).err().map(|error| error.to_string());
    let report = match commands.analyze.is_empty() {
        true => None,
        false => {
            cx.progress("running the analysis");
            let output = tree.run(&commands.analyze).map_err(step)?;
            let mut text = without_secrets(&process::redact(&output.stdout_text()));
            let cut = (0..=REPORT_CAP.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
            text.truncate(cut.unwrap_or(0));
            Some(text)
        }
    };
    let repetitions = project.definition.analyze.repetitions;
    let mut runs = Vec::new();
    for number in 1..=repetitions {
        cx.progress(&format!("running the benchmark, {number} of {repetitions}"));
        runs.push(tree.benchmark().map_err(step)?);
    }
    let metrics = medians(&runs);
    let reader = cx.reader()?;
    policy::note_changes(cx, &reader)?;
    let past = past::all(cx, &reader)?;
    let baseline = past::baseline(&reader, &past, &cx.run.created.target)?;
    let worse = 1.0 + project.definition.analyze.regression_pct / 100.0;
    let regressions = baseline.iter().flat_map(|(_, before)| {
        metrics.iter().filter_map(|metric| {
            let (before, now) = (*before.get(&metric.name)?, metric.value);
            let cost = |value| Metric { value, ..metric.clone() }.cost();
            let regressed = cost(now) > cost(before) * worse;
            regressed.then(|| Regression {
                query: metric.name.clone(),
                before_ms: before,
                now_ms: now,
            })
        })
    });
    let regressions = regressions.collect();
    let _ = std::fs::remove_dir_all(&dir);
    Ok(Analysis {
        target: cx.run.created.target.clone(),
        schema_digest: Digest::of(&[commit.as_bytes()]),
        size_bytes: 0,
        queries: metrics.iter().map(|metric| profile(metric, &metrics)).collect(),
        regressions,
        baseline: baseline.map(|(run, _)| crate::payload::Baseline { run }),
        success_by_kind: past::success_by_kind(&past, cx.now),
        absent: absent(commands.analyze.is_empty()),
        server: None,
        command: Some(CommandAnalysis {
            tree: project.repository().and_then(|repo| Ok(repo.tree(&commit)?)).map_err(step)?,
            commit,
            metrics,
            failing_tests,
            report,
            confinement: held.words(),
        }),
    })
}

fn profile(metric: &Metric, all: &[Metric]) -> QueryProfile {
    let weights: f64 = all.iter().map(|metric| metric.weight).sum();
    QueryProfile {
        name: metric.name.clone(),
        weight: metric.weight,
        shape: String::new(),
        median_ms: (metric.unit == "ms").then_some(metric.value),
        share: metric.weight / weights,
        counters: None,
        plan: Vec::new(),
        status: QueryStatus::Stable,
        rows: None,
        result_digest: None,
    }
}

/// The median of each metric that every run told of.
fn medians(runs: &[Vec<Metric>]) -> Vec<Metric> {
    let Some(first) = runs.first() else { return Vec::new() };
    let median = |metric: &Metric| {
        let mut values: Vec<f64> = runs
            .iter()
            .filter_map(|run| run.iter().find(|m| m.name == metric.name).map(|m| m.value))
            .collect();
        values.sort_unstable_by(f64::total_cmp);
        Metric { value: values[values.len() / 2], ..metric.clone() }
    };
    first.iter().map(median).collect()
}

fn absent(no_report: bool) -> Vec<SourceAbsent> {
    let absent = |source: &str, reason: &str| SourceAbsent {
        source: source.to_owned(),
        reason: reason.to_owned(),
    };
    let mut all = vec![absent("cost_hot_spots", "a repository has no billing ledger")];
    if no_report {
        all.push(absent("report", "the workflow names no `analyze` command"));
    }
    all
}

/// The end of phase 3: tried beside what is there now, and everything that an approval binds to.
pub(crate) fn judge(
    project: &Project,
    cx: &Context,
    change: Change,
) -> Result<ChangeSet, StepError> {
    let staged = change.staged();
    let sides = [(change.base_commit.as_str(), Files::new()), (&change.base_commit, staged)];
    let preflight = measure(project, cx, sides, "preflight")?;
    if let Some(check) = measuring::first_failure(&preflight.checks) {
        let message =
            format!("the preflight refuses {:?}: {}: {}", change.title, check.name, check.detail);
        let note = serde_json::json!({ "change": change, "preflight": preflight });
        cx.note("preflight_refused", note);
        return Err(StepError::operator("refused_by_preflight", message));
    }
    let reader = cx.reader()?;
    let past = past::all(cx, &reader)?;
    let features = generate::features(cx, &change, &past)?;
    let prior = past::prior(&reader, &past, &features)?;
    let objective = measuring::objective(change.kind);
    let probability = posterior(&prior, &preflight, objective, &limits(project));
    let binding = binding(project, &change, &preflight)?;
    let quality = past::quality(&reader, &past, &change, &preflight)?;
    Ok(ChangeSet { change, features, preflight, probability, binding, quality })
}

/// Phase 5: the deployed commit beside the one before it.
pub(crate) fn evaluate(project: &Project, cx: &Context) -> Result<Evaluation, StepError> {
    let change: ChangeSet = cx
        .output()?
        .ok_or_else(|| StepError::bug("missing_checkpoint", "generate has no checkpoint"))?;
    let commit = cx.done(Effect::Commit).map(|(_, receipt)| receipt.clone());
    let named = |key: &str| commit.as_ref().and_then(|receipt| receipt[key].as_str());
    let (Some(parent), Some(commit)) = (named("parent"), named("commit")) else {
        return Err(StepError::bug("missing_effect", "the commit was not done"));
    };
    let sides = [(parent, Files::new()), (commit, Files::new())];
    let evidence = measure(project, cx, sides, "evaluate")?;
    super::evaluate::judged_by(project, cx, &change, evidence, &limits(project))
}

/// Everything that whoever approves has seen.
pub(crate) fn binding(
    project: &Project,
    change: &Change,
    preflight: &Evidence,
) -> Result<Binding, StepError> {
    let target = project.target_key().map_err(step)?;
    generate::bound(project, change, preflight, &head(project)?, &[("target", target)])
}

/// What was there before must be there again: the files of the change as its base has them.
pub(crate) fn verify_rollback(
    project: &Project,
    change: &Change,
) -> Result<serde_json::Value, StepError> {
    let repo = project.repository().map_err(step)?;
    let head = repo.head(Some(&change.branch)).map_err(step)?.commit;
    let mut differ = Vec::new();
    for path in change.paths() {
        let [then, now] = [&change.base_commit, &head].map(|commit| repo.read(commit, path));
        if then.map_err(step)? != now.map_err(step)? {
            differ.push(path.clone());
        }
    }
    // Others may have gone on with these files since, or may have before the commit.
    Ok(
        serde_json::json!({ "files": if differ.is_empty() { "restored" } else { "changed since" }, "differ": differ }),
    )
}

/// Milliseconds under which a query's difference is nobody's concern say nothing of metrics.
fn limits(project: &Project) -> Limits {
    Limits { noise_floor_ms: 0.0, ..measuring::limits(project) }
}

/// Builds both sides, runs the tests with the change, and compares what the benchmark says.
fn measure(
    project: &Project,
    cx: &Context,
    [before, after]: [(&str, Files); 2],
    name: &str,
) -> Result<Evidence, StepError> {
    let mut commands = commands(project)?;
    commands.settings.timeout = time_left(cx, commands.settings.timeout);
    let dir = scratch(project, cx, name)?;
    let before = export(project, &commands, before.0, &before.1, &dir.join("before"))?;
    let after = export(project, &commands, after.0, &after.1, &dir.join("after"))?;
    let held = after.held().map_err(step)?;
    cx.progress("building without the change");
    before.build().map_err(step)?;
    cx.progress("building with the change");
    let mut checks = Vec::new();
    let check =
        |name: &str, result, detail: String| Check { name: name.to_owned(), result, detail };
    if !commands.settings.build.is_empty() {
        if let Err(error) = after.build() {
            checks.push(check(BUILD, CheckResult::Failed, error.to_string()));
            return Ok(measuring::failed(checks));
        }
        let detail = commands.settings.build.join(" ");
        checks.push(check(BUILD, CheckResult::Passed, detail));
    }
    let more = project.definition.evaluate.tests.iter();
    let tests: Vec<&Vec<String>> = [&commands.test].into_iter().chain(more).collect();
    for argv in &tests {
        cx.progress(&format!("running {}", argv.join(" ")));
        if let Err(error) = after.run(argv) {
            checks.push(check(measuring::TESTS, CheckResult::Failed, error.to_string()));
            return Ok(measuring::failed(checks));
        }
    }
    let detail = format!("{} of {0} commands passed, {}", tests.len(), held.words());
    checks.push(check(measuring::TESTS, CheckResult::Passed, detail));
    let most = project.definition.budget.compute / 2;
    let options = Options {
        limits: limits(project),
        seed: seed(cx),
        deadline: Instant::now() + time_left(cx, most).saturating_sub(Duration::from_secs(1)),
        checks,
    };
    let report = cx.report();
    let lanes = |lane| match lane {
        Lane::Before | Lane::Control => before.benchmark(),
        Lane::After => after.benchmark(),
    };
    let evidence =
        compare::compare(&lanes, options, &move |text: &str| report(text)).map_err(step)?;
    let _ = std::fs::remove_dir_all(&dir);
    Ok(evidence)
}

/// The programs of the workflow's commands, whether each is there, and how they would be confined.
///
/// # Errors
/// Where nothing can be tried.
pub fn looked_at(project: &Project) -> Result<(Vec<(String, bool)>, String), worktree::Error> {
    let folder = |path: PathBuf, why: String| worktree::Error::Folder { path, why };
    let commands = commands(project).map_err(|e| folder(project.root.clone(), e.message))?;
    let Commands { settings, test, analyze } = commands;
    let argv = [&settings.build, &settings.benchmark, &test, &analyze];
    let programs: BTreeSet<String> = argv.iter().filter_map(|argv| argv.first().cloned()).collect();
    let there = |program: String| {
        let found = process::is_there(&program, &project.root);
        (program, found)
    };
    let programs = programs.into_iter().map(there).collect();
    let dir = tempfile::tempdir().map_err(|e| folder(std::env::temp_dir(), e.to_string()))?;
    let held = Worktree::new(&dir.path().join("tree"), &settings).and_then(|tree| {
        let made = std::fs::create_dir(&tree.path);
        made.map_err(|e| folder(tree.path.clone(), e.to_string()))?;
        tree.held()
    });
    Ok((programs, held?.words()))
}

fn head(project: &Project) -> Result<String, StepError> {
    let repo = project.repository().map_err(step)?;
    Ok(repo.head(project.definition.deploy.branch.as_deref()).map_err(step)?.commit)
}

/// An empty folder of the run's own.
fn scratch(project: &Project, cx: &Context, name: &str) -> Result<PathBuf, StepError> {
    let dir = project.scratch(&cx.run).map_err(step)?.join(name);
    // What an earlier attempt left may be locked against us: it is not this attempt's.
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir)
        .and_then(|()| Ok(tempfile::Builder::new().prefix("try").tempdir_in(&dir)?.keep()))
        .map_err(|e| StepError::operator("scratch", format!("{}: {e}", dir.display())))
}

fn export<'c>(
    project: &Project,
    commands: &'c Commands,
    commit: &str,
    files: &Files,
    into: &Path,
) -> Result<Worktree<'c>, StepError> {
    let repo = project.repository().map_err(step)?;
    repo.export_with(commit, files, into).map_err(step)?;
    Worktree::new(into, &commands.settings).map_err(step)
}
