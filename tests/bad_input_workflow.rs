//! Bad input: workflow definitions. The message names file, key and line, and the right word where
//! one is near.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
use common::{Project, WORKFLOW};
use insta::assert_snapshot;

/// Starts with one line of the workflow replaced.
fn with(from: &str, to: &str, code: &str) -> String {
    let project = Project::unchanged();
    project.edit_workflow(from, to);
    let read = project.refuses(&["start", WORKFLOW], 2, code);
    let doctor = project.kaizen(&["doctor"]).exits(1);
    assert!(doctor.stdout.contains("wrong   workflow"), "{}", doctor.stdout);
    read
}

#[test]
fn an_unknown_key() {
    let read = with("query_timeout", "query_timout", "workflow_unknown_key");
    assert_snapshot!(read, @r#"
    error: workflows/sqlite-index-tuning.toml: unknown key `query_timout` in [analyze] (line 18); did you mean `query_timeout`?
    next:  mend the named line, then: kaizen doctor
    "#);
    let read = with("[evaluate]", "[evalaute]", "workflow_unknown_key");
    assert_snapshot!(read, @r#"
    error: workflows/sqlite-index-tuning.toml: unknown key `evalaute` at the top level (line 46); did you mean `evaluate`?
    next:  mend the named line, then: kaizen doctor
    "#);
}

#[test]
fn a_key_in_the_wrong_section() {
    let read = with("repetitions = 3", "quorum = 3", "workflow_unknown_key");
    assert_snapshot!(read, @r#"
    error: workflows/sqlite-index-tuning.toml: unknown key `quorum` in [analyze] (line 19); it belongs in [approval]
    next:  mend the named line, then: kaizen doctor
    "#);
}

#[test]
fn a_wrong_unit() {
    let read =
        with("query_timeout = \"30s\"", "query_timeout = \"30 parsecs\"", "workflow_invalid_value");
    assert_snapshot!(read, @r#"
    error: workflows/sqlite-index-tuning.toml: `analyze.query_timeout` (line 18): `30 parsecs` is no duration: write 30s, 5m, 2h, 7d
    next:  mend the named line, then: kaizen doctor
    "#);
    let read = with("query_timeout = \"30s\"", "query_timeout = 30", "workflow_invalid_value");
    assert_snapshot!(read, @r#"
    error: workflows/sqlite-index-tuning.toml: `analyze.query_timeout` (line 18): `30` is no duration: write "30s", "5m", "2h", "7d"
    next:  mend the named line, then: kaizen doctor
    "#);
}

#[test]
fn a_negative_threshold() {
    let read =
        with("min_improvement_pct = 10", "min_improvement_pct = -10", "workflow_invalid_value");
    assert_snapshot!(read, @r#"
    error: workflows/sqlite-index-tuning.toml: `evaluate.min_improvement_pct` (line 47): expected a percentage from 0 to 100, found integer `-10`
    next:  mend the named line, then: kaizen doctor
    "#);
    let read = with(
        "min_success_probability = 0.75",
        "min_success_probability = 75",
        "workflow_invalid_value",
    );
    assert_snapshot!(read, @r#"
    error: workflows/sqlite-index-tuning.toml: `evaluate.min_success_probability` (line 50): expected a probability from 0 to 1, found integer `75`
    next:  mend the named line, then: kaizen doctor
    "#);
}

#[test]
fn an_unknown_target() {
    let read = with("kind = \"sqlite\"", "kind = \"oracle\"", "workflow_unknown_name");
    assert_snapshot!(read, @r#"
    error: workflows/sqlite-index-tuning.toml: unknown target `oracle` in `target.kind` (line 12); known: sqlite, sqlserver, command
    next:  mend the named line, then: kaizen doctor
    "#);
}

#[test]
fn an_unknown_designer() {
    let read = with("designer = \"rules\"", "designer = \"ruels\"", "workflow_unknown_name");
    assert_snapshot!(read, @r#"
    error: workflows/sqlite-index-tuning.toml: unknown designer `ruels` in `design.designer` (line 24); did you mean `rules`?
    next:  mend the named line, then: kaizen doctor
    "#);
}

#[test]
fn an_unknown_designer_on_the_command_line() {
    let project = Project::new();
    let args = ["start", WORKFLOW, "--designer", "oracle"];
    let told = project.kaizen(&["start", WORKFLOW, "--designer", "oracle", "--json"]).exits(2);
    assert_eq!(told.json()["error"]["code"], "usage");
    assert!(told.json()["error"]["message"].as_str().unwrap().contains("oracle"));
    let read = project.kaizen(&args).exits(2).stderr;
    assert!(read.contains("oracle") && read.contains("rules"), "{read}");
    assert!(project.runs().is_empty());
}

#[test]
fn no_toml_at_all() {
    let read = with("name = ", "name ", "workflow_syntax");
    assert_snapshot!(read, @r#"
    error: workflows/sqlite-index-tuning.toml: not valid TOML at line 8, column 6: key with no value, expected `=`
    next:  mend the named line, then: kaizen doctor
    "#);
}

#[test]
fn a_missing_key_and_a_missing_file() {
    let read = with("name = \"sqlite-index-tuning\"", "", "workflow_missing_key");
    assert_snapshot!(read, @r#"
    error: workflows/sqlite-index-tuning.toml: `name` is missing at the top level (line 1)
    next:  mend the named line, then: kaizen doctor
    "#);
    let project = Project::new();
    let read = project.refuses(&["start", "workflows/none.toml"], 2, "no_workflow");
    assert_snapshot!(read, @r#"
    error: there is no workflow workflows/none.toml
    next:  ls workflows
    "#);
}

#[test]
fn a_protected_path_in_the_allow_list() {
    let read =
        with("paths = [\"migrations/**\"]", "paths = [\"Workflows/**\"]", "workflow_invalid_value");
    assert_snapshot!(read, @r#"
    error: workflows/sqlite-index-tuning.toml: `generate.paths` (line 31): `Workflows/**` opens workflows/, which no change may touch
    next:  mend the named line, then: kaizen doctor
    "#);
}

#[test]
fn a_workflow_below_the_floor() {
    let read = with("kinds = []", "kinds = [\"index\"]\n", "workflow_below_floor");
    assert_snapshot!(read, @r#"
    error: workflows/sqlite-index-tuning.toml: `auto_approve.kinds` = ["index"] is looser than `floor.auto_approve` = false in kaizen.toml allows
    next:  mend the named line, then: kaizen doctor
    "#);
}

#[test]
fn a_policy_file_with_an_unknown_key() {
    let project = Project::new();
    project.write("kaizen.toml", "[journal]\npaht = \".kaizen/journal.db\"\n");
    let standing = project.standing();
    assert_snapshot!(project.complains(&["start", WORKFLOW], 2, "workflow_unknown_key"), @r#"
    error: [dir]/kaizen.toml: unknown key `paht` in [journal] (line 2); did you mean `path`?
    next:  mend the named line, then: kaizen doctor
    "#);
    assert_eq!(project.standing(), standing);
}

#[test]
fn no_project_here() {
    let project = Project::bare();
    project.write(WORKFLOW, "name = \"x\"\n");
    assert_snapshot!(project.refuses(&["start", WORKFLOW], 2, "no_project"), @r#"
    error: there is no kaizen.toml in [dir] or above it
    next:  kaizen init --sqlite FILE --workload 'workload/*.sql'
    "#);
    assert_snapshot!(project.refuses(&["resume", "r1"], 2, "no_project"), @r#"
    error: there is no kaizen.toml in [dir] or above it
    next:  kaizen init --sqlite FILE --workload 'workload/*.sql'
    "#);
}
