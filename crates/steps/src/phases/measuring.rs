//! What preflight and evaluation measure alike: tests in a scratch worktree, then the change
//! against its absence on equal copies.

use super::{seed, step, time_left};
use crate::{
    adapters::{
        git::Repo,
        process::{Command, Confine, Held},
    },
    evidence::{Limits, Objective},
    payload::{self, Check, CheckResult, Evidence, Kind, Verdict},
    project::Project,
    targets::command::worktree,
    targets::sqlite::{
        Workload, compare,
        copies::{self, Change},
    },
};
use kaizen_engine::{
    step::{Context, StepError},
    workflow::Confinement,
};
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

/// What the commands that run a change's code are kept to, their folders aside; `None`: to nothing.
pub fn confine(project: &Project) -> Option<Confine> {
    let confine = &project.definition.confine;
    let mebibytes = |count: u32| u64::from(count) << 20;
    (confine.mode != Confinement::Off).then(|| Confine {
        write: confine.write.iter().map(|folder| project.root.join(folder)).collect(),
        network: confine.network,
        memory_bytes: mebibytes(confine.memory_mb),
        file_bytes: mebibytes(confine.file_mb),
        require: confine.mode == Confinement::Require,
    })
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
    let repo = Repo::open(&project.root).map_err(step)?;
    repo.export_with(&change.base_commit, &change.staged(), &worktree).map_err(step)?;
    let tmp = dir.join("tmp");
    std::fs::create_dir_all(&tmp)
        .map_err(|e| StepError::operator("scratch", format!("{}: {e}", tmp.display())))?;
    let mut held = Held::NOTHING;
    for argv in commands {
        let shown = argv.join(" ");
        cx.progress(&format!("running {shown}"));
        let mut command =
            Command::new(argv.clone(), &worktree, project.definition.evaluate.tests_timeout);
        command.output_cap = OUTPUT_CAP;
        command.env.insert("TMPDIR".to_owned(), tmp.display().to_string());
        command.env.insert("GIT_CEILING_DIRECTORIES".to_owned(), dir.display().to_string());
        if let Some(database) = &database {
            command.env.insert("KAIZEN_DATABASE".to_owned(), database.display().to_string());
        }
        command.confine = confine(project).map(|mut confine| {
            confine.write.push(dir.to_owned());
            confine
        });
        let why = match command.run() {
            Ok(output) => {
                held = output.held.unwrap_or(Held::NOTHING);
                worktree::outcome(&output)
            }
            Err(error) => Some(error.to_string()),
        };
        if let Some(why) = why {
            return Ok(check(CheckResult::Failed, format!("{shown}: {why}")));
        }
    }
    let detail = format!("{} of {0} commands passed, {}", commands.len(), held.words());
    Ok(check(CheckResult::Passed, detail))
}
