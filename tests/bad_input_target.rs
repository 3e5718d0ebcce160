//! Bad input: the database and its workload. Nothing is lost or half done, and each error says
//! what is wrong with which file, line and query, and what to type next.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
use common::{HELPFUL, Project, WORKFLOW, ran};
use insta::assert_snapshot;
use std::{
    process::Stdio,
    time::{Duration, Instant},
};

const START: &[&str] = &["start", WORKFLOW];
const INIT: &[&str] = &["init", "--sqlite", "app.db", "--workload", "workload/*.sql"];

/// A project whose workload is this one file.
fn with_workload(sql: &str) -> Project {
    let project = Project::new();
    project.write("workload/by_owner.sql", sql);
    project
}

#[test]
fn no_such_database() {
    let project = Project::new();
    std::fs::remove_file(project.file("app.db")).unwrap();
    assert_snapshot!(project.refuses(START, 2, "database_missing"), @r#"
    error: there is no database at [dir]/app.db
    next:  mend `database` under [target] in workflows/sqlite-index-tuning.toml, then: kaizen doctor
    "#);
    assert!(!project.file("app.db").exists(), "looking for a database must not make one");
    let bare = Project::bare();
    let init = ["init", "--sqlite", "other.db", "--workload", "workload/*.sql"];
    assert_snapshot!(bare.refuses(&init, 2, "database_missing"), @r#"
    error: there is no database at [dir]/other.db
    next:  kaizen init --sqlite FILE --workload 'GLOB'
    "#);
    assert!(!bare.file("kaizen.toml").exists() && !bare.file("other.db").exists());
}

#[test]
fn not_a_sqlite_file() {
    let project = Project::new();
    project.write("app.db", "id;owner;amount\n1;2;3\n");
    assert_snapshot!(project.refuses(START, 2, "database_not_sqlite"), @r#"
    error: [dir]/app.db is not a SQLite database: it does not begin with SQLite's header (or is encrypted)
    next:  mend `database` under [target] in workflows/sqlite-index-tuning.toml, then: kaizen doctor
    "#);
    assert_eq!(project.read("app.db"), "id;owner;amount\n1;2;3\n");
    let bare = Project::bare();
    bare.write("app.db", "");
    assert_snapshot!(bare.refuses(INIT, 2, "database_not_sqlite"), @r#"
    error: [dir]/app.db is not a SQLite database: the file is empty
    next:  kaizen init --sqlite FILE --workload 'GLOB'
    "#);
    assert!(!bare.file("kaizen.toml").exists());
}

#[test]
fn a_database_that_is_a_directory() {
    let project = Project::new();
    std::fs::remove_file(project.file("app.db")).unwrap();
    std::fs::create_dir(project.file("app.db")).unwrap();
    assert_snapshot!(project.refuses(START, 2, "database_is_directory"), @r#"
    error: [dir]/app.db is a directory, not a database
    next:  mend `database` under [target] in workflows/sqlite-index-tuning.toml, then: kaizen doctor
    "#);
}

#[test]
fn a_database_that_another_process_holds_locked() {
    let project = Project::new();
    let standing = project.standing();
    let holder = project.db();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let began = Instant::now();
    assert_snapshot!(project.complains(START, 1, "database_locked"), @r#"
    error: [dir]/app.db is locked by another process: database is locked
    next:  see who holds it, with: fuser -v [dir]/app.db   (then the same again)
    "#);
    assert!(began.elapsed() < Duration::from_secs(30), "it gives up in good time");
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(project.standing(), standing);
    assert_eq!(project.runs(), Vec::<String>::new());
    project.kaizen(START).exits(0);
}

#[test]
fn a_database_that_is_locked_when_the_script_is_applied_is_waited_for() {
    let project = Project::new();
    let file = project.change("helpful.toml", HELPFUL);
    project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    project.kaizen(&["approve", "r1", "--reason", "clear"]).exits(0);
    let holder = project.db();
    // Others may read, nobody else may write: where the script meets a lock.
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut driver = project.command(&["resume", "r1"]).stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while project.git(&["log", "--format=%s", "-1"]).trim() != "Find items by owner" {
        assert!(Instant::now() < deadline, "the commit comes before the script");
        std::thread::yield_now();
    }
    assert_eq!(project.indexes(), Vec::<String>::new());
    holder.execute_batch("ROLLBACK").unwrap();
    // Kept, or rolled back as inconclusive where the machine is too noisy to tell: both mean that
    // it was deployed and judged, which is all that is asked here.
    assert!(matches!(driver.wait().unwrap().code(), Some(0 | 4)));
    let trail = project.kaizen(&["audit", "r1", "--json"]).exits(0).json();
    let applied = trail
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["kind"] == "effect_done" && event["body"]["effect"] == "up");
    assert_eq!(applied.count(), 1);
    project.verifies();
}

#[test]
fn a_workload_with_a_syntax_error() {
    let project = with_workload("SELECT 1;\n\n-- name: broken\nSELEC count(*) FROM item;\n");
    assert_snapshot!(project.refuses(START, 2, "workload_forbidden_statement"), @r#"
    error: workload/by_owner.sql:4: query "broken" may not be in a workload: it begins with "SELEC"; only SELECT, WITH and VALUES may run
    next:  mend the named file, then: kaizen doctor
    "#);
    project.write("workload/by_owner.sql", "-- name: broken\nSELECT count(* FROM item;\n");
    assert_snapshot!(project.refuses(START, 2, "workload_syntax"), @r#"
    error: workload/by_owner.sql:2: query "broken": SQLite says: near "FROM": syntax error
    next:  mend the named file, then: kaizen doctor
    "#);
    project.write("workload/by_owner.sql", "SELECT 'never closed FROM item;\n");
    assert_snapshot!(project.refuses(START, 2, "workload_syntax"), @r#"
    error: workload/by_owner.sql:1: cannot be read as SQL: Unterminated string literal
    next:  mend the named file, then: kaizen doctor
    "#);
}

#[test]
fn a_workload_with_a_missing_table() {
    let project = with_workload("-- name: orders\nSELECT * FROM orders;\n");
    assert_snapshot!(project.refuses(START, 2, "workload_syntax"), @r#"
    error: workload/by_owner.sql:2: query "orders": SQLite says: no such table: orders
    next:  mend the named file, then: kaizen doctor
    "#);
}

#[test]
fn a_workload_that_would_change_the_database() {
    for (sql, word) in [
        ("CREATE INDEX sneaky ON item (owner);", "CREATE"),
        ("DROP TABLE item;", "DROP"),
        ("PRAGMA journal_mode = OFF;", "PRAGMA"),
        ("ATTACH 'other.db' AS other;", "ATTACH"),
        ("DELETE FROM item;", "DELETE"),
        ("WITH gone AS (SELECT 1) DELETE FROM item;", "change the database"),
        ("SELECT load_extension('x');", "load_extension"),
    ] {
        let project = with_workload(&format!("-- name: sneaky\n{sql}\n"));
        let read = project.refuses(START, 2, "workload_forbidden_statement");
        assert!(read.contains("workload/by_owner.sql:2"), "{read}");
        assert!(read.contains("\"sneaky\"") && read.contains(word), "{read}");
        assert!(!project.file("other.db").exists());
    }
    let project = with_workload("-- name: pragma\nPRAGMA user_version;\n");
    assert_snapshot!(project.refuses(START, 2, "workload_forbidden_statement"), @r#"
    error: workload/by_owner.sql:2: query "pragma" may not be in a workload: it begins with "PRAGMA"; only SELECT, WITH and VALUES may run
    next:  mend the named file, then: kaizen doctor
    "#);
}

#[test]
fn a_query_that_never_ends_is_recorded_as_timed_out() {
    let project = with_workload(
        "-- name: endless\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)\n\
         SELECT count(*) FROM n;\n\n-- name: by_owner\nSELECT sum(amount) FROM item WHERE owner = 77;\n",
    );
    project.git(&["commit", "-qam", "Add a query"]);
    project.edit_workflow("query_timeout = \"30s\"", "query_timeout = \"300ms\"");
    let began = Instant::now();
    let ended = project.kaizen(&["start", WORKFLOW, "--json"]).exits(0).json();
    assert!(began.elapsed() < Duration::from_secs(60), "it took {:?}", began.elapsed());
    assert_eq!(ended["status"], "finished", "{ended}");
    let analysis = project.kaizen(&["show", "r1", "--phase", "analyze"]).exits(0).json();
    let endless = &analysis["queries"].as_array().unwrap()[0];
    assert_eq!(endless["name"], "endless");
    assert_eq!(endless["status"]["status"], "timed_out", "{endless}");
    assert_eq!(endless["status"]["reason"], 300);
    // A change is judged by the others; a time-out is never taken for a score.
    let file = project.change("helpful.toml", HELPFUL);
    let tried = project.kaizen(&["start", WORKFLOW, "--change", &file, "--json"]).exits(0).json();
    assert_eq!(tried["outcome"], "dry_run");
    let checks = tried["evidence"]["checks"].to_string();
    assert!(checks.contains("endless"), "the evidence names what it could not judge: {checks}");
    project.verifies();
}

#[test]
fn ctrl_c_while_a_query_runs_leaves_a_run_that_can_go_on() {
    let project = with_workload(
        "-- name: endless\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)\n\
         SELECT count(*) FROM n;\n",
    );
    let standing = project.standing();
    let mut child = project.command(START).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !project.file(".kaizen/scratch/r1/snapshot.db").exists() {
        assert!(Instant::now() < deadline, "the run never began");
        std::thread::yield_now();
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert!(!child.wait().unwrap().success());
    assert_eq!(project.runs(), ["r1 running -"]);
    assert_eq!(project.standing(), standing);
    project.verifies();
    let cancelled = project.kaizen(&["cancel", "r1", "--reason", "endless", "--json"]).exits(0);
    assert_eq!(cancelled.json()["outcome"], "cancelled");
}

#[test]
fn a_query_whose_result_is_unstable_is_excluded_by_name() {
    let project = with_workload(
        "-- name: any_three\nSELECT id FROM item WHERE amount > 10 LIMIT 3;\n\n\
         -- name: by_owner\nSELECT sum(amount) FROM item WHERE owner = 77;\n",
    );
    let file = project.change("helpful.toml", HELPFUL);
    let tried = project.kaizen(&["start", WORKFLOW, "--change", &file, "--json"]).exits(0).json();
    let analysis = project.kaizen(&["show", "r1", "--phase", "analyze"]).exits(0).json();
    let queries = analysis["queries"].as_array().unwrap();
    let status = |name: &str| &queries.iter().find(|q| q["name"] == name).unwrap()["status"];
    assert_eq!(status("any_three")["status"], "unstable", "{queries:?}");
    assert_eq!(status("by_owner")["status"], "stable");
    let checks = tried["evidence"]["checks"].as_array().unwrap();
    let excluded = checks.iter().find(|check| check["name"].to_string().contains("any_three"));
    assert_eq!(excluded.unwrap()["result"], "not_measurable", "{checks:?}");
}

#[test]
fn an_empty_workload() {
    let project = with_workload("-- nothing yet\n");
    assert_snapshot!(project.refuses(START, 2, "workload_empty"), @r#"
    error: the workload is empty: there is no query in workload/by_owner.sql
    next:  mend the named file, then: kaizen doctor
    "#);
    std::fs::remove_file(project.file("workload/by_owner.sql")).unwrap();
    assert_snapshot!(project.refuses(START, 2, "workload_no_files"), @r#"
    error: no file matches workload/*.sql
    next:  mend `workload` under [target] in workflows/sqlite-index-tuning.toml, then: kaizen doctor
    "#);
    let bare = Project::bare();
    let init = ["init", "--sqlite", "app.db", "--workload", "queries/*.sql"];
    assert_snapshot!(bare.refuses(&init, 2, "workload_no_files"), @r#"
    error: no file matches queries/*.sql
    next:  kaizen init --sqlite FILE --workload 'GLOB'
    "#);
    assert!(!bare.file("kaizen.toml").exists());
}

#[test]
fn the_sample_that_init_wrote_is_no_workload() {
    let project = Project::bare();
    std::fs::remove_file(project.file("workload/by_owner.sql")).unwrap();
    project.git(&["commit", "-qam", "No queries"]);
    project.kaizen(&["init", "--sqlite", "app.db"]).exits(0);
    assert_snapshot!(project.refuses(START, 2, "workload_is_sample"), @r#"
    error: workload/sample.sql:7: this is the sample that `init` wrote, marked `-- sample`; it says nothing about your database: put your own queries in and remove that line
    next:  mend the named file, then: kaizen doctor
    "#);
}

#[test]
fn parameters_without_values_and_two_queries_of_one_name() {
    let project = with_workload("-- name: one\nSELECT * FROM item WHERE id = :id;\n");
    assert_snapshot!(project.refuses(START, 2, "workload_unbound_parameter"), @r#"
    error: workload/by_owner.sql:2: query "one" has 1 parameter(s) (:id) without a value: write the values that your application uses into the query
    next:  mend the named file, then: kaizen doctor
    "#);
    project.write("workload/by_owner.sql", "-- name: one\nSELECT 1;\n-- name: ONE\nSELECT 2;\n");
    assert_snapshot!(project.refuses(START, 2, "workload_duplicate_name"), @r#"
    error: workload/by_owner.sql:4: a query named "ONE" stands already at workload/by_owner.sql:2
    next:  mend the named file, then: kaizen doctor
    "#);
    project.write("workload/by_owner.sql", "-- weight: -2\nSELECT 1;\n");
    assert_snapshot!(project.refuses(START, 2, "workload_bad_weight"), @r#"
    error: workload/by_owner.sql:1: weight must be a number above 0, and this is not: "-2"
    next:  mend the named file, then: kaizen doctor
    "#);
}

#[test]
fn a_database_that_goes_away_after_the_start_fails_the_run() {
    let project = Project::new();
    let detached = project.kaizen(&["start", WORKFLOW, "--detach", "--json"]).exits(0);
    assert_eq!(detached.json()["number"], 1);
    std::fs::rename(project.file("app.db"), project.file("gone.db")).unwrap();
    let ended = ran(&project.command(&["resume", "r1"]).output().unwrap()).exits(1);
    assert_snapshot!(project.tidy(&ended.stderr), @r#"
      record_provenance  history row written, run sealed
    error: there is no database at [dir]/app.db
    next:  kaizen why r1
    "#);
    std::fs::rename(project.file("gone.db"), project.file("app.db")).unwrap();
    project.verifies();
}

#[test]
fn a_database_that_stays_locked_fails_the_run_in_good_time() {
    let project = Project::new();
    project.kaizen(&["start", WORKFLOW, "--detach"]).exits(0);
    let holder = project.db();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let ended = project.kaizen(&["resume", "r1"]);
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(ended.code, 1, "{ended:?}");
    let error = &ended.stderr[ended.stderr.find("error:").unwrap()..];
    assert_snapshot!(project.tidy(error), @r#"
    error: [dir]/app.db is locked by another process: database is locked
    next:  see who holds it, with: fuser -v [dir]/app.db   # then: kaizen start workflows/sqlite-index-tuning.toml
    "#);
    assert_eq!(project.runs(), ["r1 finished failed"]);
    project.verifies();
}
