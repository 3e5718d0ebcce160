//! A run killed at every crash point, and at random times by SIGKILL, ends as an undisturbed one.
//!
//! Needs the feature `crash-points`. An undisturbed run tells which points it passes; then, from
//! the very same beginning, a process is killed at each of them, each time that it is passed, and
//! whatever is left is carried on to its end. Deliberately thinned out: `start` is killed only on
//! the way to the kept change, because all three scenarios take the same road up to the gate.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
#[path = "../crates/engine/tests/storage_faults/disk.rs"]
mod disk;
use common::{HARMFUL, HELPFUL, Project, Ran, WORKFLOW, ran};
use disk::Disk;
use kaizen_engine::journal::{Effect, Phase};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
    time::Duration,
};
use tempfile::TempDir;

const START: &[&str] = &["start", WORKFLOW, "--apply", "--change", "change.toml"];
const APPROVE: &[&str] = &["approve", "r1", "--reason", "tested", "--resume"];
const REJECT: &[&str] = &["reject", "r1", "--reason", "not now"];
/// Nobody decides: where `start` leads is where it stays.
const WAIT: &[&str] = &["show", "r1"];

/// How often one kill is tried where noise made the verdict another one.
const TRIES: u32 = 4;

/// One road to an outcome: `start`, then a decision.
struct Scenario {
    change: &'static str,
    decision: &'static [&'static str],
    outcome: &'static str,
}

const KEPT: Scenario = Scenario { change: HELPFUL, decision: APPROVE, outcome: "kept" };
const ROLLED_BACK: Scenario =
    Scenario { change: HARMFUL, decision: APPROVE, outcome: "rolled_back" };
const WAITING: Scenario = Scenario { change: HELPFUL, decision: WAIT, outcome: "waiting_approval" };
const REJECTED: Scenario = Scenario { change: HELPFUL, decision: REJECT, outcome: "rejected" };

/// Everything that must be the same however often a run was killed.
#[derive(Debug, PartialEq)]
struct Picture {
    outcome: String,
    /// Phases named in the trailers of the commits with this run's id, newest first.
    commits: Vec<String>,
    /// How many commits the remote has, and whether its last is ours.
    pushed: (usize, bool),
    files: String,
    status: String,
    /// Schema and rows of the target.
    contents: Vec<String>,
    markers: Vec<(String, String)>,
    history: Vec<String>,
    /// Versions of each model.
    models: BTreeMap<String, i64>,
    /// Held leases, runs with an owner, unanswered operators' commands, copies left behind.
    left: Vec<String>,
}

/// A project at two moments, and where it can be put back to them.
struct Stage {
    project: Project,
    saved: TempDir,
    scenario: &'static Scenario,
    /// Points passed by `start` and by the decision.
    points: [Vec<String>; 2],
    undisturbed: Picture,
}

impl Stage {
    fn set(scenario: &'static Scenario) -> Stage {
        Stage::set_in(scenario, &std::env::temp_dir())
    }

    fn set_in(scenario: &'static Scenario, folder: &Path) -> Stage {
        let stage = (0..TRIES).map(|_| Stage::try_set(scenario, folder));
        let mut quiet = stage.filter(|stage| stage.undisturbed.outcome == scenario.outcome);
        quiet.next().expect("an undisturbed run ends as it should")
    }

    fn try_set(scenario: &'static Scenario, folder: &Path) -> Stage {
        let project = Project::quick_in(folder);
        let saved = TempDir::new().unwrap();
        let remote = saved.path().join(REMOTE).display().to_string();
        project.git(&["clone", "-q", "--bare", ".", &remote]);
        project.git(&["remote", "add", "origin", &remote]);
        project.edit_workflow("push = false", "push = true ");
        project.change("change.toml", scenario.change);
        let mut points = [Vec::new(), Vec::new()];
        for (at, command) in [START, scenario.decision].into_iter().enumerate() {
            save(&project, &saved, at);
            let trace = saved.path().join(format!("trace{at}"));
            let mut command = project.command(command);
            let done = ran(&command.env("KAIZEN_CRASH_TRACE", &trace).output().unwrap());
            assert!(done.code >= 0, "{done:?}");
            // A command that only reads passes none.
            points[at] = numbered(&std::fs::read_to_string(&trace).unwrap_or_default());
        }
        let undisturbed = picture(&project);
        Stage { project, saved, scenario, points, undisturbed }
    }

    /// Puts everything back to before `start` (0) or before the decision (1).
    fn back_to(&self, moment: usize) {
        for entry in std::fs::read_dir(self.project.path()).unwrap().flatten() {
            // An approval binds to the very file: the database is written over, not replaced.
            if entry.path().is_dir() {
                std::fs::remove_dir_all(entry.path()).unwrap();
            } else if entry.file_name() != "app.db" {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
        let saved = |what: &str| self.saved.path().join(format!("{moment}{what}"));
        copy(&saved(""), self.project.path());
        // Somebody else's machine: saved and put back alike, but nothing that happens here reaches it.
        let remote = self.saved.path().join(REMOTE);
        std::fs::remove_dir_all(&remote).unwrap();
        copy(&saved(REMOTE), &remote);
    }

    fn command(&self, moment: usize) -> &'static [&'static str] {
        [START, self.scenario.decision][moment]
    }

    /// Runs a command that is to die at a point; whether it did.
    fn killed_at(&self, command: &[&str], point: &str) -> bool {
        let mut command = self.project.command(command);
        let done = ran(&command.env("KAIZEN_CRASH_AT", point).output().unwrap());
        done.code == -1
    }

    /// What a person would type next.
    fn next(&self) -> Option<&'static [&'static str]> {
        let shown = self.project.kaizen(&["show", "r1", "--json"]);
        if shown.code != 0 {
            let code = &shown.json()["error"]["code"];
            assert!(
                ["no_journal", "no_such_run"].iter().any(|none| code == none),
                "no run, and not because there never was one: {shown:?}"
            );
            return Some(START);
        }
        match shown.json()["status"].as_str().unwrap() {
            "finished" => None,
            // Nothing but our own death held anything up.
            "sleeping" => panic!("it sleeps: {}", self.project.kaizen(&["why", "r1"]).stdout),
            "waiting_approval" if self.scenario.decision == WAIT => None,
            "waiting_approval" => Some(self.scenario.decision),
            _ => Some(&["resume", "r1"]),
        }
    }

    /// Carries on with whatever a killed process left, and compares with the undisturbed run.
    /// False: the machine was too noisy to measure on, which says nothing about crashes.
    fn carries_on(&self, killed: &str) -> bool {
        let mut typed: Vec<Ran> = Vec::new();
        while let Some(command) = self.next() {
            assert!(typed.len() < 6, "killed at {killed}: no end in sight: {typed:#?}");
            typed.push(self.project.kaizen(command));
        }
        if self.project.show("r1")["evidence"]["verdict"] == "inconclusive" {
            println!("killed at {killed}: noise, once more");
            return false;
        }
        let found = picture(&self.project);
        let told = || self.project.kaizen(&["why", "r1"]).stdout;
        assert_eq!(found, self.undisturbed, "killed at {killed}\n{typed:#?}\n{}", told());
        let verified = self.project.kaizen(&["audit", "verify", "--json"]);
        assert_eq!(verified.code, 0, "killed at {killed}: {}", verified.stdout);
        true
    }

    /// Kills at each of the points of one command.
    fn kill_everywhere(&self, moment: usize) -> usize {
        for point in &self.points[moment] {
            let ended = (0..TRIES).any(|_| {
                self.back_to(moment);
                assert!(self.killed_at(self.command(moment), point), "{point} was not passed");
                self.carries_on(point)
            });
            assert!(ended, "{point}: too noisy, {TRIES} times over");
        }
        self.points[moment].len()
    }
}

const REMOTE: &str = "origin.git";

fn save(project: &Project, saved: &TempDir, moment: usize) {
    copy(project.path(), &saved.path().join(moment.to_string()));
    copy(&saved.path().join(REMOTE), &saved.path().join(format!("{moment}{REMOTE}")));
}

fn picture(project: &Project) -> Picture {
    let journal = project.journal();
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = journal.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let run = texts("SELECT uuid FROM runs").pop().unwrap();
    let log = project.git(&[
        "log",
        "--format=%(trailers:key=Kaizen-Run,valueonly,separator=) %(trailers:key=Kaizen-Phase,valueonly,separator=)",
    ]);
    let mine = log.lines().filter_map(|line| line.strip_prefix(&run).map(str::trim));
    let mut left = texts(
        "SELECT 'lease of ' || target FROM target_leases WHERE run IS NOT NULL
         UNION ALL SELECT 'owner of run ' || id FROM runs WHERE owner IS NOT NULL
         UNION ALL SELECT 'inbox ' || command FROM inbox WHERE answer IS NULL",
    );
    for folder in [".kaizen/scratch", ".git"] {
        let entries = std::fs::read_dir(project.file(folder)).into_iter().flatten();
        let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        left.extend(
            names
                .filter(|name| folder != ".git" || name.starts_with("kaizen-"))
                .map(|name| format!("{folder}/{name}")),
        );
    }
    let remote = project.git(&["remote", "get-url", "origin"]);
    let pushed = project.git(&["-C", remote.trim(), "log", "--format=%H", "main"]);
    let pushed: Vec<_> = pushed.lines().collect();
    let last = project.git(&["rev-parse", "HEAD"]);
    let models = texts("SELECT name || ' ' || count(*) FROM models GROUP BY name");
    let model = |line: String| {
        let (name, versions) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), versions.parse().unwrap())
    };
    Picture {
        outcome: texts("SELECT coalesce(outcome, status) FROM runs").join(", "),
        commits: mine.map(str::to_owned).collect(),
        pushed: (pushed.len(), pushed.first() == Some(&last.trim())),
        files: project.git(&["ls-tree", "-r", "HEAD"]),
        status: project.git(&["status", "--porcelain", "--", ":!change.toml"]),
        contents: project.contents(),
        markers: markers(project),
        history: texts("SELECT run || '/' || revision || ' ' || outcome FROM history"),
        models: models.into_iter().map(model).collect(),
        left,
    }
}

fn markers(project: &Project) -> Vec<(String, String)> {
    let db = project.db();
    if !db.table_exists(None, "kaizen_applied").unwrap() {
        return Vec::new();
    }
    let sql = "SELECT effect, direction FROM kaizen_applied ORDER BY direction DESC";
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// `name#n`, n counting how often the name came before.
fn numbered(trace: &str) -> Vec<String> {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    let number = |name| {
        let count = seen.entry(name).or_default();
        *count += 1;
        format!("{name}#{count}")
    };
    trace.lines().map(number).collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let done = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(done.success(), "cp -a {} {}", from.display(), to.display());
}

#[test]
fn a_run_that_is_kept_survives_every_crash_point() {
    let stage = Stage::set(&KEPT);
    assert_eq!(stage.undisturbed.commits, ["deploy"]);
    assert_eq!(stage.undisturbed.markers, [("up".to_owned(), "up".to_owned())]);
    assert_eq!(stage.undisturbed.left, Vec::<String>::new());
    assert!(stage.undisturbed.pushed.1, "the deployment was pushed");
    let killed = stage.kill_everywhere(0) + stage.kill_everywhere(1);
    println!("kept: {killed} kills");
    assert!(killed > 70, "only {killed} points: where are the others?");
}

#[test]
fn a_run_that_is_rolled_back_survives_every_crash_point() {
    let stage = Stage::set(&ROLLED_BACK);
    assert_eq!(stage.undisturbed.commits, ["evaluate", "deploy"]);
    assert_eq!(stage.undisturbed.markers.len(), 2);
    every_effect_has_its_points(&stage.points[1]);
    let killed = stage.kill_everywhere(1);
    println!("rolled back: {killed} kills");
    assert!(killed > 100, "only {killed} points: where are the others?");
}

/// Each effect passes a point before it is announced, before it is done and after it; each phase
/// one before its work and one before its checkpoint; each journal write one on both sides.
fn every_effect_has_its_points(points: &[String]) {
    let passed: BTreeSet<_> =
        points.iter().filter_map(|point| Some(point.split_once('#')?.0)).collect();
    let effects = Effect::ALL.iter().flat_map(|effect| {
        ["before_announce", "announced", "before", "after"]
            .map(|at| format!("effect.{effect}.{at}"))
    });
    // The phases up to the gate are passed by `start`.
    let phases = Phase::ALL.iter().filter(|phase| **phase >= Phase::Deploy);
    let phases =
        phases.flat_map(|phase| ["before", "after"].map(|at| format!("phase.{phase}.{at}")));
    let journal = ["before_commit", "after_commit"].map(|at| format!("journal.{at}"));
    for point in effects.chain(phases).chain(journal) {
        assert!(passed.contains(&*point), "{point} was not passed: {passed:?}");
    }
}

#[test]
fn a_run_that_waits_for_approval_survives_every_crash_point() {
    let stage = Stage::set(&WAITING);
    assert_eq!(stage.undisturbed.history, Vec::<String>::new());
    let killed = stage.kill_everywhere(0);
    println!("waiting: {killed} kills");
    assert!(killed > 15, "only {killed} points: where are the others?");
}

#[test]
fn a_run_that_is_rejected_survives_every_crash_point() {
    let stage = Stage::set(&REJECTED);
    assert_eq!(stage.undisturbed.commits, Vec::<String>::new());
    assert_eq!(stage.undisturbed.models, BTreeMap::new());
    let killed = stage.kill_everywhere(1);
    println!("rejected: {killed} kills");
    assert!(killed >= 8, "only {killed} points: where are the others?");
}

/// Every third point first, then one that comes a little later.
#[test]
fn a_second_crash_while_carrying_on_changes_nothing() {
    let stage = Stage::set(&ROLLED_BACK);
    let points = &stage.points[1];
    let mut twice = 0;
    for (nth, first) in points.iter().enumerate().step_by(3) {
        let own_name = |point: &&String| !point.starts_with("journal.");
        let ahead = points.iter().skip(nth + 1 + nth / 3 % 7).find(own_name);
        stage.back_to(1);
        assert!(stage.killed_at(stage.command(1), first), "{first} was not passed again");
        let (Some(command), Some(second)) = (stage.next(), ahead) else { continue };
        twice += usize::from(stage.killed_at(command, second));
        stage.carries_on(&format!("{first}, then {second}"));
    }
    println!("killed twice: {twice}");
    assert!(twice >= 20, "only {twice} runs were killed twice");
}

/// SIGKILL whenever it comes, up to three times a run; the times are drawn from a fixed seed.
#[test]
fn sigkill_at_random_times_changes_nothing() {
    let stage = Stage::set(&ROLLED_BACK);
    let (mut seed, mut killed) = (0x5eed_u64, 0);
    for attempt in 0..10 {
        stage.back_to(1);
        stage.project.kaizen(&["approve", "r1", "--reason", "tested"]).exits(0);
        for _ in 0..3 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut child = stage.project.command(&["resume", "r1"]);
            let child = child.stdout(std::process::Stdio::null());
            let mut child = child.stderr(std::process::Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis((seed >> 33) % 350));
            child.kill().unwrap();
            killed += u32::from(child.wait().unwrap().code().is_none());
        }
        stage.carries_on(&format!("SIGKILL, attempt {attempt}"));
    }
    println!("SIGKILL: {killed} of 30 hit a living process");
    assert!(killed >= 10, "only {killed} were killed in time");
}

/// Cancelled instead of carried on; and killed once more while that is being undone.
#[test]
fn a_run_cancelled_after_a_crash_is_undone() {
    let stage = Stage::set(&KEPT);
    let (mut cancelled, mut twice) = (0, 0);
    for point in &stage.points[1] {
        let telling = ["effect.", "git.", "script."].iter().any(|kind| point.starts_with(kind));
        if !telling || point.ends_with("before_announce#1") {
            continue;
        }
        stage.back_to(1);
        let before = picture(&stage.project);
        assert!(stage.killed_at(stage.command(1), point), "{point} was not passed");
        let again = ["script.down.after_commit", "git.commit.written", "git.index.locked"];
        let cancel = ["cancel", "r1", "--reason", "enough"];
        if stage.killed_at(&cancel, again[cancelled % again.len()]) {
            twice += 1;
            stage.project.kaizen(&["resume", "r1"]).exits(1);
        }
        cancelled += 1;
        let after = picture(&stage.project);
        let told = || stage.project.kaizen(&["why", "r1"]).stdout;
        assert_eq!(after.outcome, "cancelled", "killed at {point}: {}", told());
        assert_eq!(after.contents, before.contents, "killed at {point}");
        assert_eq!((&after.files, &after.status), (&before.files, &before.status), "{point}");
        assert_eq!(after.left, Vec::<String>::new(), "killed at {point}");
        assert_eq!(after.commits.len() % 2, 0, "killed at {point}: {:?}", after.commits);
        assert_eq!(stage.project.kaizen(&["audit", "verify"]).code, 0, "killed at {point}");
    }
    println!("cancelled after a crash: {cancelled}, of these killed once more: {twice}");
    assert!(cancelled >= 15 && twice >= 5, "{cancelled}, {twice}");
}

/// Retention killed at every point: what it has not taken by then, it takes when asked again.
#[test]
fn retention_survives_every_crash_point() {
    let stage = Stage::set(&REJECTED);
    let project = &stage.project;
    save(project, &stage.saved, 2);
    let compact: &[&str] = &["journal", "compact", "--older-than", "0s"];
    let trace = stage.saved.path().join("trace2");
    let mut command = project.command(compact);
    ran(&command.env("KAIZEN_CRASH_TRACE", &trace).output().unwrap()).exits(0);
    let seen = || {
        let sql = "SELECT (SELECT count(*) FROM artifacts), (SELECT count(*) FROM unneeded),
                          count(*) FILTER (WHERE event = ''), count(*) FROM events";
        let told =
            |row: &rusqlite::Row<'_>| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]);
        let seen: [i64; 4] = project.journal().query_row(sql, [], told).unwrap();
        seen
    };
    let undisturbed = seen();
    assert_eq!(undisturbed[1], 0, "nothing is left to look for");
    let points = numbered(&std::fs::read_to_string(&trace).unwrap());
    for point in &points {
        stage.back_to(2);
        assert!(stage.killed_at(compact, point), "{point} was not passed");
        project.kaizen(&["audit", "verify"]).exits(0);
        project.kaizen(compact).exits(0);
        assert_eq!(seen(), undisturbed, "killed at {point}");
        project.kaizen(&["audit", "verify"]).exits(0);
    }
    println!("retention: {} kills", points.len());
    assert!(points.len() >= 6, "only {points:?}");
}

/// The power goes at a point: the process dies, and of the journal, the repository, the worktree
/// and the target, all on one disk, what was never synced is gone with it.
#[test]
fn a_power_cut_at_every_second_point_changes_nothing() {
    let Some(mut disk) = Disk::image(128) else { return };
    let stage = Stage::set_in(&ROLLED_BACK, &disk.path());
    let points: Vec<_> = stage.points[1].iter().step_by(2).collect();
    for point in &points {
        let ended = (0..TRIES).any(|_| {
            stage.back_to(1);
            disk.syncs();
            assert!(stage.killed_at(stage.command(1), point), "{point} was not passed");
            let copy = disk.copied();
            disk.comes_back(copy);
            stage.carries_on(&format!("a power cut at {point}"))
        });
        assert!(ended, "{point}: too noisy, {TRIES} times over");
    }
    println!("{} power cuts", points.len());
    assert!(points.len() > 30, "only {points:?}");
}
