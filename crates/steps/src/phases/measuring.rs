//! What preflight and evaluation measure alike: tests in a scratch worktree, then the change
//! against its absence on equal copies.

use super::{seed, step, time_left};
use crate::{
    adapters::{
        git::{Files, Repo},
        process::{Command, Exit},
    },
    evidence::{Limits, Objective},
    payload::{self, Check, CheckResult, Evidence, Kind, Verdict},
    project::Project,
    targets::sqlite::{
        Workload, compare,
        copies::{self, Change},
    },
};
use kaizen_engine::step::{Context, StepError};
use std::path::{Path, PathBuf};

/// The name of the check that the workflow's test commands make together.
pub const TESTS: &str = "tests";

/// Bytes kept of a test command's output.
const OUTPUT_CAP: usize = 64 << 10;

/// What is measured.
pub struct Subject<'a> {
    /// The snapshot that the copies are made from.
    pub snapshot: &'a Path,
    /// A folder for them.
    pub dir: &'a Path,
    /// Where the change stands in the snapshot.
    pub change: Change<'a>,
    pub kind: Kind,
    pub tables: &'a [String],
    /// Checks made before.
    pub checks: Vec<Check>,
}

/// What the workflow asks and allows.
pub fn limits(project: &Project) -> Limits {
    let evaluate = &project.definition.evaluate;
    Limits {
        min_improvement_pct: evaluate.min_improvement_pct,
        max_regression_pct: evaluate.max_regression_pct,
        max_write_cost_pct: evaluate.max_write_cost_pct,
        may_be_absent: evaluate.may_be_absent.clone(),
        ..Limits::default()
    }
}

/// What a kind of change promises.
pub fn objective(kind: Kind) -> Objective {
    match kind {
        Kind::DropIndex => Objective::Size,
        Kind::Statistics
        | Kind::Plan
        | Kind::Index
        | Kind::Code
        | Kind::View
        | Kind::Trigger
        | Kind::Schema
        | Kind::Data
        | Kind::Unclassified => Objective::WorkloadTime,
    }
}

/// Measures the change against its absence.
pub fn measure(
    project: &Project,
    cx: &Context,
    workload: &Workload,
    subject: Subject<'_>,
) -> Result<Evidence, StepError> {
    cx.progress("making equal copies");
    let copies =
        copies::prepare_copies(subject.snapshot, subject.dir, subject.change).map_err(step)?;
    let options = compare::Options {
        timeout: project.definition.analyze.query_timeout,
        limits: limits(project),
        objective: objective(subject.kind),
        touched_tables: subject.tables.to_vec(),
        seed: seed(cx),
        budget: time_left(cx, project.definition.budget.compute / 2),
        checks: subject.checks,
    };
    let report = cx.report();
    compare::compare(&copies.pair(), workload, &options, &move |text: &str| report(text))
        .map_err(step)
}

/// Evidence that ends before any measuring: a check failed, so nothing else counts.
pub fn failed(checks: Vec<Check>) -> Evidence {
    let wrong = checks.iter().filter(|check| check.result == CheckResult::Failed);
    let reasons = wrong.map(|check| format!("{}: {}", check.name, check.detail)).collect();
    Evidence {
        checks,
        improvement: None,
        control: None,
        queries: Vec::new(),
        size: None,
        pairs: 0,
        verdict: Verdict::Incorrect,
        reasons,
    }
}

/// The first failed check, where there is one.
pub fn first_failure(checks: &[Check]) -> Option<&Check> {
    checks.iter().find(|check| check.result == CheckResult::Failed)
}

/// Runs the workflow's test commands in a scratch worktree with the change's files, against a
/// copy of the database with the change that `copy` makes, where there can be one. A missing, failed or
/// timed-out test is a failure.
pub fn run_tests(
    project: &Project,
    cx: &Context,
    change: &payload::Change,
    dir: &Path,
    copy: impl FnOnce() -> Result<Option<PathBuf>, StepError>,
) -> Result<Check, StepError> {
    let check = |result, detail: String| Check { name: TESTS.to_owned(), result, detail };
    let commands = &project.definition.evaluate.tests;
    if commands.is_empty() {
        return Ok(check(CheckResult::NotMeasurable, "the workflow names no tests".to_owned()));
    }
    let database = copy()?;
    let worktree = dir.join("worktree");
    let _ = std::fs::remove_dir_all(&worktree);
    let files: Files = change
        .files
        .iter()
        .map(|(path, text)| (path.clone(), Some(text.clone().into_bytes())))
        .collect();
    let repo = Repo::open(&project.root).map_err(step)?;
    repo.export_with(&change.base_commit, &files, &worktree).map_err(step)?;
    for argv in commands {
        let shown = argv.join(" ");
        cx.progress(&format!("running {shown}"));
        let mut command =
            Command::new(argv.clone(), &worktree, project.definition.evaluate.tests_timeout);
        command.output_cap = OUTPUT_CAP;
        if let Some(database) = &database {
            command.env.insert("KAIZEN_DATABASE".to_owned(), database.display().to_string());
        }
        let outcome = match command.run() {
            Ok(output) if output.success() => continue,
            Ok(output) => match output.status {
                Exit::Code(code) => {
                    format!("exit code {code}: {}", last_line(&output.stderr_text()))
                }
                Exit::Signal(signal) => format!("ended by signal {signal}"),
                Exit::TimedOut => "timed out".to_owned(),
            },
            Err(error) => error.to_string(),
        };
        return Ok(check(CheckResult::Failed, format!("{shown}: {outcome}")));
    }
    Ok(check(CheckResult::Passed, format!("{} of {0} commands passed", commands.len())))
}

fn last_line(text: &str) -> String {
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no output").to_owned()
}
