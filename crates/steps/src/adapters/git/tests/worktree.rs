//! Bringing index and worktree along, without treading on anybody's work.

use super::*;
use crate::adapters::Probe;

const NEW: &str = "migrations/002.sql";

/// A commit made, the worktree not yet brought along: where a crash leaves things.
fn committed(fixture: &Fixture, changes: &Files) -> (String, String) {
    let plan = fixture.plan(changes);
    let id = fixture.repo.commit(&plan, HASH).unwrap();
    (plan.parent, id)
}

fn changes() -> Files {
    files(&[
        (NEW, Some("CREATE INDEX i ON t (a);\n")),
        ("README.md", Some("# Better\n")),
        ("migrations/001_start.sql", None),
    ])
}

#[test]
fn only_the_paths_of_the_change_are_touched() {
    let fixture = Fixture::new();
    fixture.write("untracked", "mine");
    let (from, to) = committed(&fixture, &changes());
    assert_eq!(fixture.repo.probe_worktree("main", &from, &to).unwrap(), Probe::NotDone);
    fixture.repo.sync_worktree("main", &from, &to).unwrap();
    assert_eq!(fixture.repo.probe_worktree("main", &from, &to).unwrap(), Probe::Done);
    assert_eq!(fixture.git(&["status", "--porcelain"]), "?? untracked");
    assert_eq!(fixture.text("README.md").as_deref(), Some("# Better\n"));
    let left = fs::read_dir(fixture.dir.path().join(".git")).unwrap();
    let mut names = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.any(|name| name.starts_with("kaizen-")), "the staging directory is gone");
}

#[test]
fn half_done_work_is_finished() {
    let fixture = Fixture::new();
    let (from, to) = committed(&fixture, &changes());
    // One file written, one removed and staged, as if killed in between.
    fixture.write(NEW, "CREATE INDEX i ON t (a);\n");
    fixture.git(&["rm", "--quiet", "--force", "migrations/001_start.sql"]);
    assert_eq!(fixture.repo.probe_worktree("main", &from, &to).unwrap(), Probe::NotDone);
    fixture.repo.sync_worktree("main", &from, &to).unwrap();
    fixture.repo.sync_worktree("main", &from, &to).unwrap();
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
}

#[test]
fn files_done_but_not_the_index_is_not_done() {
    let fixture = Fixture::new();
    let (from, to) = committed(&fixture, &files(&[("README.md", Some("# Better\n"))]));
    fixture.write("README.md", "# Better\n");
    assert_eq!(fixture.repo.probe_worktree("main", &from, &to).unwrap(), Probe::NotDone);
    fixture.repo.sync_worktree("main", &from, &to).unwrap();
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
}

#[test]
fn an_untracked_file_in_the_way_is_kept_and_nothing_else_changes() {
    let fixture = Fixture::new();
    fixture.write(NEW, "somebody's notes\n");
    let plan = fixture.plan(&changes());
    let early = fixture.repo.check_worktree(&plan).unwrap_err();
    assert!(matches!(early, Error::WorktreeConflict { paths } if paths == [NEW]));
    let to = fixture.repo.commit(&plan, HASH).unwrap();
    let error = fixture.repo.sync_worktree("main", &plan.parent, &to).unwrap_err();
    assert!(matches!(error, Error::WorktreeConflict { paths } if paths == [NEW]));
    assert_eq!(fixture.text(NEW).as_deref(), Some("somebody's notes\n"));
    assert_eq!(fixture.text("README.md").as_deref(), Some("# App\n"));
    assert!(fixture.text("migrations/001_start.sql").is_some());

    fs::remove_file(fixture.dir.path().join(NEW)).unwrap();
    fixture.repo.sync_worktree("main", &plan.parent, &to).unwrap();
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
}

#[test]
fn edited_deleted_and_staged_work_is_in_the_way_too() {
    let fixture = Fixture::new();
    let (from, to) = committed(&fixture, &files(&[("README.md", Some("# Better\n"))]));
    let refused = || match fixture.repo.sync_worktree("main", &from, &to) {
        Err(Error::WorktreeConflict { paths }) => paths == ["README.md"],
        other => panic!("expected a conflict, got {other:?}"),
    };
    fixture.write("README.md", "# Edited\n");
    assert!(refused());
    fixture.git(&["add", "README.md"]);
    fixture.write("README.md", "# App\n");
    assert!(refused(), "staged content is work as well");
    fixture.git(&["reset", "--quiet", &from, "--", "README.md"]);
    fs::remove_file(fixture.dir.path().join("README.md")).unwrap();
    assert!(refused());
    fs::create_dir(fixture.dir.path().join("README.md")).unwrap();
    assert!(refused());
}

#[test]
fn a_link_put_in_the_way_is_not_followed() {
    let fixture = Fixture::new();
    let (from, to) = committed(&fixture, &files(&[("fresh/x.sql", Some("x\n"))]));
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), fixture.dir.path().join("fresh")).unwrap();
    let error = fixture.repo.sync_worktree("main", &from, &to).unwrap_err();
    assert!(matches!(error, Error::WorktreeConflict { .. }), "{error}");
    assert!(fs::read_dir(outside.path()).unwrap().next().is_none());
}

#[test]
fn a_file_may_make_room_for_a_directory() {
    let fixture = Fixture::new();
    fixture.write("a", "file\n");
    fixture.git(&["add", "a"]);
    fixture.git(&["commit", "--quiet", "--message=File"]);
    let from = fixture.head().commit;
    fixture.git(&["rm", "--quiet", "a"]);
    fixture.write("a/b", "below\n");
    fixture.git(&["add", "a/b"]);
    fixture.git(&["commit", "--quiet", "--message=Directory"]);
    let to = fixture.head().commit;
    let back = fixture.repo.sync_worktree("main", &to, &from);
    assert!(matches!(back, Err(Error::WorktreeConflict { .. })), "a directory is never cleared");
    fixture.git(&["read-tree", "-u", "--reset", &from]);
    assert_eq!(fixture.text("a").as_deref(), Some("file\n"));
    fixture.repo.sync_worktree("main", &from, &to).unwrap();
    assert_eq!(fixture.text("a/b").as_deref(), Some("below\n"));
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
}

#[test]
fn a_branch_that_is_not_checked_out_leaves_the_worktree_alone() {
    let fixture = Fixture::new();
    fixture.git(&["branch", "release"]);
    let head = fixture.repo.head(Some("release")).unwrap();
    let changes = files(&[("README.md", Some("# R\n"))]);
    let plan = fixture.repo.plan_commit(&head, &changes, AUTHOR, 1, MESSAGE).unwrap();
    let to = fixture.repo.commit(&plan, HASH).unwrap();
    fixture.write("README.md", "# my own edit\n");
    fixture.repo.check_worktree(&plan).unwrap();
    fixture.repo.sync_worktree("release", &plan.parent, &to).unwrap();
    let probe = fixture.repo.probe_worktree("release", &plan.parent, &to).unwrap();
    assert_eq!(probe, Probe::Done);
    assert_eq!(fixture.text("README.md").as_deref(), Some("# my own edit\n"));
}

#[test]
fn line_endings_follow_the_attributes() {
    let fixture = Fixture::new();
    fixture.write(".gitattributes", "*.sql text eol=crlf\n");
    fixture.git(&["add", "--all"]);
    fixture.git(&["commit", "--quiet", "--message=Attributes"]);
    let (from, to) = committed(&fixture, &files(&[(NEW, Some("one\ntwo\n"))]));
    fixture.repo.sync_worktree("main", &from, &to).unwrap();
    assert_eq!(fixture.text(NEW).as_deref(), Some("one\r\ntwo\r\n"));
    assert_eq!(fixture.repo.probe_worktree("main", &from, &to).unwrap(), Probe::Done);
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
    let (from, to) = committed(&fixture, &files(&[(NEW, None)]));
    fixture.repo.sync_worktree("main", &from, &to).unwrap();
    assert_eq!(fixture.text(NEW), None);
}

#[test]
fn a_linked_worktree_is_brought_along() {
    let fixture = Fixture::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("wt");
    fixture.git(&["worktree", "add", "--quiet", "-b", "side", path.to_str().unwrap()]);
    let linked = Repo::open(&path).unwrap();
    let head = linked.head(None).unwrap();
    let plan = linked.plan_commit(&head, &changes(), AUTHOR, 1, MESSAGE).unwrap();
    let to = linked.commit(&plan, HASH).unwrap();
    linked.sync_worktree("side", &plan.parent, &to).unwrap();
    assert_eq!(git(&path, &["status", "--porcelain"]), "");
    assert_eq!(fixture.git(&["status", "--porcelain"]), "", "the main worktree is on main");
}

#[test]
fn an_index_lock_of_a_killed_process_of_ours_is_taken_away_and_no_other() {
    let fixture = Fixture::new();
    let (from, to) = committed(&fixture, &changes());
    let git = fixture.dir.path().join(".git");
    let staging = fixture.repo.staging(&to);
    fs::create_dir(&staging).unwrap();
    fs::write(staging.join("index"), "a finished index").unwrap();
    fs::hard_link(staging.join("index"), git.join("index.lock")).unwrap();
    fixture.repo.sync_worktree("main", &from, &to).unwrap();
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
    assert!(!git.join("index.lock").exists() && !staging.exists());

    fs::write(git.join("index.lock"), "").unwrap();
    let error = fixture.repo.sync_worktree("main", &to, &from).unwrap_err();
    assert!(matches!(error, Error::Locked(_)), "{error}");
    assert!(git.join("index.lock").exists(), "it is not ours to remove");
    fs::remove_file(git.join("index.lock")).unwrap();
    fixture.repo.sync_worktree("main", &to, &from).unwrap();
    assert_eq!(fixture.repo.probe_worktree("main", &to, &from).unwrap(), Probe::Done);
}
