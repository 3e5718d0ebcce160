//! Taking a kept change back later: nothing that others have put there since is lost, and nothing
//! that the change made is left behind without a word.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
use common::{Project, WORKFLOW};

/// An index that helps, and a table of its own beside it.
const WITH_A_TABLE: &str = "title = \"Find items by owner and keep notes\"\n\
    up = \"CREATE INDEX item_owner ON item (owner); CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT);\"\n\
    down = \"DROP TABLE notes; DROP INDEX item_owner;\"\n";

fn kept() -> Project {
    let mut tries = (0..4).map(|_| {
        let project = Project::new();
        let file = project.change("idea.toml", WITH_A_TABLE);
        project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
        let ended = project.kaizen(&["approve", "r1", "--reason", "clear", "--resume", "--json"]);
        (project, ended.json()["outcome"] == "kept")
    });
    // A noisy moment keeps nothing; that is not what is tested here.
    tries.find(|(_, kept)| *kept).expect("kept in one of four tries").0
}

#[test]
fn rows_written_since_are_not_dropped_with_their_table() {
    let project = kept();
    project.db().execute("INSERT INTO notes VALUES (1, 'precious')", []).unwrap();
    let asked = project.kaizen(&["rollback", "r1", "--reason", "no longer", "--json"]).exits(3);
    assert_eq!(asked.json()["failure"]["code"], "down_would_lose_rows", "{}", asked.stdout);
    let rows: i64 =
        project.db().query_row("SELECT count(*) FROM notes", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 1);
    // Once a person has saved them it goes on.
    project.db().execute("DELETE FROM notes", []).unwrap();
    project.kaizen(&["resume", "r1"]).exits(4);
    assert_eq!(project.indexes(), Vec::<String>::new());
    project.kaizen(&["audit", "verify"]).exits(0);
}

#[test]
fn what_the_change_made_is_gone_before_a_rollback_is_called_one() {
    let project = kept();
    project.db().execute_batch("DROP TABLE notes").unwrap();
    // The down script fails whole: its table is gone already.
    project.kaizen(&["rollback", "r1", "--reason", "no longer"]).exits(3);
    let wrong = ["resolve", "r1", "--effect", "down", "--done", "--reason", "I think so"];
    project.kaizen(&wrong).exits(0);
    let asked = project.kaizen(&["resume", "r1", "--json"]).exits(3);
    assert_eq!(asked.json()["failure"]["code"], "left_behind", "{}", asked.stdout);
    project.db().execute_batch("DROP INDEX item_owner").unwrap();
    project.kaizen(&["resume", "r1"]).exits(4);
}

#[test]
fn another_file_in_the_databases_place_voids_the_approval() {
    let project = Project::new();
    let file = project.change("idea.toml", WITH_A_TABLE);
    project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    project.kaizen(&["approve", "r1", "--reason", "clear"]).exits(0);
    std::fs::copy(project.file("app.db"), project.file("app.db.other")).unwrap();
    std::fs::rename(project.file("app.db.other"), project.file("app.db")).unwrap();
    let asked = project.kaizen(&["resume", "r1", "--json"]).exits(3);
    assert_eq!(asked.json()["status"], "waiting_approval", "{}", asked.stdout);
    let why = project.kaizen(&["why", "r1"]).exits(0).stdout;
    assert!(why.contains("no longer what was approved: target"), "{why}");
}
