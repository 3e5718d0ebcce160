//! Journals of every version that was ever released open, verify and finish, for ever.
//!
//! `tests/golden/vN` is never made anew: `examples/golden_journal.rs` makes the next one.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{
    HOUR, Place,
    golden::Stopped,
    world::{World, approve},
};
use kaizen_engine::{
    digest::Digest,
    journal::{Due, Live, Status},
    shell::{Operated, Reader, connection::SCHEMA_VERSION},
};
use std::{collections::BTreeSet, fs, path::PathBuf};

fn golden(version: &str) -> (Place, Vec<Stopped>) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(version);
    let place = Place::new();
    fs::copy(folder.join("journal.db"), place.journal()).unwrap();
    let stopped = fs::read_to_string(folder.join("stopped.json")).unwrap();
    (place, serde_json::from_str(&stopped).unwrap())
}

/// Carries a stopped run to its end in the world that it was in.
async fn finish(place: &Place, stopped: &Stopped) {
    let told = format!("r{} ({})", stopped.run, stopped.what);
    let world = World::new();
    {
        let mut state = world.state();
        state.keep = stopped.keep;
        state.there = stopped.there.iter().copied().collect();
    }
    let engine = world.engine(place);
    for _ in 0..4 {
        let stop = engine.resume(stopped.run, "ada").await.unwrap();
        match (&stop.due, &stop.run.status) {
            (Due::End, _) => {
                assert_eq!(stop.run.outcome.map(|o| o.word()), Some(&*stopped.ends), "{told}");
                let done: Vec<_> = stop.run.effects.keys().copied().collect();
                let state = world.state();
                let once: BTreeSet<_> = state.performed.iter().copied().collect();
                assert_eq!(once.len(), state.performed.len(), "{told}: {:?}", state.performed);
                let again = stopped.there.iter().find(|there| once.contains(there));
                assert_eq!(again, None, "{told}: done twice; {done:?}");
                return;
            }
            (Due::Person, Status::Live(Live::WaitingApproval { .. })) => {
                let operated = engine.operate(stopped.run, "grace", approve("grace", "b0")).await;
                assert!(matches!(operated, Ok(Operated::Applied(_))), "{told}: {operated:?}");
            }
            (Due::Sleep(_), _) => place.clock.advance(HOUR),
            other => panic!("{told}: {other:?}"),
        }
    }
    panic!("{told}: no end in sight");
}

/// What differs. The fixtures of versions 1 and 2 named a definition and a policy, and did not
/// keep them as every real run does.
fn verify(place: &Place) -> Vec<String> {
    let named = |text: &Vec<u8>| format!("missing artifact {}", Digest::of(&[text]).short());
    let never_kept: Vec<String> = common::texts().iter().map(named).collect();
    place.verify().into_iter().filter(|found| !never_kept.contains(found)).collect()
}

async fn opens_and_finishes(version: &str, least: usize) {
    let (place, stopped) = golden(version);
    drop(place.store());
    assert_eq!(verify(&place), Vec::<String>::new(), "as it was stored");
    assert!(stopped.len() >= least, "only {} runs", stopped.len());
    for stopped in &stopped {
        finish(&place, stopped).await;
    }
    assert_eq!(verify(&place), Vec::<String>::new(), "once all have ended");
    let reader = Reader::open(&place.journal()).unwrap();
    assert_eq!(reader.unfinished().unwrap(), Vec::<i64>::new());
    assert_eq!(reader.history().unwrap().len(), stopped.len());
}

#[tokio::test]
async fn a_journal_of_version_1_opens_and_finishes() {
    opens_and_finishes("v1", 70).await;
}

#[tokio::test]
async fn a_journal_of_version_2_opens_and_finishes() {
    opens_and_finishes("v2", 70).await;
}

#[tokio::test]
async fn a_journal_of_version_3_opens_and_finishes() {
    opens_and_finishes("v3", 70).await;
}

#[tokio::test]
async fn a_journal_of_version_4_opens_and_finishes() {
    opens_and_finishes("v4", 70).await;
}

#[test]
fn there_is_a_golden_journal_of_this_version() {
    let (place, _) = golden(&format!("v{SCHEMA_VERSION}"));
    let sql = "PRAGMA user_version";
    let version: i64 = place.raw().query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(version, SCHEMA_VERSION);
}
