//! Bad input: the git repository. What git2 would bypass is refused by name, an approval holds for
//! what was approved and nothing else, and a rejected push has touched no database.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
use common::{HELPFUL, Project, WORKFLOW};
use insta::assert_snapshot;

const START: &[&str] = &["start", WORKFLOW];
const APPLY: &[&str] = &["start", WORKFLOW, "--apply"];
const INIT: &[&str] = &["init", "--sqlite", "app.db", "--workload", "workload/*.sql"];

#[test]
fn not_a_git_repository() {
    let project = Project::new();
    std::fs::remove_dir_all(project.file(".git")).unwrap();
    assert_snapshot!(project.refuses(START, 2, "git_not_a_repository"), @r#"
    error: [dir] is not in a git repository
    next:  git init && git add -A && git commit -m 'Begin'
    "#);
    let bare = Project::bare();
    std::fs::remove_dir_all(bare.file(".git")).unwrap();
    assert_snapshot!(bare.refuses(INIT, 2, "git_not_a_repository"), @r#"
    error: [dir] is not in a git repository
    next:  git init && git add -A && git commit -m 'Begin'
    "#);
    assert!(!bare.file("kaizen.toml").exists());
}

#[test]
fn a_repository_without_a_commit() {
    let project = Project::new();
    std::fs::remove_dir_all(project.file(".git")).unwrap();
    project.git(&["init", "-q", "-b", "main"]);
    assert_snapshot!(project.refuses(START, 2, "git_unborn_branch"), @r#"
    error: the branch "main" has no commit yet, so there is nothing to base a change on
    next:  git add -A && git commit -m 'Begin'
    "#);
}

#[test]
fn a_detached_head() {
    let project = Project::new();
    project.git(&["checkout", "-q", "--detach"]);
    assert_snapshot!(project.refuses(START, 2, "git_detached_head"), @r#"
    error: HEAD of [dir] is detached at [id], on no branch that could move
    next:  git switch BRANCH   (git branch lists them)
    "#);
    assert_snapshot!(project.refuses(APPLY, 2, "git_detached_head"), @r#"
    error: HEAD of [dir] is detached at [id], on no branch that could move
    next:  git switch BRANCH   (git branch lists them)
    "#);
}

#[test]
fn a_missing_branch() {
    let project = Project::new();
    project.edit_workflow("# branch = \"main\"", "branch = \"release\"");
    assert_snapshot!(project.refuses(START, 2, "git_missing_branch"), @r#"
    error: there is no local branch "release"
    next:  git branch   (then mend `branch` under [deploy] in workflows/sqlite-index-tuning.toml)
    "#);
}

#[test]
fn tracked_changes_block_a_deployment_and_no_dry_run() {
    let project = Project::new();
    let before = project.read(".gitignore");
    project.write(".gitignore", &format!("{before}# mine\n"));
    project.write("untracked.txt", "mine\n");
    assert_snapshot!(project.refuses(APPLY, 2, "tracked_changes"), @r#"
    error: tracked files have uncommitted changes, which a deployment must not mix with: .gitignore
    next:  git commit -a   # or: git stash; or a dry run, without --apply
    "#);
    let file = project.change("helpful.toml", HELPFUL);
    project.kaizen(&["start", WORKFLOW, "--change", &file]).exits(0);
    assert_eq!(project.read(".gitignore"), format!("{before}# mine\n"));
}

#[test]
fn tracked_changes_made_while_the_approval_was_awaited() {
    let project = Project::new();
    let file = project.change("helpful.toml", HELPFUL);
    project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    project.write("workload/by_owner.sql", "-- name: mine\nSELECT 1;\n");
    let standing = project.standing();
    let approve = ["approve", "r1", "--reason", "clear", "--resume", "--json"];
    let ended = project.kaizen(&approve).exits(3).json();
    assert_eq!(ended["status"], "needs_operator", "{ended}");
    assert_eq!(ended["error"]["code"], "tracked_changes", "{ended}");
    let message = ended["error"]["message"].as_str().unwrap();
    assert!(message.contains("workload/by_owner.sql"), "{message}");
    assert_eq!(project.standing(), standing);
    // Once they are out of the way the approval still holds.
    project.git(&["checkout", "--", "workload/by_owner.sql"]);
    project.kaizen(&["resume", "r1"]).exits(0);
    project.verifies();
}

#[cfg(unix)]
#[test]
fn a_hook() {
    use std::os::unix::fs::PermissionsExt as _;
    let project = Project::new();
    project.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(project.file(".git/hooks/pre-commit"), mode).unwrap();
    assert_snapshot!(project.refuses(APPLY, 2, "git_blocked"), @r#"
    error: this repository needs what kaizen's commits would bypass: the hook pre-commit ([dir]/.git/hooks/pre-commit)
    next:  kaizen doctor
    "#);
    let doctor = project.kaizen(&["doctor"]).exits(1).stdout;
    assert!(doctor.contains("pre-commit") && doctor.contains("mend:"), "{doctor}");
}

#[test]
fn large_file_storage() {
    let project = Project::new();
    project.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    project.git(&["add", ".gitattributes"]);
    project.git(&["-c", "filter.lfs.required=false", "commit", "-qm", "Track large files"]);
    assert_snapshot!(project.refuses(APPLY, 2, "git_blocked"), @r#"
    error: this repository needs what kaizen's commits would bypass: Git LFS (.gitattributes)
    next:  kaizen doctor
    "#);
}

#[test]
fn required_signing() {
    let project = Project::new();
    project.git(&["config", "commit.gpgsign", "true"]);
    assert_snapshot!(project.refuses(APPLY, 2, "git_blocked"), @r#"
    error: this repository needs what kaizen's commits would bypass: signed commits (commit.gpgSign is true)
    next:  kaizen doctor
    "#);
}

#[test]
fn a_merge_under_way() {
    let project = Project::new();
    project.write(".git/MERGE_HEAD", &project.git(&["rev-parse", "HEAD"]));
    let read = project.refuses(APPLY, 2, "git_blocked");
    assert!(read.contains("a merge"), "{read}");
}

/// Digest of what is asked now.
fn digest(project: &Project, run: &str) -> String {
    let shown = project.kaizen(&["show", run, "--json"]).exits(0).json();
    shown["change"]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn a_commit_by_someone_else_voids_the_approval() {
    let project = Project::new();
    let file = project.change("helpful.toml", HELPFUL);
    project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    let approved = digest(&project, "r1");
    project.kaizen(&["approve", "r1", "--reason", "clear", "--digest", &approved]).exits(0);
    project.write("README.md", "Somebody else was here.\n");
    project.git(&["add", "README.md"]);
    project.git(&["commit", "-qm", "Say something"]);
    let standing = project.standing();
    let resumed = project.kaizen(&["resume", "r1"]).exits(3);
    assert!(resumed.stdout.contains("waiting_approval"), "{}", resumed.stdout);
    assert!(
        resumed.stdout.contains("is void: base_commit changed since"),
        "it says what moved: {}",
        resumed.stdout
    );
    assert_eq!(project.standing(), standing);
    let trail = project.kaizen(&["audit", "r1", "--json"]).exits(0).json();
    let voided: Vec<_> =
        trail.as_array().unwrap().iter().filter(|e| e["kind"] == "approval_voided").collect();
    assert_eq!(voided.len(), 1, "{trail}");
    assert_eq!(voided[0]["body"]["changed"], serde_json::json!(["base_commit"]));
    // What is asked now is another thing, and the old answer no longer fits.
    let asked = digest(&project, "r1");
    assert_ne!(asked, approved);
    let old = ["approve", "r1", "--reason", "clear", "--digest", &approved];
    project.refuses(&old, 6, "digest_changed");
    let new = ["approve", "r1", "--reason", "still clear", "--digest", &asked, "--resume"];
    let code = project.kaizen(&new).code;
    assert!(matches!(code, 0 | 4), "kept, or rolled back where the machine is noisy: {code}");
    let parent = project.git(&["log", "--format=%s", "--reverse", "-n", "10"]);
    assert!(parent.contains("Say something\nFind items by owner\n"), "{parent}");
    project.verifies();
}

#[test]
fn a_change_of_the_schema_voids_the_approval() {
    let project = Project::new();
    let file = project.change("helpful.toml", HELPFUL);
    project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    project.db().execute_batch("CREATE TABLE extra (id INTEGER PRIMARY KEY)").unwrap();
    let standing = project.standing();
    project.kaizen(&["approve", "r1", "--reason", "clear", "--resume"]).exits(3);
    assert_eq!(project.standing(), standing);
    let why = project.kaizen(&["why", "r1"]).exits(0).stdout;
    assert!(why.contains("approval_voided") && why.contains("schema"), "{why}");
}

/// A remote that answers pushes with this hook's exit code.
#[cfg(unix)]
fn with_remote(project: &Project, hook: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let remote = tempfile::TempDir::new().unwrap();
    let path = remote.path().join("origin.git");
    let at = path.display().to_string();
    project.git(&["clone", "-q", "--bare", ".", &at]);
    let script = path.join("hooks/pre-receive");
    std::fs::write(&script, hook).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    project.git(&["remote", "add", "origin", &at]);
    project.edit_workflow("push = false", "push = true");
    remote
}

#[cfg(unix)]
#[test]
fn a_rejected_push_has_not_touched_the_database() {
    let project = Project::new();
    let _remote = with_remote(&project, "#!/bin/sh\necho 'branch is protected' >&2\nexit 1\n");
    let standing = project.standing();
    let remote_before = project.git(&["ls-remote", "origin"]);
    let file = project.change("helpful.toml", HELPFUL);
    project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    let ended = project.kaizen(&["approve", "r1", "--reason", "clear", "--resume"]).exits(1);
    let error = ended.stderr.find("error:").map(|at| project.tidy(&ended.stderr[at..]));
    assert_snapshot!(error.unwrap_or_default(), @r#"
    error: origin refused the push of "main": [remote rejected] (pre-receive hook declined): branch is protected
    next:  git fetch && git status   # then: kaizen start workflows/sqlite-index-tuning.toml --apply
    "#);
    assert_eq!(project.runs(), ["r1 finished failed"]);
    assert_eq!(project.standing().database, standing.database);
    assert_eq!(project.standing().changed, "");
    assert_eq!(project.git(&["ls-remote", "origin"]), remote_before);
    // Not pushed, and taken back by a commit of its own: never a reset.
    let log = project.git(&["log", "--format=%s", "-3"]);
    assert!(log.starts_with("Revert \"Find items by owner\"\nFind items by owner\n"), "{log}");
    assert!(
        !project.file("migrations").exists() || project.git(&["ls-files", "migrations"]).is_empty()
    );
    project.verifies();
}

#[test]
fn a_remote_that_is_not_there_is_said_before_anything_happens() {
    let project = Project::new();
    project.edit_workflow("push = false", "push = true");
    assert_snapshot!(project.refuses(APPLY, 2, "git_no_such_remote"), @r#"
    error: there is no remote "origin" in [dir]
    next:  git remote add NAME URL   (or mend `remote` under [deploy] in workflows/sqlite-index-tuning.toml)
    "#);
}
