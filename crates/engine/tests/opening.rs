//! Opening a journal: what is refused, with which word, and many who open at once.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Place, create};
use kaizen_engine::{
    error::Classified,
    shell::{Reader, Store, SystemClock},
};
use std::{
    fs,
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

fn both(place: &Place) -> (&'static str, &'static str) {
    let path = place.journal();
    let read =
        Reader::open(&path).and_then(|reader| reader.last_event_at()).err().map(|e| e.code());
    let written = Store::open(&path, place.clock.clone()).err().map(|error| error.code());
    (read.unwrap_or("opened"), written.unwrap_or("opened"))
}

#[test]
fn a_missing_journal_is_made_by_a_writer_and_never_by_a_reader() {
    let place = Place::new();
    assert_eq!(both(&place), ("no_journal", "opened"));
    assert_eq!(both(&place), ("opened", "opened"));
}

#[test]
fn what_is_no_journal_is_left_as_it_is() {
    for garbage in
        [&b"this is a text of some length, and no database at all....."[..], &[0xff; 9000]]
    {
        let place = Place::new();
        fs::write(place.journal(), garbage).unwrap();
        assert_eq!(both(&place), ("not_a_journal", "not_a_journal"));
        assert_eq!(fs::read(place.journal()).unwrap(), garbage);
    }
}

#[test]
fn a_database_of_something_else_is_left_as_it_is() {
    for schema in [
        "CREATE TABLE customers (id INTEGER)",
        "CREATE TABLE meta (id INTEGER, journal_id TEXT)",
        "CREATE TABLE refinery_schema_history (version INT); CREATE TABLE customers (id INT)",
    ] {
        let place = Place::new();
        place.raw().execute_batch(schema).unwrap();
        let before = fs::read(place.journal()).unwrap();
        assert_eq!(both(&place), ("not_a_journal", "not_a_journal"), "{schema}");
        assert_eq!(fs::read(place.journal()).unwrap(), before, "{schema}");
    }
}

#[test]
fn a_newer_journal_is_refused_by_readers_and_writers() {
    let place = Place::new();
    drop(place.store());
    place.raw().pragma_update(None, "user_version", 99).unwrap();
    assert_eq!(both(&place), ("newer_journal", "newer_journal"));
}

#[tokio::test]
async fn an_old_process_stops_when_a_newer_one_has_migrated() {
    let place = Place::new();
    let store = place.store();
    create(&store).await;
    place.raw().pragma_update(None, "user_version", 99).unwrap();
    let me = store.me().to_owned();
    let refused =
        store.write(move |tx| tx.create(uuid::Uuid::now_v7(), common::created(2), "ada", &me));
    let refused = refused.await.unwrap_err();
    assert!(refused.to_string().contains("schema version 99"), "{refused}");
}

#[tokio::test]
async fn a_truncated_journal_is_damaged_and_not_misread() {
    let place = Place::new();
    let store = place.store();
    create(&store).await;
    drop(store);
    let whole = fs::read(place.journal()).unwrap();
    for length in [100, 4_096, whole.len() / 2, whole.len() - 4_096] {
        fs::write(place.journal(), &whole[..length]).unwrap();
        let (read, _) = both(&place);
        let named = ["damaged_journal", "not_a_journal"].contains(&read);
        assert!(named, "{length} of {} bytes: {read}", whole.len());
    }
}

#[tokio::test]
async fn the_writing_connection_itself_is_durable() {
    let place = Place::new();
    let pragmas = ["synchronous", "journal_mode", "foreign_keys"];
    let store = place.store();
    let answers = store
        .write(move |tx| pragmas.iter().map(|name| tx.pragma(name)).collect::<Result<Vec<_>, _>>());
    assert_eq!(answers.await.unwrap(), ["2", "wal", "1"]);
}

#[test]
fn twenty_threads_make_one_journal() {
    let place = Place::new();
    let opening: Vec<_> = (0..20)
        .map(|_| {
            let (path, clock) = (place.journal(), place.clock.clone());
            thread::spawn(move || Store::open(&path, clock).map(|store| store.me().to_owned()))
        })
        .collect();
    let mut owners: Vec<_> = opening.into_iter().map(|t| t.join().unwrap().unwrap()).collect();
    owners.sort();
    owners.dedup();
    assert_eq!(owners.len(), 20, "each is an owner of its own");
    let named: i64 = place.raw().query_row("SELECT count(*) FROM meta", [], |r| r.get(0)).unwrap();
    assert_eq!(named, 1);
}

/// The same test is parent and child: a child creates three runs in the parent's journal.
#[tokio::test]
async fn many_processes_write_one_journal() {
    if let Some(path) = std::env::var_os("KAIZEN_TEST_JOURNAL") {
        let store = Store::open(path.as_ref(), Arc::new(SystemClock)).unwrap();
        for _ in 0..3 {
            create(&store).await;
        }
        return;
    }
    let place = Place::new();
    let children: Vec<_> = (0..6)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "many_processes_write_one_journal"])
                .env("KAIZEN_TEST_JOURNAL", place.journal())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
    let reader = Reader::open(&place.journal()).unwrap();
    assert_eq!(reader.unfinished().unwrap().len(), 18);
    assert_eq!(place.verify(), Vec::<String>::new());
}

/// The same test is parent and child: the child dies as the owner of a run.
#[tokio::test]
async fn a_run_whose_owner_died_can_be_claimed_and_says_so() {
    if let Some(path) = std::env::var_os("KAIZEN_TEST_JOURNAL") {
        let store = Store::open(path.as_ref(), Arc::new(SystemClock)).unwrap();
        create(&store).await;
        println!("owner={}", store.me());
        std::process::abort();
    }
    let place = Place::new();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_run_whose_owner_died_can_be_claimed_and_says_so", "--nocapture"])
        .env("KAIZEN_TEST_JOURNAL", place.journal())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    let owner = said.lines().find_map(|line| line.split_once("owner=")).unwrap().1.to_owned();
    assert!(!child.status.success());
    let store = place.store();
    assert_eq!(store.reader().unwrap().driver(1).unwrap(), None, "nobody alive drives it");
    let me = store.me().to_owned();
    let (run, epoch) = store.write(move |tx| tx.claim(1, &me, "grace")).await.unwrap();
    assert_eq!((epoch, run.seq), (2, 2));
    let rows = store.reader().unwrap().rows(Some(1), 0, 10).unwrap();
    assert!(rows[1].event.contains(&format!(r#""after_crash_of":"{owner}""#)), "{}", rows[1].event);
}

/// More must not be written on top of an end that somebody has edited.
#[tokio::test]
async fn an_edited_end_is_refused_at_opening() {
    let place = Place::new();
    let store = place.store();
    create(&store).await;
    drop(store);
    place.raw().execute_batch(
        "DROP TRIGGER events_are_never_changed; UPDATE events SET event = replace(event, '\"at_us\"', '\"at_us\" ')",
    )
    .unwrap();
    assert_eq!(both(&place).1, "damaged_journal");
}
