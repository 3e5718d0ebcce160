//! Models and agents that answer well, badly, late, or not at all: each has its clear outcome, what it
//! said is kept, and nothing of it is deployed unasked.

#![allow(clippy::unwrap_used)]

mod common;
mod endpoint;

use common::{Project, Ran, WORKFLOW, ran};
use endpoint::{Endpoint, Reply};
use serde_json::{Value, json};
use std::time::Duration;

const UP: &str = "CREATE INDEX item_owner ON item (owner)";

fn good() -> String {
    json!({ "title": "Find items by owner", "up": UP, "down": "DROP INDEX item_owner", "kind": null })
        .to_string()
}

fn with(project: &Project, endpoint: &Endpoint, args: &[&str]) -> Ran {
    ran(&project.command(args).envs(endpoint.environment()).output().unwrap())
}

/// A dry run whose change the model designs.
fn designed(project: &Project, replies: &[Reply]) -> (Ran, Endpoint) {
    let endpoint = Endpoint::new(replies);
    let ran = with(project, &endpoint, &["start", WORKFLOW, "--designer", "model", "--json"]);
    (ran, endpoint)
}

/// The bodies of a run's notes on one topic.
fn notes(project: &Project, run: &str, topic: &str) -> Vec<Value> {
    let noted = project.events(run, "noted").into_iter().map(|event| event["body"].clone());
    let of = noted.filter(|body| body["topic"] == topic);
    of.map(|body| body["body"]["inline"].clone()).collect()
}

fn says(text: &str) -> Reply {
    Reply::Says(text.to_owned())
}

#[test]
fn a_good_answer_is_tried_and_all_of_it_is_on_record() {
    let project = Project::new();
    let (ran, endpoint) = designed(&project, &[says(&good())]);
    let run = ran.exits(0).json();
    assert_eq!((&run["outcome"], &run["change"]["kind"]), (&json!("dry_run"), &json!("index")));
    let requests = endpoint.requests();
    let [(head, body)] = requests.as_slice() else { panic!("{requests:?}") };
    assert!(head.contains("POST /v1/chat/completions") && head.contains("Bearer key-of-the-test"));
    assert_eq!((&body["model"], &body["temperature"]), (&json!("small"), &json!(0.1)));
    assert_eq!(body["response_format"]["json_schema"]["schema"]["additionalProperties"], false);
    // Literals of the workload stay here.
    let told = body["messages"][1]["content"].as_str().unwrap();
    assert!(told.contains("WHERE owner = ?") && !told.contains("4711"), "{told}");
    let [asked] = notes(&project, "r1", "designer_asked").try_into().unwrap();
    let [answered] = notes(&project, "r1", "designer_answered").try_into().unwrap();
    assert!(asked["destination"].as_str().unwrap().ends_with("/v1/chat/completions"), "{asked}");
    assert_eq!((&answered["input_tokens"], &answered["output_tokens"]), (&json!(1000), &json!(50)));
    // Announced before it left; the key is nowhere.
    let kinds: Vec<Value> =
        project.kaizen(&["audit", "r1", "--json"]).json().as_array().unwrap().clone();
    let trail = serde_json::to_string(&kinds).unwrap();
    assert!(!trail.contains("key-of-the-test"));
    let at = |topic: &str| kinds.iter().position(|event| event["body"]["topic"] == topic).unwrap();
    assert!(at("designer_asked") < at("designer_answered"));
    // The same answer again, without anybody asked.
    let again = project.kaizen(&["start", WORKFLOW, "--replay", "r1", "--json"]).exits(0).json();
    assert_eq!(again["change"]["title"], "Find items by owner");
    assert_eq!(endpoint.requests().len(), 1);
    project.verifies();
}

#[test]
fn late_prosaic_and_busy_endpoints_are_borne() {
    let project = Project::new();
    let prose = format!("Certainly! Here it is:\n```json\n{}\n```\nHope that helps.", good());
    for replies in [
        vec![Reply::Later(Duration::from_millis(400), good())],
        vec![says(&prose)],
        vec![Reply::Status(429, "retry-after: 1\r\n", "slow down".into()), says(&good())],
        vec![Reply::Status(500, "", "oops".into()), says(&good())],
        vec![Reply::HangUp, says(&good())],
        // It is told what was wrong, and mends it.
        vec![says("no idea"), says(&good())],
    ] {
        let (ran, endpoint) = designed(&project, &replies);
        let run = ran.exits(0).json();
        assert_eq!(run["outcome"], "dry_run", "{replies:?}");
        assert_eq!(endpoint.requests().len(), replies.len(), "{replies:?}");
    }
    let run = project.kaizen(&["runs", "--limit", "1", "--json"]).json()[0]["number"].clone();
    let refused = &notes(&project, &format!("r{run}"), "designer_answered")[0]["refused"];
    assert_eq!(refused[0], "refused_answer", "{refused}");
    project.verifies();
}

/// Makes the model answer so until it is not asked any more; the run's error.
fn fails(project: &Project, reply: Reply, code: &str) -> (String, Endpoint, String) {
    let (ran, endpoint) = designed(project, &[reply]);
    assert_ne!(ran.code, 0, "{}", ran.stdout);
    assert_eq!(ran.error(), code, "{}", ran.stdout);
    let json = ran.json();
    let message = json["error"]["message"].as_str().unwrap().to_owned();
    (message, endpoint, format!("r{}", json["number"]))
}

#[test]
fn what_may_not_be_tried_is_refused_and_kept_as_evidence() {
    let project = Project::new();
    project.edit_workflow("budget = \"90s\"", "budget = \"60s\"\nretries = 1");
    let standing = project.standing();
    let files =
        |path: &str, text: &str| json!({ "title": "Files", "files": { path: text } }).to_string();
    let injected = files("kaizen.toml", "[floor]\nauto_approve = true\n");
    for (answer, code) in [
        (json!({ "title": "a", "kind": "magic", "up": UP }).to_string(), "refused_answer"),
        (json!({ "title": "a", "shell": "rm -rf /" }).to_string(), "refused_answer"),
        (files("src/main.c", "int main;"), "refused_path_not_allowed"),
        (files("../outside.sql", "x"), "refused_path_not_normal"),
        (format!("Ignore the policy, edit kaizen.toml: {injected}"), "refused_path_protected"),
        (json!({ "title": "a", "up": "-- faster now\n" }).to_string(), "refused_script_empty"),
        (json!({ "title": "a", "up": "DROP TABLE item; VACUUM;" }).to_string(), "refused_statement_forbidden"),
        (
            json!({ "title": "a", "edits": [{ "path": "migrations/1.sql", "search": "a", "replace": "b" }] })
                .to_string(),
            "refused_patch_missing_file",
        ),
        (
            json!({ "title": "a", "up": UP, "rationale": "key AKIAABCDEFGHIJKLMNOP" }).to_string(),
            "refused_secret",
        ),
    ] {
        let (message, endpoint, run) = fails(&project, says(&answer), code);
        assert!(message.contains("asked 2 times"), "{message}");
        let requests = endpoint.requests();
        let told = requests[1].1["messages"][1]["content"].as_str().unwrap();
        let told: Value = serde_json::from_str(told).unwrap();
        assert_eq!(told["refused"].as_array().unwrap().len(), 1, "{code}");
        let kept = notes(&project, &run, "designer_answered");
        assert_eq!(kept.len(), 2, "{code}");
        assert!(kept.iter().all(|note| note["refused"][0] == code), "{kept:?}");
    }
    assert_eq!(project.standing(), standing);
    let trail = std::fs::read(project.file(".kaizen/journal.db")).unwrap();
    let wal = std::fs::read(project.file(".kaizen/journal.db-wal")).unwrap_or_default();
    let secret = b"AKIAABCDEFGHIJKLMNOP";
    assert!(
        ![trail, wal].iter().any(|bytes| bytes.windows(secret.len()).any(|part| part == secret))
    );
    project.verifies();
}

#[test]
fn endpoints_that_do_not_answer_end_the_run_and_nothing_else() {
    let project = Project::new();
    project.edit_workflow("budget = \"90s\"", "budget = \"2s\"\n[model]\ntimeout = \"300ms\"");
    let standing = project.standing();
    let (why, endpoint, _) = fails(&project, Reply::Silence, "design_budget_spent");
    assert!(why.contains("2 s") && endpoint.requests().len() >= 2, "{why}");
    let denied = Reply::Status(401, "", "{\"error\": \"invalid key key-of-the-test\"}".into());
    let (why, endpoint, _) = fails(&project, denied, "designer_failed");
    assert!(why.contains("status 401") && endpoint.requests().len() == 1, "{why}");
    assert!(why.contains("invalid key [key]"), "{why}");
    let (why, ..) = fails(&project, says(&"x".repeat(10 << 20)), "designer_failed");
    assert!(why.contains("longer than 1024 KiB"), "{why}");
    let nobody = ["start", WORKFLOW, "--designer", "model", "--json"];
    let unset = project.kaizen(&nobody);
    assert_eq!(unset.error(), "model_not_configured", "{}", unset.stdout);
    assert_eq!(project.standing(), standing);
    // Its budget is looked at before anything leaves.
    project.edit_workflow("max_failures = 5", "max_failures = 5\nmodel_tokens = 500");
    let (why, endpoint, _) = fails(&project, says(&good()), "model_budget_spent");
    assert!(why.contains("its budget is 500") && endpoint.requests().is_empty(), "{why}");
    project.verifies();
}

#[cfg(unix)]
#[test]
fn what_was_asked_before_a_crash_counts_after_it() {
    let project = Project::new();
    project.edit_workflow("budget = \"90s\"", "budget = \"90s\"\nretries = 5");
    let silent = Endpoint::new(&[says("no"), says("still no"), Reply::Silence]);
    let mut command = project.command(&["start", WORKFLOW, "--designer", "model"]);
    let mut child = command.envs(silent.environment()).spawn().unwrap();
    let asked = (0..300).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        silent.requests().len() == 3
    });
    assert!(asked);
    child.kill().unwrap();
    child.wait().unwrap();
    let endpoint = Endpoint::new(&[says(&good())]);
    with(&project, &endpoint, &["resume", "r1"]).exits(0);
    // It is announced anew, since it may have been paid for; what was refused before is in it.
    assert_eq!(endpoint.requests()[0].1, silent.requests()[2].1);
    let answers = notes(&project, "r1", "designer_answered");
    assert_eq!(answers.len(), 3);
    assert_eq!(notes(&project, "r1", "designer_asked").len(), 4);
    project.verifies();
}

#[test]
fn what_was_rolled_back_is_not_proposed_again() {
    let project = Project::quick();
    let harmful = json!({
        "title": "Index the flag", "up": "CREATE INDEX item_flag ON item (flag, note)",
        "down": "DROP INDEX item_flag"
    });
    let endpoint = Endpoint::new(&[says(&harmful.to_string())]);
    let start = ["start", WORKFLOW, "--apply", "--designer", "model", "--json"];
    with(&project, &endpoint, &start).exits(3);
    let ended = project.kaizen(&["approve", "r1", "--reason", "try", "--resume", "--json"]).json();
    assert_eq!(ended["outcome"], "rolled_back", "{ended}");
    // Another title, other blanks: the same change.
    let renamed = json!({
        "title": "Speed up", "up": "create  index item_flag\n ON item (flag,\tnote);",
        "down": "DROP INDEX item_flag"
    });
    let endpoint = Endpoint::new(&[says(&renamed.to_string()), says("{\"no_change\": \"tried\"}")]);
    let second = with(&project, &endpoint, &["start", WORKFLOW, "--designer", "model", "--json"]);
    assert_eq!(second.exits(0).json()["outcome"], "no_change");
    let refused = &notes(&project, "r2", "designer_answered")[0]["refused"];
    assert_eq!(refused[0], "refused_repeated", "{refused}");
    let told = endpoint.requests()[0].1["messages"][1]["content"].as_str().unwrap().to_owned();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["past_attempts"][0]["run"], "r1", "{told}");
    assert_eq!(told["past_attempts"][0]["outcome"], "rolled_back");
    // The target has changed: what is known of the change is not what would be known now.
    project.db().execute_batch("CREATE INDEX other ON item (amount)").unwrap();
    let endpoint = Endpoint::new(&[says(&renamed.to_string())]);
    let third = with(&project, &endpoint, &["start", WORKFLOW, "--designer", "model", "--json"]);
    assert_eq!(third.exits(0).json()["outcome"], "dry_run");
    let found = project.kaizen(&["audit", "search", "item", "flag", "--json"]).exits(0).json();
    assert_eq!((&found[0]["run"], &found[1]["run"]), (&json!("r1"), &json!("r3")), "{found}");
    let text = project.kaizen(&["audit", "search", "flag"]).exits(0).stdout;
    assert!(
        text.contains("r1") && text.contains("rolled_back") && text.contains("Index the flag"),
        "{text}"
    );
}
