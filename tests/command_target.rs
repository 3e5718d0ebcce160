//! Any repository: what its benchmark and its tests say decides, in scratch worktrees that nothing
//! leaves.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Project, Ran};
use serde_json::Value;

const WORKFLOW: &str = "workflows/speed.toml";

/// Sums by a loop over a list that is built anew each time.
const SLOW: &str = "def total(n):\n    result = 0\n    for value in list(range(n)):\n        result = result + value\n    return result\n";

/// A Python package with a test and a benchmark that counts the lines it runs, which no busy machine
/// blurs; and a workflow about it.
fn package() -> Project {
    let project = Project::empty();
    project.write("sums.py", SLOW);
    project
        .write("check.py", "import sums\nassert sums.total(10) == 45\nassert sums.total(0) == 0\n");
    project.write(
        "bench.py",
        "import json, sys, sums\nlines = 0\ndef count(frame, event, arg):\n    global lines\n    \
         lines += event == 'line'\n    return count\nsys.settrace(count)\nsums.total(1000)\n\
         sys.settrace(None)\nprint(json.dumps({\"total_lines\": {\"value\": lines, \"unit\": \"lines\"}}))\n",
    );
    project.write("kaizen.toml", "");
    project.write(".gitignore", ".kaizen/\n");
    project.write(
        WORKFLOW,
        "name = \"speed\"\n[target]\nkind = \"command\"\nbenchmark = [\"python3\", \"bench.py\"]\n\
         test = [\"python3\", \"check.py\"]\n[analyze]\nrepetitions = 1\n\
         [generate]\npaths = [\"*.py\", \"data/**\"]\n\
         [evaluate]\nmin_improvement_pct = 30\nmax_regression_pct = 50\n[confine]\nmode = \"require\"\n",
    );
    project.git(&["add", "-A"]);
    project.git(&["commit", "-qm", "Begin"]);
    project
}

fn change(body: &str) -> String {
    format!(
        "title = \"Change the sum\"\ndiff = '''\n--- a/sums.py\n+++ b/sums.py\n@@ -2,4 +2,1 @@\n{body}'''\n"
    )
}

fn replaced_by(line: &str) -> String {
    let old = "-    result = 0\n-    for value in list(range(n)):\n-        result = result + value\n-    return result\n";
    change(&format!("{old}+    {line}\n"))
}

/// Starts a run with this change, approves it, and goes on to its end.
fn deployed(project: &Project, change: &str, run: &str) -> Ran {
    let file = project.change("change.toml", change);
    project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    project.kaizen(&["approve", run, "--reason", "tried", "--resume", "--json"])
}

#[cfg(target_os = "linux")]
#[test]
fn a_gain_is_kept_and_a_loss_is_reverted() {
    let project = package();
    let fast = replaced_by("return n * (n - 1) // 2");
    let kept = deployed(&project, &fast, "r1").exits(0).json();
    assert_eq!(kept["outcome"], "kept", "{kept}");
    assert_eq!(kept["change"]["kind"], "code");
    assert!(kept["evidence"]["improvement_pct"].as_f64().unwrap() > 30.0, "{kept}");
    assert!(project.read("sums.py").contains("n * (n - 1) // 2"));
    let shown = project.kaizen(&["show", "r1"]).exits(0).stdout;
    assert!(
        shown.contains("total_lines") && shown.contains("1 of 1 commands passed, confined"),
        "{shown}"
    );

    let slow = "title = \"Sum twice\"\n[[edits]]\npath = \"sums.py\"\nsearch = \"return n\"\n\
        replace = \"for value in range(9 * n):\\n        pass\\n    return n\"\n";
    let back = deployed(&project, slow, "r2").exits(4).json();
    assert_eq!(back["outcome"], "rolled_back", "{back}");
    assert_eq!(back["evidence"]["verdict"], "regressed", "{back}");
    assert!(!project.read("sums.py").contains("9 * n"));
    assert_eq!(project.git(&["log", "--format=%s", "-1"]).trim(), "Revert \"Sum twice\"");
    project.verifies();
    // A kept change is rolled back later as any other.
    let later = project.kaizen(&["rollback", "r1", "--reason", "no", "--json"]);
    let later = if later.code == 0 { project.kaizen(&["show", "r1", "--json"]) } else { later };
    assert_eq!(later.json()["outcome"], "rolled_back", "{}", later.stdout);
    assert_eq!(project.read("sums.py"), SLOW);
    project.verifies();
}

/// Starts a dry run that the preflight or the vetting refuses; its error.
fn refused(project: &Project, change: &str) -> (String, String) {
    let file = project.change("change.toml", change);
    let ended = project.kaizen(&["start", WORKFLOW, "--change", &file, "--json"]);
    assert_ne!(ended.code, 0, "{}", ended.stdout);
    let json: Value = ended.json();
    let text = |key: &str| json["error"][key].as_str().unwrap_or_default().to_owned();
    (text("code"), text("message"))
}

#[cfg(target_os = "linux")]
#[test]
fn what_breaks_a_test_or_cheats_is_refused_before_anybody_is_asked() {
    let project = package();
    let standing = project.standing();
    let (code, why) = refused(&project, &replaced_by("return n"));
    assert_eq!(code, "refused_by_preflight");
    assert!(why.contains("tests") && why.contains("AssertionError"), "{why}");
    // It would have to write outside of its worktree to break anything.
    let outside = project.path().join("sums.py").display().to_string();
    let writes =
        replaced_by(&format!("return open('{outside}', 'w').write('gone') and n * (n - 1) // 2"));
    let (code, why) = refused(&project, &writes);
    assert_eq!(code, "refused_by_preflight");
    assert!(why.contains("PermissionError"), "{why}");
    assert_eq!(project.read("sums.py"), SLOW);
    let network = replaced_by(
        "import socket; socket.create_connection(('127.0.0.1', 9)); return n * (n - 1) // 2",
    );
    assert!(refused(&project, &network).1.contains("PermissionError"));
    // Nor is it while it is tried.
    let rewrites =
        replaced_by("open('bench.py', 'w').write('print(\"{}\")'); return n * (n - 1) // 2");
    let (code, why) = refused(&project, &rewrites);
    assert_eq!(code, "refused_by_preflight");
    assert!(why.contains("has changed bench.py"), "{why}");
    // What measures it is not its to change, whatever the workflow allows.
    for file in ["bench.py", "check.py"] {
        let cheat = format!("title = \"Cheat\"\n[files]\n\"{file}\" = \"print('{{}}')\\n\"\n");
        let (code, why) = refused(&project, &cheat);
        assert_eq!(code, "refused_path_protected", "{why}");
    }
    let script = "title = \"SQL\"\nup = \"CREATE INDEX a ON b (c);\"\n";
    assert_eq!(refused(&project, script).0, "refused_script");
    let title = "title = \"Nice\\u001b[2K\"\n[files]\n\"data/a.txt\" = \"x\"\n";
    assert_eq!(refused(&project, title).0, "refused_title");
    let folder = "title = \"Both\"\n[files]\n\"data/a\" = \"x\"\n\"data/a/b\" = \"y\"\n";
    assert_eq!(refused(&project, folder).0, "refused_path_taken");
    let large = "x".repeat(1_100_000);
    let large = format!("title = \"Large\"\n[files]\n\"data/large.txt\" = \"{large}\"\n");
    assert_eq!(refused(&project, &large).0, "refused_large_file");
    let comment = "title = \"Words\"\n[[edits]]\npath = \"sums.py\"\nsearch = \"def total\"\nreplace = \"# Fast.\\ndef total\"\n";
    assert_eq!(refused(&project, comment).0, "refused_comments_only");
    let stale = change("-    answer = 0\n+    answer = 1\n");
    let (code, why) = refused(&project, &stale);
    assert!(code == "refused_patch_unreadable" || code == "refused_patch_does_not_apply", "{why}");
    assert_eq!(project.standing(), standing);
    project.verifies();
}

#[test]
fn somebody_must_propose_and_the_workflow_must_say_what() {
    let project = package();
    let refused = project.kaizen(&["start", WORKFLOW, "--json"]).exits(2);
    assert_eq!(refused.error(), "no_designer");
    let text = project.read(WORKFLOW);
    for (from, to, code) in [
        ("test = [\"python3\", \"check.py\"]\n", "", "workflow_missing_key"),
        ("benchmark = [\"python3\", \"bench.py\"]", "benchmark = []", "workflow_invalid_value"),
        (
            "kind = \"command\"\n",
            "kind = \"command\"\ndatabase = \"a.db\"\n",
            "workflow_invalid_value",
        ),
        ("paths = [\"*.py\", \"data/**\"]\n", "", "workflow_invalid_value"),
        ("mode = \"require\"", "mode = \"off\"", "workflow_below_floor"),
    ] {
        assert!(text.contains(from), "{from}");
        project.write(WORKFLOW, &text.replace(from, to));
        let refused = project.kaizen(&["start", WORKFLOW, "--json"]).exits(2);
        assert_eq!(refused.error(), code, "{to}: {}", refused.stdout);
    }
    project.write(WORKFLOW, &text.replace("\"bench.py\"]", "\"no-bench.py\"]"));
    let file = project.change("change.toml", &replaced_by("return n * (n - 1) // 2"));
    let ended = project.kaizen(&["start", WORKFLOW, "--change", &file, "--json"]);
    assert_eq!(ended.error(), "command_failed", "{}", ended.stdout);
}
