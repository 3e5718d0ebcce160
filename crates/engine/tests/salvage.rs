//! What can be got back of a damaged journal: its longest intact beginning, byte for byte, and runs
//! that go on from there.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{
    HOUR, Place, created,
    world::{World, approve, start_approved},
};
use kaizen_engine::{
    digest::Digest,
    error::Classified,
    journal::{Due, Effect, Live, Status, replay::Row},
    shell::{
        Operated, Reader,
        salvage::{Salvaged, salvage},
    },
};
use std::{collections::BTreeSet, fs};

/// A kept run, one rolled back, and one that waits; and what stands outside after the first.
async fn journal() -> (Place, BTreeSet<Effect>) {
    let place = Place::new();
    let world = World::new();
    start_approved(&world.engine(&place)).await;
    let worse = World::new().worse();
    start_approved(&worse.engine(&place)).await;
    let engine = World::new().engine(&place);
    engine.start(created(0), "ada", common::texts()).await.unwrap();
    place.store().write(|tx| tx.put_artifact(b"bytes")).await.unwrap();
    let there = world.state().there.clone();
    (place, there)
}

fn rows(place: &Place) -> Vec<Row> {
    Reader::open(&place.journal()).unwrap().rows(None, 0, u32::MAX >> 1).unwrap()
}

/// The new journal, in a place of its own.
fn salvaged(place: &Place) -> (Place, Salvaged) {
    let new = Place::new();
    new.clock.set(HOUR);
    let report = salvage(&place.journal(), &new.journal()).unwrap();
    (new, report)
}

/// The rows of a query, as text.
fn table(place: &Place, sql: &str) -> Vec<String> {
    let raw = place.raw();
    let mut statement = raw.prepare(sql).unwrap();
    let columns = statement.column_count();
    let text = |row: &rusqlite::Row<'_>| {
        (0..columns).map(|at| row.get(at)).collect::<Result<Vec<rusqlite::types::Value>, _>>()
    };
    statement.query_map([], text).unwrap().map(|row| format!("{:?}", row.unwrap())).collect()
}

#[tokio::test]
async fn an_intact_journal_is_copied_whole() {
    let (place, _) = journal().await;
    let before = rows(&place);
    let (new, report) = salvaged(&place);
    assert_eq!(report.stopped_at, None);
    assert_eq!((report.events, report.seen), (before.len() as u64, before.len() as u64));
    assert_eq!((report.runs, report.unfinished), (3, 1));
    assert_eq!((report.artifacts, report.artifacts_seen), (3, 3));
    assert_eq!(report.head, before.last().unwrap().journal_hash);
    assert_eq!(rows(&new), before);
    assert_eq!(new.verify(), Vec::<String>::new());
    for sql in [
        "SELECT seq, epoch FROM events",
        "SELECT * FROM runs",
        "SELECT * FROM history",
        "SELECT * FROM models",
        "SELECT * FROM target_leases",
        "SELECT * FROM artifacts",
    ] {
        assert_eq!(table(&new, sql), table(&place, sql), "{sql}");
    }
}

/// Takes every run of the salvaged journal to its end, where the effects already stand.
async fn goes_on(place: &Place, there: &BTreeSet<Effect>, what: &str) {
    let world = World::new();
    world.state().there.clone_from(there);
    let engine = world.engine(place);
    for number in engine.store.reader().unwrap().unfinished().unwrap() {
        let mut over = false;
        for _ in 0..4 {
            let stop = engine.resume(number, "ada").await.unwrap();
            match (&stop.due, &stop.run.status) {
                (Due::End, _) => {
                    over = true;
                    break;
                }
                (Due::Person, Status::Live(Live::WaitingApproval { .. })) => {
                    let operated = engine.operate(number, "grace", approve("grace", "b0")).await;
                    assert!(matches!(operated, Ok(Operated::Applied(_))), "{what}: {operated:?}");
                }
                other => panic!("{what}: r{number}: {other:?}"),
            }
        }
        assert!(over, "{what}: r{number} has no end");
        world.state().there.clear();
    }
    drop(engine);
    assert_eq!(place.verify(), Vec::<String>::new(), "{what}");
}

#[tokio::test]
async fn whichever_event_was_edited_the_runs_before_it_go_on() {
    let (place, there) = journal().await;
    let before = rows(&place);
    let (mut unfinished, mut with_target) = (0, 0);
    for cut in 2..=before.len() {
        let copy = Place::new();
        fs::copy(place.journal(), copy.journal()).unwrap();
        copy.forge(&format!("UPDATE events SET event = event || ' ' WHERE seq = {cut}"));
        let (new, report) = salvaged(&copy);
        let what = format!("edited at row {cut}");
        assert_eq!(report.events, cut as u64 - 1, "{what}");
        assert_eq!(report.seen, before.len() as u64, "{what}");
        let said = report.stopped_at.unwrap();
        assert!(said.starts_with(&format!("row {cut} ")) && said.contains("edited"), "{said}");
        assert_eq!(rows(&new), before[..cut - 1], "{what}");
        assert_eq!(new.verify(), Vec::<String>::new(), "{what}");
        unfinished += report.unfinished;
        with_target += table(&new, "SELECT run FROM target_leases WHERE run IS NOT NULL").len();
        goes_on(&new, &there, &what).await;
    }
    assert!(unfinished > 20 && with_target > 10, "{unfinished} runs, {with_target} with a target");
}

#[tokio::test]
async fn whatever_does_not_fit_ends_what_is_copied() {
    for (sql, events, why) in [
        ("DELETE FROM events WHERE seq = 5", 4, "row 5: it is missing"),
        ("UPDATE events SET journal_hash = zeroblob(32) WHERE seq = 4", 3, "chain does not lead"),
        ("UPDATE events SET event_hash = zeroblob(32) WHERE seq = 4", 3, "chain does not lead"),
        ("UPDATE events SET run_seq = 9 WHERE seq = 4", 3, "event 9 where event 4 belongs"),
        ("UPDATE events SET run = 7 WHERE seq = 4", 3, "event 4 where event 1 belongs"),
    ] {
        let (place, _) = journal().await;
        place.forge(sql);
        let (new, report) = salvaged(&place);
        assert_eq!(report.events, events, "{sql}");
        let said = report.stopped_at.unwrap();
        assert!(said.contains(why), "{sql}: {said}");
        assert_eq!(new.verify(), Vec::<String>::new(), "{sql}");
    }
}

#[tokio::test]
async fn what_the_tables_beside_the_events_say_is_not_believed() {
    let (place, _) = journal().await;
    let before = rows(&place);
    place.forge(
        "UPDATE runs SET status = 'finished', outcome = 'kept', seq = 99, owner = 'x', epoch = 77;
         DELETE FROM history; DELETE FROM target_leases;
         UPDATE events SET epoch = 9000000000000000000 WHERE seq = 3; DROP TABLE inbox",
    );
    let (new, report) = salvaged(&place);
    assert_eq!(report.stopped_at, None);
    assert_eq!(rows(&new), before);
    assert_eq!(new.verify(), Vec::<String>::new());
}

#[tokio::test]
async fn an_artifact_with_other_bytes_is_left_out_and_counted() {
    let (place, _) = journal().await;
    place.store().write(|tx| tx.put_artifact(b"more")).await.unwrap();
    place.forge("UPDATE artifacts SET bytes = x'00' WHERE bytes = CAST('bytes' AS BLOB)");
    let (new, report) = salvaged(&place);
    assert_eq!((report.artifacts, report.artifacts_seen), (3, 4));
    assert_eq!(report.artifacts_missing, 0, "no event names the one that was lost");
    let reader = Reader::open(&new.journal()).unwrap();
    assert_eq!(reader.artifact(&Digest::of(&[b"more"])).unwrap(), b"more");
}

#[tokio::test]
async fn nothing_is_overwritten_and_nothing_half_made_is_left() {
    let (place, _) = journal().await;
    let new = Place::new();
    fs::write(new.journal(), "mine").unwrap();
    let refused = salvage(&place.journal(), &new.journal()).unwrap_err();
    assert_eq!(refused.code(), "exists");
    assert_eq!(fs::read(new.journal()).unwrap(), b"mine");
    fs::remove_file(new.journal()).unwrap();
    let log = new.journal().with_extension("db-wal");
    fs::write(&log, "old").unwrap();
    assert_eq!(salvage(&place.journal(), &new.journal()).unwrap_err().code(), "exists");
    fs::remove_file(log).unwrap();

    place.forge("UPDATE events SET event = event || ' ' WHERE seq = 1");
    let refused = salvage(&place.journal(), &new.journal()).unwrap_err();
    assert_eq!(refused.code(), "damaged_journal");
    let text = place.journal().with_file_name("text");
    fs::write(&text, "no journal at all").unwrap();
    assert_eq!(salvage(&text, &new.journal()).unwrap_err().code(), "not_a_journal");
    let missing = place.journal().with_file_name("nowhere");
    assert_eq!(salvage(&missing, &new.journal()).unwrap_err().code(), "no_journal");
    let left = fs::read_dir(new.journal().parent().unwrap()).unwrap().count();
    assert_eq!(left, 0);
}
