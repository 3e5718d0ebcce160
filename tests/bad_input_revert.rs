//! Bad input: a commit that git cannot take back by itself. The harmful index is gone from the
//! database at once; a person mends the rest with the commands that are listed.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
use common::{Project, WORKFLOW};
use insta::assert_snapshot;
use serde_json::Value;

/// Harmful, as the project's own test says once it is deployed.
const HARMFUL: &str = "title = \"Find items by note\"\n\
    up = \"CREATE INDEX item_note ON item (note);\"\ndown = \"DROP INDEX item_note;\"\n";

const MIGRATION: &str = "migrations/0001_find_items_by_note.up.sql";

/// A project whose tests pass until the change is on the branch; then a person's commit edits what
/// Kaizen has committed, and the tests fail.
fn conflicting() -> Project {
    let project = Project::new();
    let script = format!(
        "#!/bin/sh\ncd '{}' || exit 1\ntest -f {MIGRATION} || exit 0\n\
         echo '-- a remark by a person' >> {MIGRATION}\n\
         git -c user.name=Other -c user.email=other@localhost commit -qam 'Add a remark'\n\
         echo 'the report is wrong' >&2\nexit 1\n",
        project.path().display()
    );
    project.write(".git/check.sh", &script);
    let check = project.file(".git/check.sh").display().to_string();
    project.edit_workflow("tests = []", &format!("tests = [[\"sh\", \"{check}\"]]"));
    // This test command is let out: it stands for the person.
    project.edit_workflow("[budget]", "[confine]\nwrite = [\".\"]\n\n[budget]");
    project
}

fn events(project: &Project, kind: &str) -> Vec<Value> {
    let trail = project.kaizen(&["audit", "r1", "--json"]).exits(0).json();
    let all = trail.as_array().unwrap().iter();
    all.filter(|event| event["kind"] == kind).cloned().collect()
}

#[test]
fn a_revert_that_conflicts_needs_an_operator_and_the_index_is_gone_already() {
    let project = conflicting();
    let before = project.standing();
    let file = project.change("harmful.toml", HARMFUL);
    project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    let ended = project.kaizen(&["approve", "r1", "--reason", "try it", "--resume"]).exits(3);
    let error = &ended.stderr[ended.stderr.find("error:").unwrap()..];
    assert_snapshot!(project.tidy(error), @r#"
    error: [id] cannot be reverted, later changes touch the same lines: migrations/0001_find_items_by_note.up.sql; the down script has run already: only the files are left to take back
      git switch main
      git revert [id]
      git status   # mend the conflicts, then: git add … && git revert --continue
      kaizen resolve r1 --effect revert --done --reason "reverted by hand"
    next:  kaizen resume r1   # after the commands above, in that order
    "#);
    assert_eq!(project.runs(), ["r1 needs_operator -"]);
    assert_eq!(project.standing().database, before.database, "the harmful index is gone");
    assert_eq!(project.standing().changed, "", "the worktree holds no half-done revert");
    assert_eq!(project.git(&["log", "--format=%s", "-1"]).trim(), "Add a remark");
    project.verifies();
    // It stays so, however often it is resumed, and `show` repeats what to do.
    let again = project.kaizen(&["resume", "r1", "--json"]).exits(3).json();
    assert_eq!(again["error"]["code"], "git_revert_conflict", "{again}");
    let shown = project.kaizen(&["show", "r1"]).exits(0).stdout;
    assert!(shown.contains("git revert") && shown.contains("kaizen resolve r1"), "{shown}");

    // By hand, as listed.
    let look_at = again["failure"]["look_at"].as_array().unwrap().clone();
    let revert =
        look_at.iter().filter_map(Value::as_str).find(|l| l.starts_with("git revert ")).unwrap();
    let commit = revert.split(' ').nth(2).unwrap();
    let stuck = std::process::Command::new("git")
        .args(["revert", commit])
        .env("GIT_EDITOR", "true")
        .current_dir(project.path())
        .output()
        .unwrap();
    assert!(!stuck.status.success(), "it does conflict");
    project.git(&["rm", "-q", MIGRATION]);
    project.git(&["-c", "core.editor=true", "revert", "--continue"]);
    let resolve = ["resolve", "r1", "--effect", "revert", "--done", "--reason", "reverted by hand"];
    project.kaizen(&resolve).exits(0);
    let done = project.kaizen(&["resume", "r1", "--json"]).exits(4).json();
    assert_eq!(done["outcome"], "rolled_back", "{done}");
    assert_eq!(project.standing().database, before.database);
    assert_eq!(project.git(&["ls-files", "migrations"]), "");
    assert_eq!(project.standing().changed, "");
    assert_eq!(events(&project, "operator_resolved").len(), 1);
    project.verifies();
}

#[test]
fn resolving_what_is_not_asked() {
    let project = conflicting();
    let file = project.change("harmful.toml", HARMFUL);
    project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    let resolve = |effect| ["resolve", "r1", "--effect", effect, "--done", "--reason", "seen"];
    assert_snapshot!(project.refuses(&resolve("revert"), 2, "wrong_state"), @r#"
    error: r1 is waiting_approval: resolve needs a run that is needs_operator
    next:  kaizen show r1
    "#);
    assert_snapshot!(project.refuses(&resolve("magic"), 2, "no_such_effect"), @r#"
    error: "magic" is none of commit, worktree, push, up, down, revert, revert_worktree, revert_push
    next:  kaizen show r1
    "#);
    project.kaizen(&["approve", "r1", "--reason", "try it", "--resume"]).exits(3);
    assert_snapshot!(project.refuses(&resolve("up"), 2, "nothing_to_resolve"), @r#"
    error: r1 has nothing to resolve for up: it is done
    next:  kaizen show r1
    "#);
    let without = ["resolve", "r1", "--effect", "revert", "--done"];
    assert_snapshot!(project.refuses(&without, 2, "no_reason"), @r#"
    error: a reason is needed, so that the trail can say why
    next:  kaizen resolve r1 --effect revert --done --reason 'why'
    "#);
}
