//! Who may decide, until when, on what, and what no decision can let through.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
use common::{HELPFUL, Project, Ran, WORKFLOW};
use serde_json::{Value, json};
use std::{thread, time::Duration};

/// Rows are changed, which always needs a human.
const DATA: &str = "title = \"Correct one amount\"\n\
    up = \"UPDATE item SET amount = amount + 1 WHERE id = 15000;\"\n\
    down = \"UPDATE item SET amount = amount - 1 WHERE id = 15000;\"\n";

fn approve(project: &Project, more: &[&str]) -> Ran {
    project.kaizen(&[&["approve", "r1", "--reason", "clear", "--json"], more].concat())
}

#[test]
fn a_quorum_of_two_needs_two_people_and_a_name_alone_is_nobody() {
    let project = Project::quick();
    project.edit_workflow("quorum = 1 ", "quorum = 2 ");
    project.waiting(HELPFUL);
    let first = approve(&project, &[]).exits(0).json();
    assert_eq!(first["status"], "waiting_approval");
    assert_eq!(first["approvals"].as_array().unwrap().len(), 1);
    assert_eq!(approve(&project, &[]).exits(2).error(), "already_approved");
    assert_eq!(approve(&project, &["--as", "somebody"]).exits(6).error(), "unverified");
    project.kaizen(&["resume", "r1"]).exits(3);
    assert_eq!(project.indexes(), Vec::<String>::new(), "one approval of two deploys nothing");
    project.kaizen(&["reject", "r1", "--reason", "one no is enough"]).exits(0);
    assert_eq!(project.show("r1")["outcome"], "rejected");
}

#[test]
fn only_a_named_approver_decides() {
    let project = Project::quick();
    project.edit_workflow("approvers = [] ", "approvers = [\"somebody-else\"] ");
    project.waiting(HELPFUL);
    assert_eq!(approve(&project, &[]).exits(6).error(), "not_an_approver");
    let reject = project.kaizen(&["reject", "r1", "--reason", "no", "--json"]);
    assert_eq!(reject.exits(6).error(), "not_an_approver");
    let named = approve(&project, &["--as", "somebody-else"]).exits(6);
    assert_eq!(named.error(), "unverified", "typing a name proves nothing");
    assert_eq!(project.show("r1")["status"], "waiting_approval");
    assert_eq!(project.show("r1")["approvals"], json!([]));
}

#[test]
fn who_started_a_run_may_reject_it_but_not_approve_it() {
    let project = Project::quick();
    project.edit_workflow("separation_of_duties = false ", "separation_of_duties = true ");
    project.waiting(HELPFUL);
    assert_eq!(approve(&project, &[]).exits(6).error(), "separation_of_duties");
    assert_eq!(approve(&project, &["--as", "somebody"]).exits(6).error(), "unverified");
    project.kaizen(&["reject", "r1", "--reason", "mine, and wrong"]).exits(0);
    assert_eq!(project.show("r1")["outcome"], "rejected");
}

#[test]
fn a_name_given_with_as_is_recorded_as_unverified() {
    let project = Project::quick();
    project.waiting(HELPFUL);
    let approved = approve(&project, &["--as", "a colleague"]).exits(0).json();
    assert_eq!(approved["approvals"][0]["who"], "a colleague");
    assert_eq!(approved["approvals"][0]["method"], "unverified");
}

#[test]
fn a_decision_needs_a_reason_and_the_digest_that_was_shown() {
    let project = Project::quick();
    project.waiting(HELPFUL);
    let digest = project.show("r1")["change"]["digest"].as_str().unwrap().to_owned();
    let none = project.kaizen(&["approve", "r1", "--json"]).exits(2);
    assert_eq!(none.error(), "no_reason");
    assert_eq!(approve(&project, &["--digest", "0123456789ab"]).exits(6).error(), "digest_changed");
    assert_eq!(approve(&project, &["--digest", "nonsense"]).exits(2).error(), "no_digest");
    let approved = approve(&project, &["--digest", &digest[..12]]).exits(0).json();
    assert_eq!(approved["approvals"][0]["method"], "cli");
    assert_eq!(approve(&project, &[]).exits(2).error(), "already_approved");
    project.kaizen(&["resume", "r1"]).exits(0);
    assert_eq!(approve(&project, &[]).exits(2).error(), "already_finished");
}

/// The binary has no other clock than the system's: this waits for the second to pass.
fn expired(project: &Project) {
    project.waiting(HELPFUL);
    thread::sleep(Duration::from_millis(1_100));
}

#[test]
fn an_expired_request_ends_the_run() {
    let project = Project::quick();
    project.edit_workflow("expires_after = \"7d\"", "expires_after = \"1s\"");
    expired(&project);
    assert_eq!(approve(&project, &[]).exits(1).error(), "expired");
    let ended = project.kaizen(&["resume", "r1", "--json"]).exits(1).json();
    assert_eq!(ended["outcome"], "expired");
    assert_eq!(project.indexes(), Vec::<String>::new());
    let history: i64 =
        project.journal().query_row("SELECT count(*) FROM history", [], |row| row.get(0)).unwrap();
    assert_eq!(history, 1, "an expired run has its history row too");
}

#[test]
fn an_expired_request_that_is_parked_is_asked_anew_on_resume() {
    let project = Project::quick();
    project.edit_workflow("expires_after = \"7d\"", "expires_after = \"1s\"");
    project.edit_workflow("on_expiry = \"reject\"", "on_expiry = \"park\"");
    expired(&project);
    let parked = project.kaizen(&["resume", "r1", "--json"]).exits(3).json();
    assert_eq!(parked["status"], "paused");
    let asked = project.kaizen(&["resume", "r1", "--json"]).exits(3).json();
    assert_eq!(asked["status"], "waiting_approval");
    assert_eq!(project.events("r1", "approval_requested").len(), 2);
}

#[test]
fn a_pre_approval_lets_one_run_through_and_is_on_record() {
    let project = Project::quick();
    let file = project.change("change.toml", HELPFUL);
    let start = ["start", WORKFLOW, "--apply", "--change", &file, "--json", "--approve"];
    assert_eq!(project.kaizen(&start).exits(2).error(), "usage", "it needs a reason");
    let kept = project.kaizen(&[&start[..], &["--reason", "agreed"]].concat()).exits(0).json();
    assert_eq!(kept["outcome"], "kept");
    assert_eq!(kept["approvals"][0]["method"], "pre_approved");
    assert_eq!(kept["approvals"][0]["reason"], "agreed");
}

#[test]
fn a_pre_approval_counts_for_nothing_where_a_human_is_asked_for() {
    let project = Project::quick();
    let file = project.change("change.toml", DATA);
    let start = ["start", WORKFLOW, "--apply", "--change", &file, "--json", "--approve"];
    let start = [&start[..], &["--reason", "agreed"]].concat();
    let waits = project.kaizen(&start).exits(3).json();
    assert_eq!(waits["status"], "waiting_approval");
    assert_eq!(waits["change"]["kind"], "data");
    let gate = &project.events("r1", "approval_requested")[0]["body"]["gate"];
    let reasons = gate["reasons"].to_string();
    assert!(reasons.contains("changes rows"), "{reasons}");
    assert!(reasons.contains("does not count here"), "{reasons}");
    for (from, to) in [
        ("quorum = 1 ", "quorum = 2 "),
        ("separation_of_duties = false", "separation_of_duties = true"),
        ("approvers = []", "approvers = [\"somebody-else\"]"),
    ] {
        let project = Project::quick();
        project.change("change.toml", HELPFUL);
        project.edit_workflow(from, to);
        assert_eq!(project.kaizen(&start).exits(6).error(), "pre_approval", "{to}");
        assert_eq!(project.kaizen(&["runs", "--json"]).exits(0).json(), json!([]), "{to}");
    }
}

fn automatic(project: &Project, stage: &str) {
    project.edit_workflow("kinds = [] ", "kinds = [\"index\"] ");
    project.edit_workflow("min_probability = 0.9", "min_probability = 0.6");
    if stage != "supervised" {
        project.edit_workflow("stage = \"supervised\"", &format!("stage = \"{stage}\""));
    }
}

#[test]
fn automatic_approval_needs_the_floor_the_stage_the_kind_and_the_preflight() {
    let project = Project::quick();
    automatic(&project, "limited");
    let file = project.change("change.toml", HELPFUL);
    let start = ["start", WORKFLOW, "--apply", "--json", "--change"];
    let floor = project.kaizen(&[&start[..], &[&file]].concat()).exits(2).json();
    let message = floor["error"]["message"].as_str().unwrap();
    assert!(message.contains("floor.auto_approve"), "{message}");

    project.edit_policy("auto_approve = false", "auto_approve = true ");
    let kept = project.kaizen(&[&start[..], &[&file]].concat()).exits(0).json();
    assert_eq!(kept["outcome"], "kept");
    assert_eq!(kept["approvals"][0]["method"], "policy");

    // Of no kind that was named, and of one that always needs a human.
    let data = project.change("data.toml", DATA);
    let waits = project.kaizen(&[&start[..], &[&data]].concat()).exits(3).json();
    assert_eq!(waits["status"], "waiting_approval");
    project.kaizen(&["reject", "r2", "--reason", "done looking"]).exits(0);
    // Of that kind, but the preflight found no help in it.
    let idle = project.change(
        "idle.toml",
        "title = \"Index the notes\"\nup = \"CREATE INDEX item_note ON item (note);\"\n",
    );
    let waits = project.kaizen(&[&start[..], &[&idle]].concat()).exits(3).json();
    assert_eq!(waits["status"], "waiting_approval");
}

#[test]
fn below_the_limited_stage_nothing_goes_by_itself() {
    let project = Project::quick();
    project.edit_policy("auto_approve = false", "auto_approve = true ");
    automatic(&project, "supervised");
    project.waiting(HELPFUL);
    assert_eq!(project.show("r1")["approvals"], json!([]));
    let project = Project::quick();
    project.edit_workflow("stage = \"supervised\"", "stage = \"dry_run\"");
    let file = project.change("change.toml", HELPFUL);
    let start = ["start", WORKFLOW, "--json", "--change", &file];
    let refused = project.kaizen(&[&start[..], &["--apply"]].concat()).exits(6);
    assert_eq!(refused.error(), "stage_dry_run");
    project.kaizen(&start).exits(0);
}

/// Something changes between approval and deployment: the approval is void, what is true now is
/// asked anew under another digest, and the new request can be approved.
fn voided_by(expected: &[&str], meanwhile: impl FnOnce(&Project)) {
    let project = Project::quick();
    project.waiting(HELPFUL);
    let seen = project.show("r1")["change"]["digest"].as_str().unwrap().to_owned();
    approve(&project, &[]).exits(0);
    meanwhile(&project);
    let asked = project.kaizen(&["resume", "r1", "--json"]).exits(3);
    let asked = asked.json();
    assert_eq!(asked["status"], "waiting_approval", "{asked:#}");
    assert_eq!(project.indexes(), Vec::<String>::new(), "nothing has been deployed");
    let changed = &project.events("r1", "approval_voided")[0]["body"]["changed"];
    assert_eq!(*changed, Value::from(expected));
    assert_ne!(asked["change"]["digest"], seen.as_str());
    assert_eq!(approve(&project, &["--digest", &seen]).exits(6).error(), "digest_changed");
    let kept = approve(&project, &["--resume"]).exits(0).json();
    assert_eq!(kept["outcome"], "kept");
    assert_eq!(project.indexes(), ["item_owner"]);
}

#[test]
fn an_approval_is_void_when_somebody_commits_meanwhile() {
    voided_by(&["base_commit"], |project| {
        project.git(&["commit", "-q", "--allow-empty", "-m", "Somebody else's work"]);
    });
}

#[test]
fn an_approval_is_void_when_the_schema_changes_meanwhile() {
    voided_by(&["schema"], |project| {
        project.db().execute_batch("CREATE TABLE other (id INTEGER PRIMARY KEY)").unwrap();
    });
}

#[test]
fn an_approval_is_void_when_the_workflow_changes_meanwhile() {
    voided_by(&["base_commit", "workflow"], |project| {
        project.edit_workflow("max_regression_pct = 200", "max_regression_pct = 201");
    });
}

#[test]
fn an_approval_is_void_when_the_policy_changes_meanwhile() {
    voided_by(&["base_commit", "policy"], |project| {
        project.edit_policy("min_success_probability = 0.5", "min_success_probability = 0.6");
    });
}

#[test]
fn a_freeze_lets_nothing_but_dry_runs_through() {
    let project = Project::quick();
    project.edit_workflow("freeze = false ", "freeze = true ");
    let file = project.change("change.toml", HELPFUL);
    let start = ["start", WORKFLOW, "--json", "--change", &file];
    assert_eq!(project.kaizen(&[&start[..], &["--apply"]].concat()).exits(6).error(), "frozen");
    assert_eq!(project.kaizen(&start).exits(0).json()["outcome"], "dry_run");
}

#[test]
fn protected_paths_are_refused_whatever_the_workflow_allows() {
    let project = Project::quick();
    project.edit_workflow("paths = [\"migrations/**\"]", "paths = [\"**\"]");
    project.edit_policy("paths = []", "paths = [\"secrets/**\"]");
    for path in [
        "kaizen.toml",
        "KAIZEN.toml",
        "Workflows/sqlite-index-tuning.toml",
        ".kaizen/journal.db",
        ".GIT/hooks/pre-commit",
        ".github/workflows/ci.yml",
        "secrets/key.txt",
        "../outside.txt",
    ] {
        let change = format!("title = \"Reach out\"\n[files]\n\"{path}\" = \"mine\"\n");
        let file = project.change("change.toml", &change);
        let refused = project.kaizen(&["start", WORKFLOW, "--change", &file, "--json"]).exits(6);
        let code = refused.json()["failure"]["code"].as_str().unwrap().to_owned();
        assert!(code.starts_with("refused_"), "{path}: {code}");
    }
    project.edit_workflow("paths = [\"**\"]", "paths = [\"migrations/**\", \"docs/**\"]");
    for (path, code) in [("docs/notes.md", 0), ("src/main.c", 6)] {
        let change = format!("title = \"Write\"\n[files]\n\"{path}\" = \"mine\"\n");
        let file = project.change("change.toml", &change);
        project.kaizen(&["start", WORKFLOW, "--change", &file, "--json"]).exits(code);
    }
}

#[test]
fn a_freeze_written_after_the_approval_holds_the_deployment() {
    let project = Project::new();
    let file = project.change("helpful.toml", HELPFUL);
    project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    project.kaizen(&["approve", "r1", "--reason", "clear"]).exits(0);
    project.edit_workflow("freeze = false", "freeze = true");
    let held = project.kaizen(&["resume", "r1", "--json"]).exits(3).json();
    assert_eq!(held["failure"]["code"], "frozen", "{held}");
    assert_eq!(project.indexes(), Vec::<String>::new());
}
