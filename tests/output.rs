//! What is printed: the JSON shapes that programs rely on, key by key, and the texts that people
//! read, as snapshots.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
use common::{HARMFUL, HELPFUL, Project, WORKFLOW, redacted};
use serde_json::{Value, json};
use std::process::Command;

const RUN: &[&str] = &[
    "run_id",
    "number",
    "workflow",
    "status",
    "outcome",
    "phase",
    "attempt",
    "dry_run",
    "created_at",
    "finished_at",
    "compacted_at",
    "commit",
    "revert_commit",
    "change",
    "evidence",
    "approvals",
    "events",
    "failure",
    "next",
];

/// Asserts that an object has exactly these keys.
fn has_keys(value: &Value, keys: &[&str]) {
    let mut found: Vec<&str> = value
        .as_object()
        .unwrap_or_else(|| panic!("no object: {value}"))
        .keys()
        .map(String::as_str)
        .collect();
    let mut expected = keys.to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

fn is_time(value: &Value) {
    let text = value.as_str().unwrap();
    assert!(text.len() == 27 && text.ends_with('Z') && text.as_bytes()[19] == b'.', "{text}");
}

fn is_run(run: &Value) {
    has_keys(run, RUN);
    assert_eq!(run["run_id"].as_str().unwrap().len(), 36);
    is_time(&run["created_at"]);
    assert!(run["events"].is_u64() && run["dry_run"].is_boolean() && run["number"].is_i64());
    if run["change"].is_object() {
        has_keys(&run["change"], &["kind", "title", "risk", "files", "digest"]);
        has_keys(
            &run["evidence"],
            &["improvement_pct", "ci_pct", "success_probability", "correct", "verdict", "checks"],
        );
        assert_eq!(run["evidence"]["ci_pct"].as_array().unwrap().len(), 2);
        has_keys(&run["evidence"]["checks"][0], &["name", "result"]);
    }
    for approval in run["approvals"].as_array().unwrap() {
        has_keys(approval, &["who", "decision", "reason", "at", "method", "rating"]);
        assert_eq!(approval["rating"], Value::Null, "nobody has given one");
        is_time(&approval["at"]);
    }
}

#[test]
fn runs_have_the_same_keys_in_every_command() {
    let project = Project::quick();
    let file = project.change("change.toml", HELPFUL);
    let waits =
        project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file, "--json"]).exits(3);
    is_run(&waits.json());
    for command in ["pending", "runs"] {
        let listed = project.kaizen(&[command, "--json"]).exits(0).json();
        assert_eq!(listed.as_array().unwrap().len(), 1, "{command}");
        is_run(&listed[0]);
        assert_eq!(listed[0]["outcome"], Value::Null);
        assert_eq!(listed[0]["finished_at"], Value::Null);
    }
    is_run(&project.kaizen(&["approve", "r1", "--reason", "clear", "--json"]).exits(0).json());
    let kept = project.kaizen(&["resume", "r1", "--json"]).exits(0).json();
    is_run(&kept);
    is_time(&kept["finished_at"]);
    assert_eq!(kept["commit"].as_str().unwrap(), project.git(&["rev-parse", "HEAD"]).trim());
    is_run(&project.show("r1"));
    assert_eq!(project.kaizen(&["pending", "--json"]).exits(0).json(), json!([]));
    for (filter, count) in [("kept", 1), ("finished", 1), ("rolled_back", 0)] {
        let listed = project.kaizen(&["runs", "--status", filter, "--json"]).exits(0).json();
        assert_eq!(listed.as_array().unwrap().len(), count, "{filter}");
    }
    let other = project.kaizen(&["runs", "--workflow", "another", "--json"]).exits(0).json();
    assert_eq!(other, json!([]));
}

#[test]
fn the_trail_is_printed_verified_and_exported_for_another_program() {
    let project = Project::quick();
    project.run_to_end(HELPFUL, "r1").exits(0);
    let events = project.kaizen(&["audit", "--json"]).exits(0).json();
    let events = events.as_array().unwrap();
    for event in events {
        has_keys(
            event,
            &[
                "seq",
                "run_id",
                "run_seq",
                "at",
                "actor",
                "kind",
                "phase",
                "body",
                "event_hash",
                "journal_hash",
            ],
        );
        is_time(&event["at"]);
        assert_eq!(event["event_hash"].as_str().unwrap().len(), 64);
    }
    let verified = project.kaizen(&["audit", "verify", "--json"]).exits(0).json();
    for key in ["ok", "events", "stores", "unanchored", "differences"] {
        assert_ne!(verified[key], Value::Null, "{key}");
    }
    has_keys(&verified["stores"], &["journal", "git", "sqlserver"]);
    assert_eq!(verified["events"].as_u64().unwrap(), events.len() as u64);
    assert_eq!(verified["differences"], json!([]));

    let out = project.file("trail").display().to_string();
    project.kaizen(&["audit", "export", "--to", &out]).exits(0);
    let python = |dir: &str| {
        let script = format!("{dir}/verify.py");
        Command::new("python3").args([&script, dir]).output().expect("python3 is needed")
    };
    let said = python(&out);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
    assert_eq!(
        project.kaizen(&["audit", "export", "--to", &out, "--json"]).exits(2).error(),
        "not_empty"
    );
    // The independent program finds an edit that keeps the file's form.
    let lines = project.read("trail/events.jsonl");
    project.write("trail/events.jsonl", &lines.replacen("tested", "teased", 1));
    let said = python(&out);
    assert_eq!(said.status.code(), Some(5), "{}", String::from_utf8_lossy(&said.stdout));
}

#[test]
fn errors_are_json_too_with_the_next_command() {
    let project = Project::quick();
    for (args, code) in [
        (&["show", "r1"][..], "no_journal"),
        (&["start", "workflows/none.toml"], "no_workflow"),
        (&["runs", "--status", "odd"], "no_such_status"),
        (&["nonsense"], "usage"),
    ] {
        let failed = project.kaizen(&[args, &["--json"]].concat()).exits(2);
        let error = failed.json();
        has_keys(&error, &["error"]);
        has_keys(&error["error"], &["code", "message", "next"]);
        assert_eq!(failed.error(), code);
        assert!(error["error"]["next"].is_string(), "{code}: what to type next?");
    }
}

#[test]
fn every_help_text_has_an_example() {
    let project = Project::bare();
    let top = project.kaizen(&["--help"]).exits(0).stdout;
    let commands: Vec<&str> = top
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.trim().is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(commands.len() >= 17, "{commands:?}");
    for command in commands {
        let help = project.kaizen(&[command, "--help"]).exits(0).stdout;
        assert!(help.contains("Example"), "{command} --help has no example:\n{help}");
        assert!(help.contains(&format!("kaizen {command}")), "{command}:\n{help}");
    }
}

#[test]
fn completions_and_the_manual_page_are_there() {
    let project = Project::bare();
    for shell in ["bash", "zsh", "fish"] {
        let script = project.kaizen(&["completions", shell]).exits(0).stdout;
        assert!(script.contains("kaizen") && script.contains("rollback"), "{shell}");
    }
    let page = project.kaizen(&["man"]).exits(0).stdout;
    assert!(page.contains(".TH") && page.contains("rollback"), "{page}");
}

/// As [`redacted`], with the names of this user and of the temporary directory taken out.
fn shown(project: &Project, args: &[&str], code: i32) -> String {
    let ran = project.kaizen(args).exits(code);
    let user = project.journal().query_row(
        "SELECT json_extract(event, '$.actor') FROM events WHERE seq = 1",
        [],
        |row| row.get::<_, String>(0),
    );
    let root = std::fs::canonicalize(project.path()).unwrap();
    let text = ran.stdout.replace(&root.display().to_string(), "ROOT");
    redacted(&text.replace(&format!("by {}", user.unwrap()), "by USER"))
}

#[test]
fn what_people_read_of_a_dry_run() {
    // What a noisy moment makes of it is not what people usually read.
    let tries = (0..6).map(|_| {
        let project = Project::quick();
        let file = project.change("change.toml", HELPFUL);
        shown(&project, &["start", WORKFLOW, "--change", &file], 0)
    });
    let quiet = |text: &String| !text.contains("inconclusive") && !text.contains("timed anew");
    let text = tries.into_iter().find(quiet).expect("a quiet moment in six tries");
    insta::assert_snapshot!(text);
}

#[test]
fn what_people_read_of_a_run_that_waits() {
    let project = Project::quick();
    project.waiting(HELPFUL);
    insta::assert_snapshot!("pending", shown(&project, &["pending"], 0));
}

#[test]
fn what_people_read_of_a_run_that_was_rolled_back() {
    let project = Project::quick();
    // Without the slow query the harm is most of the workload, whatever the machine does besides.
    project
        .write("workload/by_owner.sql", "-- name: by_id\nSELECT owner FROM item WHERE id = 7;\n");
    project.git(&["commit", "-qam", "Another workload"]);
    project.run_to_end(HARMFUL, "r1").exits(4);
    insta::assert_snapshot!("show", shown(&project, &["show", "r1", "--diff"], 0));
    insta::assert_snapshot!("why", shown(&project, &["why", "r1"], 0));
}

#[test]
fn the_log_has_a_span_for_runs_phases_effects_and_commits_as_json_too() {
    let project = Project::quick();
    project.waiting(HELPFUL);
    project.kaizen(&["approve", "r1", "--reason", "clear"]).exits(0);
    let ran = project.kaizen(&["resume", "r1", "-vv", "--log-format", "json", "--json"]);
    let lines: Vec<Value> =
        ran.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let closed = |name: &str| lines.iter().find(|line| line["span"]["name"] == name);
    for name in ["run", "phase", "announce", "effect", "commit"] {
        let line = closed(name).unwrap_or_else(|| panic!("no span {name}: {}", ran.stderr));
        assert!(line["fields"]["time.busy"].is_string(), "{line}");
    }
    let effect = closed("effect").unwrap();
    assert_eq!(effect["span"]["effect"], "commit");
    assert_eq!(effect["spans"][0]["run"], 1, "it says of which run: {effect}");
    let quiet = project.kaizen(&["show", "r1", "--json"]);
    assert_eq!(quiet.stderr, "", "nothing is logged unless asked for");
}
