//! External agents on a Rust and on a Python repository, with the workflows that are shipped: their
//! answers, what they leave behind, and how they fail.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Project, Ran};
use serde_json::{Value, json};

const PYTHON: &str = "workflows/python-benchmark.toml";
const RUST: &str = "workflows/rust-benchmark.toml";

/// A repository with a shipped workflow, whose agent is `agent.sh` outside of it.
fn repository(workflow: &str, text: &str, files: &[(&str, &str)]) -> Project {
    let project = Project::empty();
    for (path, text) in files {
        project.write(path, text);
    }
    project.write("kaizen.toml", "");
    project.write(
        ".gitignore",
        ".kaizen/\nagent.sh\ntold.json\ntarget/\nCargo.lock.orig\n__pycache__/\n",
    );
    // Busy machines blur nothing that is counted.
    let text = text.replace("\nmode = \"prefer\"", "\nmode = \"require\"");
    let text = text.replace("[evaluate]", "[analyze]\nrepetitions = 1\n[evaluate]");
    project.write(workflow, &text);
    project.git(&["add", "-A"]);
    project.git(&["commit", "-qm", "Begin"]);
    project
}

/// A package whose benchmark counts comparisons.
fn python() -> Project {
    let find = "def find(values, wanted, compare):\n    for at, value in enumerate(values):\n        if compare(value, wanted) == 0:\n            return at\n    return None\n";
    let compare =
        "def compare(a, b):\n    global count\n    count += 1\n    return (a > b) - (a < b)\n";
    repository(
        PYTHON,
        include_str!("../workflows/python-benchmark.toml"),
        &[
            ("src/search.py", find),
            (
                "benchmark.py",
                &format!(
                    "import json, sys\nsys.path.insert(0, 'src')\nimport search\ncount = 0\n{compare}\n\
                 for wanted in range(0, 1000, 7):\n    search.find(list(range(1000)), wanted, compare)\n\
                 print(json.dumps({{'comparisons': count}}))\n"
                ),
            ),
            (
                "test_search.py",
                "import sys, unittest\nsys.path.insert(0, 'src')\nimport search\n\nclass Finds(unittest.TestCase):\n    \
                 def test_all(self):\n        compare = lambda a, b: (a > b) - (a < b)\n        \
                 self.assertEqual([search.find([1, 3, 5], n, compare) for n in range(7)], \
                 [None, 0, None, 1, None, 2, None])\n",
            ),
        ],
    )
}

/// A crate that does the same.
fn rust() -> Project {
    repository(
        RUST,
        // One build, and not an optimized one, is quick.
        &include_str!("../workflows/rust-benchmark.toml").replace("\"--release\", ", ""),
        &[
            (
                "Cargo.toml",
                "[package]\nname = \"search\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
            ),
            ("Cargo.lock", "version = 3\n\n[[package]]\nname = \"search\"\nversion = \"0.1.0\"\n"),
            (
                "src/lib.rs",
                "/// Where `wanted` is in sorted `values`; `steps` counts comparisons.\npub fn find(values: &[u32], wanted: u32, steps: &mut u64) -> Option<usize> {\n    \
                 values.iter().position(|value| {\n        *steps += 1;\n        *value == wanted\n    })\n}\n",
            ),
            (
                "tests/finds.rs",
                "#[test]\nfn finds() {\n    let found = |n| search::find(&[1, 3, 5], n, &mut 0);\n    \
                 assert_eq!((found(0), found(3), found(5), found(6)), (None, Some(1), Some(2), None));\n}\n",
            ),
            (
                "examples/benchmark.rs",
                "fn main() {\n    let values: Vec<u32> = (0..1000).collect();\n    let mut steps = 0;\n    \
                 for wanted in (0..1000).step_by(7) {\n        search::find(&values, wanted, &mut steps);\n    }\n    \
                 println!(\"{{\\\"steps\\\": {steps}}}\");\n}\n",
            ),
        ],
    )
}

/// Starts a run whose agent is this shell script.
fn start(project: &Project, workflow: &str, script: &str, more: &[&str]) -> Ran {
    project.write("agent.sh", script);
    let agent = project.file("agent.sh").display().to_string();
    let command = json!(["sh", agent]).to_string();
    let mut args = vec!["start", workflow, "--agent-command", &command, "--json"];
    args.extend(more);
    project.kaizen(&args)
}

fn approved(project: &Project, run: &str) -> Value {
    project.kaizen(&["approve", run, "--reason", "tried", "--resume", "--json"]).json()
}

const BISECT: &str = "def find(values, wanted, compare):\n    low, high = 0, len(values)\n    while low < high:\n        middle = (low + high) // 2\n        order = compare(values[middle], wanted)\n        if order == 0:\n            return middle\n        low, high = (middle + 1, high) if order < 0 else (low, middle)\n    return None\n";

#[cfg(target_os = "linux")]
#[test]
fn a_python_package_is_improved_and_what_is_slower_is_taken_back() {
    let project = python();
    let told = project.file("told.json").display().to_string();
    // It leaves its change in the worktree, and a cache beside it.
    let bisect = format!(
        "cat > {told}\nmkdir -p src/__pycache__ cache && echo x > cache/x\ncat > src/search.py <<'EOF'\n{BISECT}EOF\necho 'Search by halves'\n"
    );
    let waiting = start(&project, PYTHON, &bisect, &["--apply"]).exits(3).json();
    assert_eq!(waiting["change"]["title"], "Search by halves", "{waiting}");
    assert_eq!(waiting["change"]["files"], json!(["src/search.py"]));
    let kept = approved(&project, "r1");
    assert_eq!(
        (&kept["outcome"], &kept["evidence"]["verdict"]),
        (&json!("kept"), &json!("improved"))
    );
    assert!(kept["evidence"]["improvement_pct"].as_f64().unwrap() > 90.0, "{kept}");
    assert_eq!(project.read("src/search.py"), BISECT);
    let told: Value = serde_json::from_str(&project.read("told.json")).unwrap();
    assert_eq!(told["allowed_paths"], json!(["src/**/*.py"]));
    assert!(
        told["analysis"]["command"]["metrics"][0]["value"].as_f64().unwrap() > 10_000.0,
        "{told}"
    );
    assert!(told["answer_schema"]["properties"]["edits"].is_object());

    let twice = json!({
        "title": "Look twice", "rationale": "To be sure.",
        "edits": [{ "path": "src/search.py", "search": "        if order == 0:", "replace":
            "        order = compare(values[middle], wanted)\n        if order == 0:" }]
    });
    let answer = format!("cat > /dev/null\ncat <<'EOF'\nI looked at it closely.\n{twice}\nEOF\n");
    start(&project, PYTHON, &answer, &["--apply"]).exits(3);
    let back = approved(&project, "r2");
    assert_eq!(
        (&back["outcome"], &back["evidence"]["verdict"]),
        (&json!("rolled_back"), &json!("regressed"))
    );
    assert_eq!(project.read("src/search.py"), BISECT);
    // Asked once more it may not say the same.
    let again = start(&project, PYTHON, &answer, &[]);
    assert_eq!(again.error(), "refused_repeated", "{}", again.stdout);
    project.verifies();
}

#[cfg(target_os = "linux")]
#[test]
fn a_rust_crate_is_improved_and_a_broken_test_is_refused() {
    let project = rust();
    let halves = "cat > /dev/null\nsed -i 's/values.iter().position(|value| {/values.binary_search_by(|value| {/; \
        s/\\*value == wanted/value.cmp(\\&wanted)/; s/^    })$/    }).ok()/' src/lib.rs\necho 'Search by halves'\n";
    start(&project, RUST, halves, &["--apply"]).exits(3);
    let kept = approved(&project, "r1");
    assert_eq!(kept["outcome"], "kept", "{kept}");
    assert!(project.read("src/lib.rs").contains("binary_search_by"));
    let broken = "cat > /dev/null\nsed -i 's/.ok()/.ok().filter(|at| *at < 2)/' src/lib.rs\necho 'Give up early'\n";
    let refused = start(&project, RUST, broken, &["--apply"]);
    assert_eq!(refused.error(), "refused_by_preflight", "{}", refused.stdout);
    let slower = "cat > /dev/null\nsed -i 's/\\*steps += 1;/*steps += 2;/' src/lib.rs\necho 'Count double'\n";
    start(&project, RUST, slower, &["--apply"]).exits(3);
    let back = approved(&project, "r3");
    assert_eq!(
        (&back["outcome"], &back["evidence"]["verdict"]),
        (&json!("rolled_back"), &json!("regressed"))
    );
    assert!(project.read("src/lib.rs").contains("*steps += 1;"));
    project.verifies();
}

#[cfg(target_os = "linux")]
#[test]
fn agents_that_fail_are_told_apart_and_nothing_of_theirs_stays() {
    let project = python();
    let text = project.read(PYTHON);
    project.write(
        PYTHON,
        &text.replace("budget = \"15m\"", "budget = \"2s\"").replace("retries = 2", "retries = 0"),
    );
    project.git(&["commit", "-qam", "Hurry"]);
    let standing = project.standing();
    let home = project.file("left").display().to_string();
    for (script, code, said) in [
        ("echo bad >&2; exit 3", "designer_failed", "exit code 3: bad"),
        ("sleep 60 & sleep 60", "designer_failed", "not done after"),
        ("head -c 3000000 /dev/zero | tr '\\0' x", "designer_failed", "more than 1024 KiB"),
        ("echo 'I could not find anything.'", "refused_answer", "no JSON object"),
        ("echo x >> benchmark.py; echo Cheat", "refused_path_protected", "benchmark.py"),
        ("echo x > .gitignore; echo Hide", "refused_path_not_allowed", ".gitignore"),
        ("echo 'auto_approve' > kaizen.toml; echo Free", "refused_path_protected", "kaizen.toml"),
        ("ln -sf /etc/passwd src/search.py; echo Link", "designer_failed", "a link to /etc/passwd"),
        ("chmod +x src/search.py; echo Mode", "designer_failed", "another mode"),
        ("test -z \"$SECRET_OF_THE_TEST\" || exit 9; echo '{\"no_change\": \"clean\"}'", "", ""),
    ] {
        project.write("agent.sh", script);
        let agent = json!(["sh", project.file("agent.sh").display().to_string()]).to_string();
        let mut command = project.command(&["start", PYTHON, "--agent-command", &agent, "--json"]);
        let output = command.env("SECRET_OF_THE_TEST", "told").env("LEFT", &home).output().unwrap();
        let ran = common::ran(&output);
        if code.is_empty() {
            assert_eq!(ran.exits(0).json()["outcome"], "no_change");
            continue;
        }
        let error = &ran.json()["error"];
        assert_eq!(error["code"], code, "{script}: {}", ran.stdout);
        assert!(error["message"].as_str().unwrap().contains(said), "{script}: {error}");
    }
    for bad in ["sh agent.sh", "[]", "[\"\"]", "{}"] {
        let refused = project.kaizen(&["start", PYTHON, "--agent-command", bad, "--json"]).exits(2);
        assert_eq!(refused.error(), "agent_command", "{bad}");
    }
    assert_eq!(project.standing(), standing);
    project.verifies();
}
