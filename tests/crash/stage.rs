//! A project at the moments before its two commands, killed there and carried on.

use crate::common::{HARMFUL, HELPFUL, Project, Ran, WORKFLOW, ran};
use std::{collections::BTreeMap, path::Path, process::Command};
use tempfile::TempDir;

pub const START: &[&str] = &["start", WORKFLOW, "--apply", "--change", "change.toml"];
pub const APPROVE: &[&str] = &["approve", "r1", "--reason", "tested", "--resume"];
pub const REJECT: &[&str] = &["reject", "r1", "--reason", "not now"];
/// Nobody decides: where `start` leads is where it stays.
pub const WAIT: &[&str] = &["show", "r1"];

/// How often one kill is tried where noise made the verdict another one.
pub const TRIES: u32 = 4;

/// One road to an outcome: `start`, then a decision.
pub struct Scenario {
    pub change: &'static str,
    pub decision: &'static [&'static str],
    pub outcome: &'static str,
}

pub const KEPT: Scenario = Scenario { change: HELPFUL, decision: APPROVE, outcome: "kept" };
pub const ROLLED_BACK: Scenario =
    Scenario { change: HARMFUL, decision: APPROVE, outcome: "rolled_back" };
pub const WAITING: Scenario =
    Scenario { change: HELPFUL, decision: WAIT, outcome: "waiting_approval" };
pub const REJECTED: Scenario = Scenario { change: HELPFUL, decision: REJECT, outcome: "rejected" };

/// Everything that must be the same however often a run was killed.
#[derive(Debug, PartialEq)]
pub struct Picture {
    pub outcome: String,
    /// Phases named in the trailers of the commits with this run's id, newest first.
    pub commits: Vec<String>,
    /// How many commits the remote has, and whether its last is ours.
    pub pushed: (usize, bool),
    pub files: String,
    pub status: String,
    /// Schema and rows of the target.
    pub contents: Vec<String>,
    pub markers: Vec<(String, String)>,
    pub history: Vec<String>,
    /// Versions of each model.
    pub models: BTreeMap<String, i64>,
    /// Held leases, runs with an owner, unanswered operators' commands, copies left behind.
    pub left: Vec<String>,
}

/// A project at two moments, and where it can be put back to them.
pub struct Stage {
    pub project: Project,
    pub saved: TempDir,
    pub scenario: &'static Scenario,
    /// Points passed by `start` and by the decision.
    pub points: [Vec<String>; 2],
    pub undisturbed: Picture,
}

impl Stage {
    pub fn set(scenario: &'static Scenario) -> Stage {
        Stage::set_in(scenario, &std::env::temp_dir())
    }

    pub fn set_in(scenario: &'static Scenario, folder: &Path) -> Stage {
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
    pub fn back_to(&self, moment: usize) {
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

    pub fn command(&self, moment: usize) -> &'static [&'static str] {
        [START, self.scenario.decision][moment]
    }

    /// Runs a command that is to die at a point; whether it did.
    pub fn killed_at(&self, command: &[&str], point: &str) -> bool {
        let mut command = self.project.command(command);
        let done = ran(&command.env("KAIZEN_CRASH_AT", point).output().unwrap());
        done.code == -1
    }

    /// What a person would type next.
    pub fn next(&self) -> Option<&'static [&'static str]> {
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
    pub fn carries_on(&self, killed: &str) -> bool {
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
    pub fn kill_everywhere(&self, moment: usize) -> usize {
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

pub const REMOTE: &str = "origin.git";

pub fn save(project: &Project, saved: &TempDir, moment: usize) {
    copy(project.path(), &saved.path().join(moment.to_string()));
    copy(&saved.path().join(REMOTE), &saved.path().join(format!("{moment}{REMOTE}")));
}

pub fn picture(project: &Project) -> Picture {
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
pub fn numbered(trace: &str) -> Vec<String> {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    let number = |name| {
        let count = seen.entry(name).or_default();
        *count += 1;
        format!("{name}#{count}")
    };
    trace.lines().map(number).collect()
}

pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    let done = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(done.success(), "cp -a {} {}", from.display(), to.display());
}
