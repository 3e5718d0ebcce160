//! Real repositories in temporary directories, driven through git2 and, where it is git's
//! behaviour that counts, through the `git` program.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod checks;
mod commit;
mod paths;
mod push;
mod read;
mod worktree;

use super::*;
use std::{fs, process::Command};
use tempfile::TempDir;

/// A repository with one commit on `main`.
pub struct Fixture {
    pub dir: TempDir,
    pub repo: Repo,
}

pub const AUTHOR: (&str, &str) = ("Ada", "ada@example.org");
pub const MESSAGE: &str = "Add an index\n\nWhy.\n\nKaizen-Run: r1\nKaizen-Phase: deploy";
pub const HASH: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

impl Fixture {
    pub fn new() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        git(dir.path(), &["init", "--quiet", "--initial-branch=main"]);
        // Whatever the machine's own configuration says.
        let settings = [
            ("user.name", "Grace"),
            ("user.email", "grace@example.org"),
            ("commit.gpgSign", "false"),
            ("core.hooksPath", ".git/hooks"),
            ("core.autocrlf", "false"),
        ];
        for (key, value) in settings {
            git(dir.path(), &["config", key, value]);
        }
        fs::create_dir_all(dir.path().join(".git/hooks")).unwrap();
        let mut fixture = Fixture { repo: Repo::open(dir.path()).unwrap(), dir };
        fixture.write("README.md", "# App\n");
        fixture.write("migrations/001_start.sql", "CREATE TABLE t (a);\n");
        fixture.git(&["add", "--all"]);
        fixture.git(&["commit", "--quiet", "--message=Start"]);
        fixture.reopen();
        fixture
    }

    pub fn git(&self, args: &[&str]) -> String {
        git(self.dir.path(), args)
    }

    pub fn write(&self, path: &str, content: &str) {
        let file = self.dir.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    pub fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.dir.path().join(path)).ok()
    }

    pub fn reopen(&mut self) {
        self.repo = Repo::open(self.dir.path()).unwrap();
    }

    pub fn head(&self) -> Head {
        self.repo.head(None).unwrap()
    }

    pub fn plan(&self, changes: &Files) -> CommitPlan {
        self.repo.plan_commit(&self.head(), changes, AUTHOR, 1_700_000_000, MESSAGE).unwrap()
    }

    /// Commits and brings the worktree along; answers where the branch was and where it is.
    pub fn deploy(&self, changes: &Files) -> (String, String) {
        let plan = self.plan(changes);
        let id = self.repo.commit(&plan, HASH).unwrap();
        self.repo.sync_worktree("main", &plan.parent, &id).unwrap();
        (plan.parent, id)
    }
}

pub fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git").args(args).current_dir(dir).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?}: {said}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

pub fn files(changes: &[(&str, Option<&str>)]) -> Files {
    changes
        .iter()
        .map(|(path, content)| ((*path).to_owned(), content.map(|text| text.as_bytes().to_vec())))
        .collect()
}

pub fn script(path: &Path, content: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
