//! `kaizen journal compact` as a user sees it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
use common::{HELPFUL, Project, WORKFLOW};
use serde_json::json;

const COMPACT: &[&str] = &["journal", "compact", "--older-than", "0s"];

/// r1 was rejected, r2 waits for approval.
fn project() -> Project {
    let project = Project::quick();
    let file = project.change("idea.toml", HELPFUL);
    for _ in 0..2 {
        project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    }
    project.kaizen(&["reject", "r1", "--reason", "not now"]).exits(0);
    project
}

#[test]
fn what_is_left_of_a_compacted_run_can_be_read_and_verified() {
    let project = project();
    let young = project.kaizen(&["journal", "compact", "--older-than", "1d"]).exits(0);
    assert!(young.stdout.contains("there is nothing to take"), "{}", young.stdout);
    let would = project.kaizen(&[COMPACT, &["--dry-run", "--json"]].concat()).exits(0).json();
    assert_eq!(would["runs"], json!([[1, 1]]), "{would}");
    let taken = project.kaizen(&[COMPACT, &["--json"]].concat()).exits(0).json();
    assert_eq!(taken["runs"], json!([[1, 1]]), "{taken}");
    assert!(taken["events"].as_u64() >= Some(3), "{taken}");

    let show = project.kaizen(&["show", "r1"]).exits(0).stdout;
    assert!(show.contains("what its phases handed over is gone"), "{show}");
    assert!(show.contains("rejected by"), "{show}");
    let why = project.kaizen(&["why", "r1"]).exits(0).stdout;
    assert!(why.contains("taken by retention") && why.contains("not now"), "{why}");
    let runs = project.kaizen(&["runs", "--json"]).exits(0).json();
    assert!(runs[1]["compacted_at"].is_string() && runs[0]["compacted_at"].is_null(), "{runs}");
    let trail = project.kaizen(&["audit", "r1", "--json"]).exits(0).json();
    let pruned = trail.as_array().unwrap().iter().filter(|event| event["kind"] == "pruned");
    assert_eq!(Some(pruned.count() as u64), taken["events"].as_u64());
    let verified = project.kaizen(&["audit", "verify", "--json"]).exits(0).json();
    assert_eq!(verified["pruned"], json!({ "events": taken["events"], "runs": [[1, 1]] }));
    let said = project.kaizen(&["audit", "verify"]).exits(0).stdout;
    assert!(said.contains("retention took the bodies in r1\n"), "{said}");
    project.kaizen(&["approve", "r2", "--reason", "clear"]).exits(0);
}

#[test]
fn the_exported_trail_of_a_compacted_journal_is_checked_by_another_program() {
    let project = project();
    project.kaizen(COMPACT).exits(0);
    let to = project.file("trail").display().to_string();
    project.kaizen(&["audit", "export", "--to", &to]).exits(0);
    let check = || {
        let program = format!("{to}/verify.py");
        let done = std::process::Command::new("python3").args([&program, &to]).output().unwrap();
        (done.status.code(), String::from_utf8(done.stdout).unwrap())
    };
    let (code, said) = check();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("keep their hash alone"), "{said}");
    // A body that goes without a word.
    let lines = project.read("trail/events.jsonl");
    let mut rows: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let at = rows.iter().position(|row| row["run"] == 2 && row["run_seq"] == 2).unwrap();
    rows[at]["event"] = json!("");
    let forged: String = rows.iter().map(|row| format!("{row}\n")).collect();
    project.write("trail/events.jsonl", &forged);
    let (code, said) = check();
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("missing: events of r2 are gone"), "{said}");
}

#[test]
fn what_a_compacted_run_can_no_longer_do_is_said() {
    let project = project();
    project.kaizen(COMPACT).exits(0);
    project.complains(&["start", WORKFLOW, "--apply", "--from", "r1"], 2, "no_change_set");
    project.complains(&["rollback", "r1", "--reason", "x"], 2, "already_finished");
    project.complains(&["show", "r1", "--phase", "generate"], 2, "no_output");
    let soon = project.kaizen(&["journal", "compact", "--older-than", "soon"]).exits(2).stderr;
    assert!(soon.contains("write 30s, 5m, 2h, 7d"), "{soon}");
    project.kaizen(&["journal", "compact"]).exits(2);
    let again = project.kaizen(&[COMPACT, &["--vacuum"]].concat()).exits(0).stdout;
    assert!(again.contains("there is nothing to take"), "{again}");
    project.kaizen(&["audit", "verify"]).exits(0);
}
