//! What keeps Kaizen from committing, and what does not.

use super::*;

fn blockers(fixture: &Fixture) -> Vec<Blocker> {
    match fixture.repo.preconditions() {
        Err(Error::Blocked(blockers)) => blockers,
        other => panic!("expected blockers, got {other:?}"),
    }
}

#[test]
fn an_ordinary_repository_passes() {
    let fixture = Fixture::new();
    let hooks = fixture.dir.path().join(".git/hooks");
    script(&hooks.join("pre-commit.sample"), "#!/bin/sh\n");
    script(&hooks.join("pre-push"), "#!/bin/sh\n");
    fs::write(hooks.join("commit-msg"), "not executable").unwrap();
    fixture.repo.preconditions().unwrap();
}

#[test]
fn an_executable_hook_is_named_wherever_it_lives() {
    let fixture = Fixture::new();
    script(&fixture.dir.path().join(".git/hooks/pre-commit"), "#!/bin/sh\n");
    assert!(
        matches!(&blockers(&fixture)[..], [Blocker::Hook { name, .. }] if name == "pre-commit")
    );
    fixture.git(&["config", "core.hooksPath", "tools/hooks"]);
    fixture.repo.preconditions().expect("the hook is not in the configured directory");
    script(&fixture.dir.path().join("tools/hooks/commit-msg"), "#!/bin/sh\n");
    assert!(
        matches!(&blockers(&fixture)[..], [Blocker::Hook { name, .. }] if name == "commit-msg")
    );
    let text = fixture.repo.preconditions().unwrap_err().to_string();
    assert!(text.contains("the hook commit-msg"), "{text}");
}

#[test]
fn a_hook_in_the_configuration_is_a_hook() {
    let fixture = Fixture::new();
    fixture.git(&["config", "hook.lint.event", "pre-commit"]);
    fixture.git(&["config", "hook.lint.command", "lint"]);
    assert!(
        matches!(&blockers(&fixture)[..], [Blocker::ConfiguredHook { event, .. }] if event == "pre-commit")
    );
}

#[test]
fn required_signing_is_refused() {
    let fixture = Fixture::new();
    fixture.git(&["config", "commit.gpgSign", "true"]);
    assert_eq!(blockers(&fixture), [Blocker::Signing]);
}

#[test]
fn lfs_is_refused_in_the_worktree_and_at_head() {
    let fixture = Fixture::new();
    fixture.write("assets/.gitattributes", "# filter=none\n*.bin filter=lfs diff=lfs -text\n");
    fixture.repo.preconditions().expect("an untracked attributes file deep down counts for nobody");
    fixture.git(&["add", "--all"]);
    let lfs = |file: &str| Blocker::Filter { name: "lfs".to_owned(), file: file.to_owned() };
    assert_eq!(blockers(&fixture), [lfs("assets/.gitattributes")]);
    fixture.git(&["commit", "--quiet", "--message=LFS"]);
    fs::remove_file(fixture.dir.path().join("assets/.gitattributes")).unwrap();
    assert_eq!(blockers(&fixture), [lfs("assets/.gitattributes")]);
    fixture.write(".gitattributes", "*.png filter=lfs\n");
    assert_eq!(blockers(&fixture).len(), 2);
}

#[test]
fn an_unfinished_merge_and_a_shallow_clone_are_refused() {
    let fixture = Fixture::new();
    fixture.git(&["checkout", "--quiet", "-b", "side"]);
    fixture.deploy_on_side();
    fixture.git(&["checkout", "--quiet", "main"]);
    fixture.git(&["merge", "--quiet", "--no-commit", "--no-ff", "side"]);
    assert!(matches!(&blockers(&fixture)[..], [Blocker::InProgress { what }] if what == "a merge"));

    let dir = tempfile::tempdir().unwrap();
    let url = format!("file://{}", fixture.dir.path().display());
    git(dir.path(), &["clone", "--quiet", "--depth=1", "--branch=side", &url, "clone"]);
    let clone = Repo::open(&dir.path().join("clone")).unwrap();
    assert!(
        matches!(clone.preconditions(), Err(Error::Blocked(b)) if b.contains(&Blocker::Shallow))
    );
}

#[test]
fn tracked_changes_leave_out_untracked_and_ignored_files() {
    let fixture = Fixture::new();
    fixture.write(".gitignore", "*.log\n");
    fixture.write("noise.log", "x");
    fixture.write("untracked", "x");
    assert!(fixture.repo.tracked_changes().unwrap().is_empty());
    fixture.write("README.md", "changed");
    fixture.write("staged", "x");
    fixture.git(&["add", "staged"]);
    fs::remove_file(fixture.dir.path().join("migrations/001_start.sql")).unwrap();
    let changes = fixture.repo.tracked_changes().unwrap();
    assert_eq!(changes, ["README.md", "migrations/001_start.sql", "staged"]);
}

impl Fixture {
    fn deploy_on_side(&self) {
        self.write("side", "x");
        self.git(&["add", "side"]);
        self.git(&["commit", "--quiet", "--message=Side"]);
    }
}
