//! Bad input: journals that are damaged, foreign or from the future. Nothing is overwritten, and
//! each difference is named.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
use common::{HELPFUL, Project, WORKFLOW};
use insta::assert_snapshot;
use rusqlite::Connection;

const START: &[&str] = &["start", WORKFLOW];
const JOURNAL: &str = ".kaizen/journal.db";

/// A project with one finished dry run, its journal in one file.
fn with_a_run() -> Project {
    let project = Project::new();
    let file = project.change("helpful.toml", HELPFUL);
    project.kaizen(&["start", WORKFLOW, "--change", &file]).exits(0);
    let db = Connection::open(project.file(JOURNAL)).unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    project
}

/// Every command that touches the journal is refused alike, and its bytes stay as they were.
fn every_command_is_refused(project: &Project, exit: i32, code: &str) -> String {
    let standing = project.standing();
    let bytes = std::fs::read(project.file(JOURNAL)).unwrap();
    let read = project.complains(START, exit, code);
    for args in [
        &["runs"][..],
        &["show", "r1"],
        &["resume", "r1"],
        &["approve", "r1", "--reason", "clear"],
        &["audit"],
        &["audit", "verify"],
    ] {
        project.complains(args, exit, code);
    }
    assert!(bytes == std::fs::read(project.file(JOURNAL)).unwrap(), "the file was touched");
    assert_eq!(project.standing(), standing);
    let doctor = project.kaizen(&["doctor"]).exits(1).stdout;
    assert!(doctor.contains("wrong   journal") && doctor.contains("mend:"), "{doctor}");
    read
}

#[test]
fn a_truncated_journal() {
    let project = with_a_run();
    let file = std::fs::OpenOptions::new().write(true).open(project.file(JOURNAL)).unwrap();
    file.set_len(file.metadata().unwrap().len() / 2 / 4096 * 4096).unwrap();
    assert_snapshot!(every_command_is_refused(&project, 5, "damaged_journal"), @r#"
    error: the journal is damaged: [dir]/.kaizen/journal.db: database disk image is malformed
    next:  kaizen doctor
    "#);
}

#[test]
fn the_intact_part_of_a_damaged_journal_is_got_back() {
    let project = with_a_run();
    let whole = project.kaizen(&["audit", "--json"]).exits(0).json();
    let db = Connection::open(project.file(JOURNAL)).unwrap();
    db.execute_batch(
        "DROP TRIGGER events_are_never_changed;
         UPDATE events SET event = replace(event, 'phase_completed', 'phase_failed') WHERE seq = 4;
         PRAGMA wal_checkpoint(TRUNCATE);",
    )
    .unwrap();
    drop(db);
    let doctor = project.kaizen(&["doctor"]).exits(1).stdout;
    assert!(doctor.contains("kaizen journal salvage --to intact.db"), "{doctor}");
    let to = project.file("intact.db").display().to_string();
    let damaged = std::fs::read(project.file(JOURNAL)).unwrap();
    let got = project.kaizen(&["journal", "salvage", "--to", &to, "--json"]).exits(0).json();
    assert_eq!(
        (&got["events"], &got["runs"], &got["unfinished"]),
        (&3.into(), &1.into(), &1.into())
    );
    assert!(got["stopped_at"].as_str().unwrap().starts_with("row 4 (r1 event 4)"), "{got}");
    assert!(damaged == std::fs::read(project.file(JOURNAL)).unwrap(), "the old one was touched");
    project.complains(&["journal", "salvage", "--to", &to], 2, "exists");

    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(project.file(&format!("{JOURNAL}{ending}")));
    }
    std::fs::rename(project.file("intact.db"), project.file(JOURNAL)).unwrap();
    assert_eq!(project.kaizen(&["audit", "verify", "--json"]).exits(0).json()["ok"], true);
    let kept = project.kaizen(&["audit", "--json"]).exits(0).json();
    let (kept, whole) = (kept.as_array().unwrap(), whole.as_array().unwrap());
    assert_eq!(kept[..], whole[..3], "the same events, with the same hashes");
    project.kaizen(&["resume", "r1"]).exits(0);
    assert_eq!(project.show("r1")["outcome"], "dry_run", "and the run goes on to its end");
}

#[test]
fn a_journal_whose_last_events_are_gone() {
    let project = with_a_run();
    let db = Connection::open(project.file(JOURNAL)).unwrap();
    db.execute_batch(
        "DROP TRIGGER events_are_never_deleted;
         DELETE FROM events WHERE seq > (SELECT max(seq) - 2 FROM events);",
    )
    .unwrap();
    let verified = project.kaizen(&["audit", "verify"]).exits(5);
    assert_snapshot!(verified.stdout.lines().next().unwrap_or_default(), @r#"
    differs: journal: truncated at r1 events 5 to 6: the run's last events are gone
    "#);
    assert_snapshot!(project.complains(&["show", "r1"], 5, "damaged_journal"), @r#"
    error: the journal is damaged: r1 had 6 events and the last of them is gone (0 can be read): the trail was cut off
    next:  kaizen doctor
    "#);
}

#[test]
fn an_edited_journal() {
    let project = with_a_run();
    let db = Connection::open(project.file(JOURNAL)).unwrap();
    let edit =
        "UPDATE events SET event = replace(event, 'helpful.toml', 'harmless.toml') WHERE seq = 1";
    assert!(db.execute(edit, []).unwrap_err().to_string().contains("append-only"));
    db.execute_batch("DROP TRIGGER events_are_never_changed").unwrap();
    assert_eq!(db.execute(edit, []).unwrap(), 1);
    let verified = project.kaizen(&["audit", "verify"]).exits(5);
    assert_snapshot!(verified.stdout.lines().next().unwrap_or_default(), @r#"
    differs: journal: edited at row 1 (r1 event 1): its bytes do not match their hash
    "#);
    let told = project.kaizen(&["audit", "verify", "--json"]).exits(5).json();
    assert_eq!(told["ok"], false);
    assert_eq!(told["differences"][0]["kind"], "edited");
    assert_snapshot!(project.complains(&["show", "r1"], 5, "damaged_journal"), @r#"
    error: the journal is damaged: row 1 (r1 event 1): its bytes do not match their hash: it was edited
    next:  kaizen doctor
    "#);
    assert_snapshot!(project.complains(&["resume", "r1"], 5, "damaged_journal"), @r#"
    error: the journal is damaged: row 1 (r1 event 1): its bytes do not match their hash: it was edited
    next:  kaizen doctor
    "#);
}

#[test]
fn a_journal_from_a_newer_version() {
    let project = with_a_run();
    let db = Connection::open(project.file(JOURNAL)).unwrap();
    db.execute_batch("PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE);").unwrap();
    drop(db);
    assert_snapshot!(every_command_is_refused(&project, 2, "newer_journal"), @r#"
    error: the journal [dir]/.kaizen/journal.db is of schema version 99; this kaizen knows up to 4
    next:  kaizen doctor
    "#);
}

#[test]
fn a_journal_that_is_a_text_file() {
    let project = Project::new();
    project.write(JOURNAL, &"This is a diary, not a journal.\n".repeat(200));
    assert_snapshot!(every_command_is_refused(&project, 2, "not_a_journal"), @r#"
    error: [dir]/.kaizen/journal.db is not a journal of Kaizen: it is no SQLite database
    next:  kaizen doctor
    "#);
}

#[test]
fn a_journal_that_is_another_database() {
    let project = Project::new();
    std::fs::create_dir_all(project.file(".kaizen")).unwrap();
    std::fs::copy(project.file("app.db"), project.file(JOURNAL)).unwrap();
    assert_snapshot!(every_command_is_refused(&project, 2, "not_a_journal"), @r#"
    error: [dir]/.kaizen/journal.db is not a journal of Kaizen: it is a SQLite database of something else
    next:  kaizen doctor
    "#);
}

#[test]
fn an_empty_file_in_place_of_the_journal_shows_in_the_audit() {
    let project = Project::new();
    let file = project.change("helpful.toml", HELPFUL);
    project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    project.kaizen(&["approve", "r1", "--reason", "clear", "--resume"]);
    for name in ["journal.db-wal", "journal.db-shm"] {
        let _ = std::fs::remove_file(project.file(".kaizen").join(name));
    }
    std::fs::write(project.file(JOURNAL), "").unwrap();
    assert_snapshot!(project.complains(&["audit", "verify"], 5, "damaged_journal"), @r#"
    error: the journal is damaged: [dir]/.kaizen/journal.db: the file is empty: its events are gone, or it was never begun
    next:  kaizen doctor
    "#);
    project.complains(&["show", "r1"], 5, "damaged_journal");
    // A new trail that begins in its place cannot pass for the old one: git remembers.
    project.kaizen(START).exits(0);
    let verified = project.kaizen(&["audit", "verify", "--json"]).exits(5).json();
    assert_eq!(verified["differences"][0]["store"], "git", "{verified}");
    assert_eq!(verified["differences"][0]["kind"], "extra", "{verified}");
}

#[test]
fn no_journal_yet() {
    let project = Project::new();
    assert_snapshot!(project.refuses(&["show", "r1"], 2, "no_journal"), @r#"
    error: no run has been started here yet: there is no [dir]/.kaizen/journal.db
    next:  kaizen start workflows/sqlite-index-tuning.toml
    "#);
    assert_snapshot!(project.refuses(&["audit", "verify"], 2, "no_journal"), @r#"
    error: no run has been started here yet: there is no [dir]/.kaizen/journal.db
    next:  kaizen start workflows/sqlite-index-tuning.toml
    "#);
    assert_eq!(project.runs(), Vec::<String>::new());
    assert!(!project.file(JOURNAL).exists(), "looking makes no journal");
}
