//! Commits and reverts: foreknown ids, compare-and-swap, probes.

use super::*;
use crate::adapters::Probe;

fn one_file() -> Files {
    files(&[("migrations/002.sql", Some("CREATE INDEX i ON t (a);\n"))])
}

#[test]
fn the_id_is_known_beforehand_and_done_once() {
    let fixture = Fixture::new();
    let plan = fixture.plan(&one_file());
    let id = fixture.repo.commit_id(&plan, HASH).unwrap();
    assert!(fixture.repo.read(&id, "README.md").is_err(), "nothing has been written yet");
    assert_eq!(fixture.repo.probe_commit(&plan, HASH).unwrap(), Probe::NotDone);

    assert_eq!(fixture.repo.commit(&plan, HASH).unwrap(), id);
    assert_eq!(fixture.head().commit, id);
    assert_eq!(fixture.repo.probe_commit(&plan, HASH).unwrap(), Probe::Done);
    assert_eq!(fixture.repo.commit(&plan, HASH).unwrap(), id, "a second time changes nothing");
    assert_eq!(fixture.git(&["rev-list", "--count", "main"]), "2");
    fixture.git(&["fsck", "--strict"]);
}

#[test]
fn the_commit_is_what_was_planned() {
    let fixture = Fixture::new();
    let plan = fixture.plan(&one_file());
    let restored: CommitPlan =
        serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(restored, plan);
    fixture.repo.commit(&restored, HASH).unwrap();
    let shown = fixture.git(&["show", "--no-patch", "--format=%an <%ae> %at %ct|%B", "main"]);
    let expected = "Ada <ada@example.org> 1700000000 1700000000|Add an index\n\nWhy.\n\n\
                    Kaizen-Run: r1\nKaizen-Phase: deploy\nKaizen-Head: ";
    assert_eq!(shown.trim_end(), format!("{expected}{HASH}"));
    assert_eq!(fixture.git(&["log", "-1", "--format=%(trailers:key=Kaizen-Run,valueonly)"]), "r1");
    let changed = fixture.git(&["diff", "--name-status", "main~1", "main"]);
    assert_eq!(changed, "A\tmigrations/002.sql");
}

#[test]
fn a_commit_by_somebody_else_wins_and_is_reported() {
    let fixture = Fixture::new();
    let plan = fixture.plan(&one_file());
    fixture.git(&["commit", "--quiet", "--allow-empty", "--message=Theirs"]);
    let theirs = fixture.head().commit;
    assert_eq!(fixture.repo.probe_commit(&plan, HASH).unwrap(), Probe::NotDone);
    let error = fixture.repo.commit(&plan, HASH).unwrap_err();
    assert!(
        matches!(&error, Error::BranchMoved { expected, found, .. }
            if *expected == plan.parent && *found == theirs),
        "{error}"
    );
    assert_eq!(fixture.head().commit, theirs, "the branch is as they left it");
}

#[test]
fn of_two_commits_at_once_one_wins() {
    let fixture = Fixture::new();
    let plans: Vec<CommitPlan> = (0..8)
        .map(|n| fixture.plan(&files(&[("migrations/002.sql", Some(&n.to_string()))])))
        .collect();
    let root = fixture.dir.path();
    let results: Vec<Result<String, Error>> = std::thread::scope(|scope| {
        let tries: Vec<_> = plans
            .iter()
            .map(|plan| scope.spawn(|| Repo::open(root).unwrap().commit(plan, HASH)))
            .collect();
        tries.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let won: Vec<&String> = results.iter().flatten().collect();
    assert_eq!(won, [&fixture.head().commit]);
    assert!(
        results
            .iter()
            .filter_map(|result| result.as_ref().err())
            .all(|error| matches!(error, Error::BranchMoved { .. } | Error::Locked(_)))
    );
    assert_eq!(fixture.git(&["rev-list", "--count", "main"]), "2");
}

#[test]
fn a_commit_that_others_built_on_is_still_done() {
    let fixture = Fixture::new();
    let plan = fixture.plan(&one_file());
    fixture.repo.commit(&plan, HASH).unwrap();
    fixture.git(&["reset", "--quiet", "--hard"]);
    fixture.git(&["commit", "--quiet", "--allow-empty", "--message=Later"]);
    assert_eq!(fixture.repo.probe_commit(&plan, HASH).unwrap(), Probe::Done);
    let later = fixture.head();
    fixture.repo.commit(&plan, HASH).unwrap();
    assert_eq!(fixture.head(), later);
}

#[test]
fn a_branch_that_is_gone_is_moved_and_unknown() {
    let fixture = Fixture::new();
    let plan = fixture.plan(&one_file());
    fixture.git(&["checkout", "--quiet", "--detach"]);
    fixture.git(&["branch", "--quiet", "-D", "main"]);
    assert!(matches!(fixture.repo.probe_commit(&plan, HASH).unwrap(), Probe::Unknown(_)));
    assert!(matches!(fixture.repo.commit(&plan, HASH), Err(Error::BranchMoved { .. })));
    assert!(fixture.repo.head(Some("main")).is_err(), "it has not been made anew");
}

#[test]
fn a_lock_held_by_another_git_may_be_tried_again() {
    use kaizen_engine::error::{Class, Classified as _};
    let fixture = Fixture::new();
    let plan = fixture.plan(&one_file());
    fixture.write(".git/refs/heads/main.lock", &format!("{}\n", plan.parent));
    let error = fixture.repo.commit(&plan, HASH).unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Retry, "git_locked"), "{error}");
    assert!(fixture.text(".git/refs/heads/main.lock").is_some(), "it is not ours to remove");
}

#[test]
fn a_lock_that_a_killed_process_of_ours_left_is_taken_away() {
    for left in ["our commit", "nothing yet"] {
        let fixture = Fixture::new();
        let plan = fixture.plan(&one_file());
        let id = fixture.repo.commit_id(&plan, HASH).unwrap();
        let text = if left == "our commit" { format!("{id}\n") } else { String::new() };
        fixture.write(".git/refs/heads/main.lock", &text);
        assert_eq!(fixture.repo.commit(&plan, HASH).unwrap(), id, "{left}");
        assert_eq!(fixture.head().commit, id);
        assert_eq!(fixture.text(".git/refs/heads/main.lock"), None);
    }
}

#[test]
fn files_keep_their_mode_and_deletions_empty_directories() {
    let fixture = Fixture::new();
    script(&fixture.dir.path().join("run.sh"), "#!/bin/sh\n");
    fixture.git(&["add", "run.sh"]);
    fixture.git(&["commit", "--quiet", "--message=Script"]);
    let (_, id) = fixture.deploy(&files(&[
        ("run.sh", Some("#!/bin/sh\nexit 0\n")),
        ("migrations/001_start.sql", None),
    ]));
    let listing = fixture.git(&["ls-tree", "-r", "--format=%(objectmode) %(path)", &id]);
    assert_eq!(listing, "100644 README.md\n100755 run.sh");
    assert_eq!(fixture.git(&["ls-tree", "--name-only", &id]), "README.md\nrun.sh");
    assert!(!fixture.dir.path().join("migrations").exists());
    fixture.git(&["fsck", "--strict"]);
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
}

#[test]
fn changes_that_change_nothing_are_refused() {
    let fixture = Fixture::new();
    let plan = |changes: Files| {
        fixture.repo.plan_commit(&fixture.head(), &changes, AUTHOR, 0, MESSAGE).unwrap_err()
    };
    let same = plan(files(&[("README.md", Some("# App\n"))]));
    assert!(matches!(same, Error::NothingToCommit { .. }));
    let gone = plan(files(&[("nothing.sql", None)]));
    assert!(matches!(gone, Error::NothingToDelete { path, .. } if path == "nothing.sql"));
    let attack = plan(files(&[(".GIT/config", Some("x"))]));
    assert!(matches!(attack, Error::Path(PathError::GitDirectory { .. })));
}

#[test]
fn the_author_is_the_repositorys_or_kaizen() {
    let fixture = Fixture::new();
    let pair = |name: &str, email: &str| (name.to_owned(), email.to_owned());
    assert_eq!(fixture.repo.author().unwrap(), pair("Grace", "grace@example.org"));
    fixture.git(&["config", "user.name", ""]);
    fixture.git(&["config", "user.email", " "]);
    assert_eq!(fixture.repo.author().unwrap(), pair("Kaizen", "kaizen@localhost"));
}

#[test]
fn a_revert_takes_back_one_commit_and_keeps_later_ones() {
    let fixture = Fixture::new();
    let (_, unwanted) = fixture.deploy(&one_file());
    let (_, later) = fixture.deploy(&files(&[("README.md", Some("# Better\n"))]));
    let head = fixture.head();
    let plan = fixture.repo.plan_revert(&head, &unwanted, AUTHOR, 5, "Revert\n\nKaizen-Run: r1");
    let plan = plan.unwrap();
    assert_eq!(plan.parent, later);
    assert!(fixture.text("migrations/002.sql").is_some(), "planning touches no file");
    let id = fixture.repo.commit(&plan, HASH).unwrap();
    fixture.repo.sync_worktree("main", &later, &id).unwrap();
    assert_eq!(fixture.text("migrations/002.sql"), None);
    assert_eq!(fixture.text("README.md").as_deref(), Some("# Better\n"));
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
    let again = fixture.repo.plan_revert(&fixture.head(), &unwanted, AUTHOR, 6, "Again");
    assert!(matches!(again, Err(Error::NothingToCommit { .. })));
}

#[test]
fn a_revert_in_the_way_of_later_changes_names_the_paths() {
    let fixture = Fixture::new();
    let (_, unwanted) = fixture.deploy(&files(&[("README.md", Some("# One\n"))]));
    fixture.deploy(&files(&[("README.md", Some("# Two\n"))]));
    let head = fixture.head();
    let error = fixture.repo.plan_revert(&head, &unwanted, AUTHOR, 5, "Revert").unwrap_err();
    assert!(matches!(&error, Error::RevertConflict { paths, .. } if paths == &["README.md"]));
    assert_eq!(fixture.git(&["status", "--porcelain"]), "");
    assert_eq!(fixture.head(), head);
}

#[test]
fn merges_are_not_reverted() {
    let fixture = Fixture::new();
    fixture.git(&["checkout", "--quiet", "-b", "side"]);
    fixture.git(&["commit", "--quiet", "--allow-empty", "--message=Side"]);
    fixture.git(&["checkout", "--quiet", "main"]);
    fixture.git(&["merge", "--quiet", "--no-ff", "--message=Merge", "side"]);
    let head = fixture.head();
    let error = fixture.repo.plan_revert(&head, &head.commit, AUTHOR, 5, "Revert").unwrap_err();
    assert!(matches!(error, Error::RevertOfMerge { .. }));
}
