//! Opening, heads, reading, exporting, diffing, history.

use super::*;

#[test]
fn a_repository_is_found_from_deep_inside() {
    let fixture = Fixture::new();
    let repo = Repo::open(&fixture.dir.path().join("migrations")).unwrap();
    assert_eq!(repo.root().canonicalize().unwrap(), fixture.dir.path().canonicalize().unwrap());
    assert!(repo.git_dir().ends_with(".git"));
}

#[test]
fn opening_leaves_the_configuration_as_it_is() {
    let fixture = Fixture::new();
    let config = fixture.repo.inner.config().unwrap();
    assert!(config.get_entry("core.fsyncObjectFiles").is_err(), "the overlay is gone again");
    assert_eq!(config.get_string("user.name").unwrap(), "Grace");
    let text = fixture.text(".git/config").unwrap();
    assert!(!text.to_lowercase().contains("fsync"), "{text}");
}

#[test]
fn no_repository_and_a_bare_one_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Repo::open(dir.path()), Err(Error::NotARepository { .. })));
    git(dir.path(), &["init", "--quiet", "--bare"]);
    assert!(matches!(Repo::open(dir.path()), Err(Error::Bare { .. })));
}

#[test]
fn each_way_to_have_no_head_has_its_own_error() {
    let fixture = Fixture::new();
    let head = fixture.head();
    assert_eq!(head.branch, "main");
    assert_eq!(head.commit, fixture.git(&["rev-parse", "HEAD"]));
    let missing = fixture.repo.head(Some("release")).unwrap_err();
    assert!(matches!(missing, Error::MissingBranch { branch } if branch == "release"));
    let nonsense = fixture.repo.head(Some("a..b")).unwrap_err();
    assert!(matches!(nonsense, Error::MissingBranch { .. }));

    fixture.git(&["checkout", "--quiet", "--detach"]);
    let detached = fixture.repo.head(None).unwrap_err();
    assert!(matches!(&detached, Error::DetachedHead { commit, .. } if *commit == head.commit));
    assert_eq!(fixture.repo.head(Some("main")).unwrap().commit, head.commit);

    let dir = tempfile::tempdir().unwrap();
    git(dir.path(), &["init", "--quiet", "--initial-branch=main"]);
    let unborn = Repo::open(dir.path()).unwrap().head(None).unwrap_err();
    assert!(matches!(unborn, Error::UnbornBranch { branch } if branch == "main"));
}

#[test]
fn a_branch_of_another_worktree_is_refused_from_both_sides() {
    let fixture = Fixture::new();
    let other = tempfile::tempdir().unwrap();
    let path = other.path().join("wt");
    fixture.git(&["worktree", "add", "--quiet", "-b", "side", path.to_str().unwrap()]);
    assert!(fixture.repo.check_not_elsewhere("main").is_ok());
    let error = fixture.repo.check_not_elsewhere("side").unwrap_err();
    assert!(matches!(error, Error::CheckedOutElsewhere { branch, .. } if branch == "side"));
    let linked = Repo::open(&path).unwrap();
    assert!(linked.check_not_elsewhere("side").is_ok());
    assert!(linked.check_not_elsewhere("main").is_err());
    assert_eq!(linked.head(None).unwrap().branch, "side");
}

#[test]
fn files_are_read_at_a_commit_not_from_disk() {
    let fixture = Fixture::new();
    let head = fixture.head().commit;
    fixture.write("README.md", "changed");
    fixture.write("untracked", "x");
    let read = |path| fixture.repo.read(&head, path).unwrap();
    assert_eq!(read("README.md"), Some(b"# App\n".to_vec()));
    assert_eq!((read("untracked"), read("README.md/x")), (None, None));
    assert!(matches!(fixture.repo.read(&head, "migrations"), Err(Error::NotAFile { .. })));
    let nowhere = fixture.repo.read(&"0".repeat(40), "README.md");
    assert!(matches!(nowhere, Err(Error::NoSuchCommit { .. })));
    assert!(matches!(fixture.repo.read("HEAD", "README.md"), Err(Error::NoSuchCommit { .. })));
    assert!(fixture.repo.is_tracked("README.md").unwrap());
    assert!(!fixture.repo.is_tracked("untracked").unwrap());
    let all = fixture.repo.list(&head, "").unwrap();
    assert_eq!(all, ["README.md", "migrations/001_start.sql"]);
    assert_eq!(fixture.repo.list(&head, "migrations/").unwrap().len(), 1);
}

#[test]
fn an_export_has_the_files_and_touches_nothing_else() {
    let fixture = Fixture::new();
    let head = fixture.head().commit;
    fixture.write("README.md", "dirty");
    let before = fixture.git(&["status", "--porcelain"]);
    let into = tempfile::tempdir().unwrap();
    let scratch = into.path().join("scratch");
    let changes = files(&[("migrations/002.sql", Some("new\n")), ("README.md", None)]);
    fixture.repo.export_with(&head, &changes, &scratch).unwrap();
    assert_eq!(fs::read_to_string(scratch.join("migrations/002.sql")).unwrap(), "new\n");
    assert!(scratch.join("migrations/001_start.sql").exists());
    assert!(!scratch.join("README.md").exists());

    let error = fixture.repo.export(&head, &scratch).unwrap_err();
    assert!(matches!(error, Error::NotEmpty { .. }));
    let plain = into.path().join("plain");
    fixture.repo.export(&head, &plain).unwrap();
    assert_eq!(fs::read_to_string(plain.join("README.md")).unwrap(), "# App\n");
    assert_eq!(fixture.git(&["status", "--porcelain"]), before);
    assert_eq!(fixture.text("README.md").unwrap(), "dirty");
    assert_eq!(fixture.head().commit, head);
}

#[test]
fn the_diff_is_what_git_apply_reads() {
    let fixture = Fixture::new();
    script(&fixture.dir.path().join("run.sh"), "#!/bin/sh\n");
    fixture.git(&["add", "run.sh"]);
    fixture.git(&["commit", "--quiet", "--message=Script"]);
    let head = fixture.head().commit;
    let changes = files(&[
        ("README.md", Some("# App\nno newline at the end")),
        ("migrations/001_start.sql", None),
        ("with space/ü.sql", Some("x\n")),
        ("empty", Some("")),
        ("run.sh", None),
    ]);
    let diff = fixture.repo.diff(&head, &changes).unwrap();
    assert_eq!(diff, fixture.repo.diff(&head, &changes).unwrap());
    assert!(diff.contains("--- a/README.md\n+++ b/README.md\n@@ "), "{diff}");
    assert!(diff.contains("--- a/migrations/001_start.sql\n+++ /dev/null\n"), "{diff}");

    let patch = tempfile::NamedTempFile::new().unwrap();
    fs::write(patch.path(), &diff).unwrap();
    fixture.git(&["apply", "--index", patch.path().to_str().unwrap()]);
    assert_eq!(fixture.git(&["write-tree"]), fixture.plan(&changes).tree);
}

#[test]
fn a_bare_carriage_return_ends_no_line_of_a_diff() {
    let fixture = Fixture::new();
    fs::write(fixture.dir.path().join("mixed"), "one\r\ntwo\rthree\r\nfour\r").unwrap();
    fixture.git(&["add", "mixed"]);
    fixture.git(&["commit", "--quiet", "--message=Mixed"]);
    let head = fixture.head().commit;
    let changes = files(&[("mixed", Some("one\r\ntwo\rTHREE\r\nfour\r\rfive\r"))]);
    let diff = fixture.repo.diff(&head, &changes).unwrap();
    assert!(diff.contains("\n-two\rthree\r\n"), "{diff:?}");

    let patch = tempfile::NamedTempFile::new().unwrap();
    fs::write(patch.path(), &diff).unwrap();
    fixture.git(&["apply", "--index", patch.path().to_str().unwrap()]);
    assert_eq!(fixture.git(&["write-tree"]), fixture.plan(&changes).tree);
}

#[test]
fn unchanged_files_have_no_diff_and_binary_ones_are_named() {
    let fixture = Fixture::new();
    let head = fixture.head().commit;
    let mut changes = files(&[("README.md", Some("# App\n"))]);
    assert_eq!(fixture.repo.diff(&head, &changes).unwrap(), "");
    changes.insert("logo".to_owned(), Some(vec![0, 1, 2]));
    let diff = fixture.repo.diff(&head, &changes).unwrap();
    assert!(diff.ends_with("Binary files /dev/null and b/logo differ\n"), "{diff}");
}

#[test]
fn history_is_read_with_its_trailers() {
    let fixture = Fixture::new();
    let (start, id) = fixture.deploy(&files(&[("migrations/002.sql", Some("x\n"))]));
    let log = fixture.repo.log("main", 10).unwrap();
    assert_eq!(log.iter().map(|info| &info.id).collect::<Vec<_>>(), [&id, &start]);
    assert_eq!(fixture.repo.log("main", 1).unwrap().len(), 1);
    assert_eq!(log[0].parent.as_deref(), Some(start.as_str()));
    assert_eq!(log[0].time_s, 1_700_000_000);
    assert_eq!(log[0].trailer("Kaizen-Head").as_deref(), Some(HASH));
    assert_eq!((log[1].trailer("Kaizen-Run"), &log[1].parent), (None, &None));

    fixture.git(&["checkout", "--quiet", "-b", "side", &start]);
    fixture.git(&["commit", "--quiet", "--allow-empty", "--message=S\n\nKaizen-Run: r9"]);
    let found = fixture.repo.commits_with_trailer("Kaizen-Run").unwrap();
    assert_eq!(found.len(), 2, "on whatever branch");
    assert!(!fixture.repo.is_reachable(&id, "side").unwrap());
    assert!(fixture.repo.is_reachable(&start, "side").unwrap());
    assert!(matches!(fixture.repo.log("gone", 1), Err(Error::MissingBranch { .. })));
}
