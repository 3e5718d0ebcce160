//! The loop as a user sees it: dry run, apply, approve, kept, rolled back, taken back later.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
use common::{HARMFUL, HELPFUL, Project, WORKFLOW};
use serde_json::{Value, json};

/// A second query and an index for it, so that two changes on one table can be kept.
const BY_AMOUNT: &str =
    "-- name: by_amount\nSELECT count(*), min(owner) FROM item WHERE amount = 123;\n";
const HELPFUL_TOO: &str =
    "title = \"Find items by amount\"\nup = \"CREATE INDEX item_amount ON item (amount);\"\n";

#[test]
fn a_dry_run_deploys_nothing_and_its_very_change_set_can_be_applied() {
    let project = Project::quick();
    let before = (project.contents(), project.git(&["rev-parse", "HEAD"]));
    let dry = project.kaizen(&["start", WORKFLOW]).exits(0);
    let go_on = format!("kaizen start {WORKFLOW} --apply --from r1");
    assert!(dry.stdout.contains(&go_on), "{}", dry.stdout);
    assert_eq!((project.contents(), project.git(&["rev-parse", "HEAD"])), before);
    let shown = project.show("r1");
    assert_eq!((&shown["outcome"], &shown["dry_run"]), (&json!("dry_run"), &json!(true)));

    let words: Vec<&str> = go_on.split(' ').skip(1).collect();
    project.kaizen(&words).exits(3);
    let change = |run: &str| -> Value {
        project.kaizen(&["show", run, "--phase", "generate", "--json"]).exits(0).json()
    };
    let (tried, applied) = (change("r1"), change("r2"));
    for part in ["title", "kind", "up", "down", "files", "diff", "digest", "base_commit"] {
        assert_eq!(tried[part], applied[part], "{part}");
        assert_ne!(tried[part], Value::Null, "{part}");
    }
    let kept = project.kaizen(&["approve", "r2", "--reason", "as tried", "--resume", "--json"]);
    assert_eq!(kept.exits(0).json()["outcome"], "kept");
}

#[test]
fn a_helpful_change_is_kept_and_the_trail_verifies() {
    let project = Project::quick();
    let file = project.change("helpful.toml", HELPFUL);
    let started =
        project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file, "--json"]).exits(3);
    assert_eq!(started.json()["status"], "waiting_approval");
    assert_eq!(project.indexes(), Vec::<String>::new(), "nothing is applied before the approval");
    let kept =
        project.kaizen(&["approve", "r1", "--reason", "clear", "--resume", "--json"]).exits(0);
    assert_eq!(kept.json()["outcome"], "kept", "{}", kept.stdout);
    assert_eq!(project.indexes(), ["item_owner"]);
    assert_eq!(project.git(&["log", "--format=%s", "-1"]).trim(), "Find items by owner");
    assert_eq!(project.git(&["status", "--porcelain", "--untracked-files=no"]), "");
    assert_eq!(project.kaizen(&["audit", "verify", "--json"]).exits(0).json()["ok"], true);
}

#[test]
fn a_change_of_policy_is_an_event_with_its_diff() {
    let project = Project::unchanged();
    project.kaizen(&["start", WORKFLOW]).exits(0);
    project.edit_workflow("min_improvement_pct = 10 ", "min_improvement_pct = 99 ");
    project.kaizen(&["start", WORKFLOW]).exits(0);
    let trail = project.kaizen(&["audit", "r2", "--json"]).exits(0).json();
    let noted = trail.as_array().unwrap().iter().find(|event| event["kind"] == "noted").unwrap();
    assert_eq!(noted["body"]["topic"], "workflow_changed", "{noted}");
    let why = project.kaizen(&["why", "r2"]).exits(0).stdout;
    assert!(why.contains("+min_improvement_pct = 99 "), "{why}");
    assert!(!project.kaizen(&["why", "r1"]).stdout.contains("workflow_changed"));
}

#[test]
fn a_harmful_change_is_taken_back_without_a_trace_in_the_database() {
    let project = Project::quick();
    let before = project.contents();
    let ended = project.run_to_end(HARMFUL, "r1").exits(4).json();
    assert_eq!(ended["outcome"], "rolled_back");
    assert_eq!(ended["evidence"]["verdict"], "regressed");
    assert_eq!(project.contents(), before);
    let subjects = project.git(&["log", "--format=%s", "-2"]);
    assert_eq!(subjects, "Revert \"Index the flag\"\nIndex the flag\n");
    assert_eq!(project.git(&["diff", "HEAD~2", "HEAD"]), "");
    assert_eq!(project.git(&["status", "--porcelain", "--untracked-files=no"]), "");
    let revert = ended["revert_commit"].as_str().unwrap();
    assert_eq!(project.git(&["rev-parse", "HEAD"]).trim(), revert);
}

#[test]
fn where_nothing_helps_nothing_is_changed() {
    let project = Project::quick();
    project
        .write("workload/by_owner.sql", "-- name: by_id\nSELECT owner FROM item WHERE id = 7;\n");
    project.git(&["commit", "-qam", "Another workload"]);
    let ended = project.kaizen(&["start", WORKFLOW, "--apply", "--json"]).exits(0).json();
    assert_eq!(ended["outcome"], "no_change");
    assert_eq!(ended["change"], Value::Null);
    assert_eq!(ended["next"], Value::Null);
}

#[test]
fn a_rejected_run_ends_and_a_refused_one_exits_with_six() {
    let project = Project::quick();
    project.waiting(HELPFUL);
    let rejected = project.kaizen(&["reject", "r1", "--reason", "not now", "--json"]).exits(0);
    assert_eq!(rejected.json()["outcome"], "rejected");
    assert_eq!(rejected.json()["approvals"][0]["decision"], "rejected");
    assert_eq!(project.kaizen(&["resume", "r1", "--json"]).exits(2).error(), "already_finished");
    assert_eq!(project.indexes(), Vec::<String>::new());
    let change = "title = \"Hidden\"\nup = \"CREATE INDEX a ON item (owner); DROP TABLE item;\"\n\
                  down = \"DROP INDEX a;\"\nkind = \"index\"\n";
    let file = project.change("hidden.toml", change);
    let refused = project.kaizen(&["start", WORKFLOW, "--change", &file, "--json"]).exits(6).json();
    let code = refused["failure"]["code"].as_str().unwrap();
    assert!(code.starts_with("refused_"), "{code}");
}

#[test]
fn a_waiting_run_is_cancelled_paused_and_resumed() {
    let project = Project::quick();
    project.waiting(HELPFUL);
    let paused = project.kaizen(&["pause", "r1", "--reason", "release day", "--json"]).exits(0);
    assert_eq!(paused.json()["status"], "paused");
    let early = project.kaizen(&["approve", "r1", "--reason", "go", "--json"]).exits(2);
    assert_eq!(early.error(), "wrong_state");
    let waits = project.kaizen(&["resume", "r1", "--json"]).exits(3).json();
    assert_eq!(waits["status"], "waiting_approval");
    let cancelled = project.kaizen(&["cancel", "r1", "--reason", "enough", "--json"]).exits(0);
    assert_eq!(cancelled.json()["outcome"], "cancelled");
    assert_eq!(project.kaizen(&["cancel", "r1", "--json"]).exits(2).error(), "already_finished");
    assert_eq!(project.events("r1", "run_sealed").len(), 1);
}

#[test]
fn kept_runs_are_rolled_back_later_in_the_order_that_is_named() {
    let project = Project::quick();
    project.write("workload/by_amount.sql", BY_AMOUNT);
    project.git(&["add", "-A"]);
    project.git(&["commit", "-qm", "One more query"]);
    let before = project.contents();
    project.run_to_end(HELPFUL, "r1").exits(0);
    let between = project.contents();
    project.run_to_end(HELPFUL_TOO, "r2").exits(0);
    let rollback = |run: &str| project.kaizen(&["rollback", run, "--reason", "slow", "--json"]);

    let refused = rollback("r1").exits(6).json();
    assert_eq!(refused["error"]["code"], "later_runs");
    let next = refused["error"]["next"].as_str().unwrap();
    assert!(next.starts_with("kaizen rollback r2"), "{next}");
    assert_eq!(project.indexes(), ["item_amount", "item_owner"], "nothing has been touched");

    assert_eq!(rollback("r2").exits(0).json()["outcome"], "rolled_back");
    assert_eq!(project.contents(), between);
    assert_eq!(rollback("r1").exits(0).json()["outcome"], "rolled_back");
    assert_eq!(project.contents(), before);
    assert_eq!(rollback("r1").exits(2).error(), "already_finished");
    let rows: i64 = project
        .journal()
        .query_row("SELECT count(*) FROM history WHERE run = 1", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 2, "one history row a revision");
    assert_eq!(project.events("r1", "run_sealed").len(), 2, "sealed again");
    assert_eq!(project.kaizen(&["audit", "verify", "--json"]).exits(0).json()["ok"], true);
}

#[test]
fn a_change_of_files_alone_is_committed_judged_and_reverted_like_any_other() {
    let project = Project::quick();
    let change =
        "title = \"Say how\"\n[files]\n\"migrations/README.md\" = \"Run them in order.\\n\"\n";
    let ended = project.run_to_end(change, "r1").exits(4).json();
    assert_eq!(ended["change"]["kind"], "code");
    assert_eq!(ended["change"]["files"], json!(["migrations/README.md"]));
    assert!(ended["commit"].is_string() && ended["revert_commit"].is_string());
    assert!(!project.file("migrations/README.md").exists(), "it promised nothing it could keep");
    assert!(!project.db().table_exists(None, "kaizen_applied").unwrap(), "no script, no marker");
}

#[test]
fn init_without_a_workload_writes_a_sample_that_is_refused() {
    let project = Project::bare();
    std::fs::remove_dir_all(project.file("workload")).unwrap();
    project.git(&["commit", "-qam", "No workload"]);
    project.kaizen(&["init", "--sqlite", "app.db", "--commit"]).exits(0);
    assert!(project.file("workload/sample.sql").exists());
    let refused = project.kaizen(&["start", WORKFLOW, "--json"]).exits(2).json();
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("sample"), "{message}");
    assert_eq!(project.kaizen(&["runs", "--json"]).exits(0).json(), json!([]));
}

#[test]
fn a_detached_run_is_driven_by_resume_all() {
    let project = Project::quick();
    let file = project.change("change.toml", HELPFUL);
    let start = ["start", WORKFLOW, "--change", &file, "--detach", "--json"];
    let created = project.kaizen(&start).exits(0).json();
    assert_eq!((&created["status"], &created["phase"]), (&json!("running"), &json!("analyze")));
    project.kaizen(&start).exits(0);
    let driven = project.kaizen(&["resume", "--all", "--json"]).exits(0).json();
    let outcomes: Vec<&Value> =
        driven.as_array().unwrap().iter().map(|run| &run["outcome"]).collect();
    assert_eq!(outcomes, [&json!("dry_run"), &json!("dry_run")]);
    assert_eq!(project.kaizen(&["resume", "--all", "--json"]).exits(0).json(), json!([]));
}

fn pushes_to(project: &Project, remote: &std::path::Path) {
    project.git(&["remote", "add", "origin", &remote.display().to_string()]);
    project.edit_workflow("push = false", "push = true ");
}

#[test]
fn what_is_pushed_is_taken_back_by_a_pushed_revert() {
    let project = Project::quick();
    let remote = tempfile::TempDir::new().unwrap();
    project.git(&["init", "-q", "--bare", &remote.path().display().to_string()]);
    pushes_to(&project, remote.path());
    project.run_to_end(HARMFUL, "r1").exits(4);
    let pushed = project.git(&["ls-remote", "origin", "refs/heads/main"]);
    assert!(pushed.starts_with(project.git(&["rev-parse", "HEAD"]).trim()), "{pushed}");
    let done: Vec<Value> =
        project.events("r1", "effect_done").iter().map(|e| e["body"]["effect"].clone()).collect();
    let order =
        ["commit", "worktree", "push", "up", "down", "revert", "revert_worktree", "revert_push"];
    assert_eq!(done, order);
}

#[test]
fn a_deployment_that_was_interrupted_can_be_cancelled() {
    let project = Project::quick();
    let folder = tempfile::TempDir::new().unwrap();
    let remote = folder.path().join("later.git");
    pushes_to(&project, &remote);
    let before = (project.contents(), project.git(&["rev-parse", "HEAD^{tree}"]));
    project.waiting(HELPFUL);
    project.kaizen(&["approve", "r1", "--reason", "clear"]).exits(0);
    // The remote cannot be reached: the run has committed, and sleeps before it tries again.
    let mut child = project.command(&["resume", "r1", "--json"]);
    let mut child = child.stdout(std::process::Stdio::null()).spawn().unwrap();
    let sleeps = (0..400).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        project.show("r1")["status"] == "sleeping"
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(sleeps, "{}", project.kaizen(&["why", "r1"]).stdout);
    assert_ne!(project.git(&["rev-parse", "HEAD^{tree}"]), before.1, "it has committed");

    project.git(&["init", "-q", "--bare", &remote.display().to_string()]);
    let cancel = project.kaizen(&["cancel", "r1", "--reason", "enough", "--json"]).exits(0).json();
    assert_eq!(cancel["outcome"], "cancelled");
    assert_eq!((project.contents(), project.git(&["rev-parse", "HEAD^{tree}"])), before);
    assert_eq!(project.git(&["ls-remote", "origin"]), "", "nothing was ever pushed");
    assert_eq!(project.git(&["status", "--porcelain", "--untracked-files=no"]), "");
    assert_eq!(project.kaizen(&["audit", "verify", "--json"]).exits(0).json()["ok"], true);
}
