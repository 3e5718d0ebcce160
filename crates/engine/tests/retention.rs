//! Retention on the real store: what goes, what stays, what is refused, and what verification says.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{
    HOUR, Place, create,
    world::{World, start_approved},
};
use kaizen_engine::{
    digest::Digest,
    journal::{Command, Facts, Outcome, Payload, Phase, Run, Timestamp},
    json::Json,
    shell::{
        Reader, Store,
        reader::Filter,
        retention::{Taken, compact, vacuum},
        salvage::salvage,
        verify::{self, Pruned},
    },
};
use std::sync::Arc;

/// When everything so far has ended.
fn now(place: &Place) -> Timestamp {
    place.clock.advance(HOUR);
    Reader::open(&place.journal()).unwrap().last_event_at().unwrap().unwrap().plus(SECOND)
}

/// Damages the first event that accounts for bodies that are gone, and so takes all of them away.
const FIRST_TO_SAY_SO: &str = "UPDATE events SET event = '?' WHERE seq = (
    SELECT min(seq) FROM events WHERE event LIKE '%\"run_compacted\"%')";

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);

async fn step(store: &Store, run: i64, phase: Phase, output: &[u8], facts: Facts) {
    let me = store.me().to_owned();
    let (output, bytes) = match output {
        b"" => (Payload::Inline(Json::of(&1).unwrap()), Vec::new()),
        bytes => (Payload::Artifact(Digest::of(&[bytes])), vec![bytes.to_vec()]),
    };
    let complete = Command::Complete { phase, attempt: 1, spent_ms: 5, output, facts };
    let done = store.write(move |tx| tx.transition(run, 1, &me, vec![complete], &bytes));
    done.await.unwrap();
}

/// A run that finds nothing to do, whose analysis is an artifact.
async fn no_change(store: &Store, analysis: &[u8]) -> i64 {
    let run = create(store).await.created.number;
    step(store, run, Phase::Analyze, analysis, Facts::Plain).await;
    step(store, run, Phase::Design, b"", Facts::NoChange("nothing".to_owned())).await;
    step(store, run, Phase::RecordProvenance, b"", Facts::Plain).await;
    run
}

/// r1 kept and later rolled back, r2 rolled back at once, r3 without a change, r4 under way with an artifact that r3 has, too.
async fn journal() -> Place {
    let place = Place::new();
    let world = World::new();
    start_approved(&world.engine(&place)).await;
    start_approved(&World::new().worse().engine(&place)).await;
    let engine = world.engine(&place);
    let rollback = Command::Rollback { reason: "it hurts".to_owned(), later: Vec::new() };
    engine.operate(1, "ada", rollback).await.unwrap();
    engine.resume(1, "ada").await.unwrap();
    drop(engine);
    place.clock.advance(HOUR);
    let store = place.store();
    no_change(&store, b"seen by both").await;
    let run = create(&store).await.created.number;
    step(&store, run, Phase::Analyze, b"seen by both", Facts::Plain).await;
    step(&store, run, Phase::Design, b"of r4 alone", Facts::Plain).await;
    place
}

fn runs(place: &Place) -> Vec<Run> {
    let reader = Reader::open(&place.journal()).unwrap();
    let numbers = reader.list(&Filter::default()).unwrap();
    numbers.into_iter().map(|number| reader.run(number).unwrap()).collect()
}

async fn compacted(place: &Place) -> Taken {
    let before = now(place);
    compact(&place.store(), before, "ada").await.unwrap()
}

fn pruned(place: &Place) -> Pruned {
    let reader = Reader::open(&place.journal()).unwrap();
    let report = verify::verify(&reader, None).unwrap();
    assert_eq!(report.differences, []);
    report.pruned
}

#[tokio::test]
async fn what_ended_loses_its_bodies_and_says_so() {
    let place = journal().await;
    let store = place.store();
    no_change(&store, b"seen by r5").await;
    drop(store);
    assert_eq!(pruned(&place), Pruned::default());
    let before = runs(&place);
    let taken = compacted(&place).await;
    assert_eq!(taken.runs.to_string(), "r1 to r3, r5");
    assert_eq!((taken.artifacts, taken.artifact_bytes), (1, 10), "r3's is r4's, too");
    // Five phases each of r1 and r2, two each of r3 and r5.
    assert_eq!((taken.events, pruned(&place).events), (14, 14));
    assert_eq!(pruned(&place).runs, taken.runs);

    for (was, is) in before.iter().zip(runs(&place)) {
        let told = was.name();
        assert_eq!((&was.status, was.outcome), (&is.status, is.outcome), "{told}");
        assert_eq!((&was.decisions, &was.effects), (&is.decisions, &is.effects), "{told}");
        assert_eq!((was.finished_at, was.spent_ms), (is.finished_at, is.spent_ms), "{told}");
        let compacted = is.created.number != 4;
        assert_eq!((is.compacted.is_some(), is.seq), (compacted, was.seq + u64::from(compacted)));
    }
    let reader = Reader::open(&place.journal()).unwrap();
    assert!(reader.artifact(&Digest::of(&[b"seen by both"])).is_ok());
    assert!(reader.artifact(&Digest::of(&[b"seen by r5"])).is_err());
    assert_eq!(reader.history().unwrap().len(), 4, "what came out stays");
    assert_eq!(compacted(&place).await, Taken::default(), "once is enough");
}

#[tokio::test]
async fn what_is_young_or_under_way_is_left_alone() {
    let place = journal().await;
    let ended = runs(&place).iter().filter_map(|run| run.finished_at).max().unwrap();
    let taken = compact(&place.store(), ended, "ada").await.unwrap();
    assert_eq!(taken.runs.to_string(), "r1, r2", "r3 ended just then");
    assert_eq!(runs(&place)[0].compacted, None);
}

#[tokio::test]
async fn a_compacted_run_cannot_be_rolled_back() {
    let place = Place::new();
    let engine = World::new().engine(&place);
    start_approved(&engine).await;
    assert_eq!(compacted(&place).await, Taken::default(), "later runs compare with the last kept");
    start_approved(&World::new().engine(&place)).await;
    compacted(&place).await;
    let rollback = Command::Rollback { reason: "why".to_owned(), later: Vec::new() };
    let refused = engine.operate(1, "ada", rollback).await.unwrap_err();
    assert!(refused.to_string().contains("r1 was compacted"), "{refused}");
    assert_eq!(runs(&place)[1].outcome, Some(Outcome::Kept));
}

#[tokio::test]
async fn only_what_an_event_announces_may_go() {
    let place = journal().await;
    let raw = place.raw();
    let refused = |sql: &str| raw.execute(sql, []).expect_err(sql).to_string();
    assert!(refused("UPDATE events SET event = '' WHERE seq = 2").contains("no UPDATE"));
    compacted(&place).await;
    for sql in [
        // The event that says so, one that stays, one of another run, and another column.
        "UPDATE events SET event = '' WHERE seq = (SELECT last FROM runs WHERE id = 1)",
        "UPDATE events SET event = '' WHERE seq = 1",
        "UPDATE events SET event = '' WHERE run = 4",
        "UPDATE events SET event = '', event_hash = zeroblob(32) WHERE seq = 2",
        "UPDATE events SET event = '{}' WHERE seq = 2",
    ] {
        assert!(refused(sql).contains("no UPDATE"), "{sql}");
    }
    assert!(refused("DELETE FROM artifacts").contains("no DELETE"));
}

#[tokio::test]
async fn a_forged_retention_is_named() {
    for (sql, found) in [
        // Nobody said so.
        ("UPDATE events SET event = '' WHERE run = 4 AND run_seq = 2", "missing events of r4"),
        // One more than was said.
        ("UPDATE events SET event = '' WHERE run = 1 AND run_seq = 5", "missing row"),
        // What says so is gone, or says something else.
        ("UPDATE events SET event = '' WHERE seq = (SELECT max(seq) FROM events)", "missing"),
        ("UPDATE events SET event = replace(event, '[2,', '[') WHERE run = 1", "edited row"),
        ("UPDATE runs SET compacted_at = NULL WHERE id = 1", "edited the row of r1"),
        ("DELETE FROM artifacts WHERE bytes = CAST('of r4 alone' AS BLOB)", "missing artifact"),
    ] {
        let place = journal().await;
        compacted(&place).await;
        assert_eq!(place.verify(), Vec::<String>::new());
        place.forge(sql);
        let named = place.verify();
        assert!(named.iter().any(|one| one.starts_with(found)), "{sql}: {named:?}");
    }
}

#[tokio::test]
async fn artifacts_of_a_retention_that_was_cut_off_go_with_the_next() {
    let place = journal().await;
    let store = place.store();
    let run = no_change(&store, b"left behind").await;
    drop(store);
    compacted(&place).await;
    let digest = Digest::of(&[b"left behind"]);
    // As if it had died before it looked for them.
    let store = place.store();
    store.write(|tx| tx.put_artifact(b"left behind")).await.unwrap();
    place.raw().execute("INSERT INTO unneeded VALUES (?1, 1)", [digest.0]).unwrap();
    assert!(run > 4 && Reader::open(&place.journal()).unwrap().artifact(&digest).is_ok());
    let taken = compact(&store, Timestamp(0), "ada").await.unwrap();
    assert_eq!((taken.runs.count(), taken.artifacts), (0, 1));
    assert!(Reader::open(&place.journal()).unwrap().artifact(&digest).is_err());
}

#[tokio::test]
async fn the_room_is_given_back() {
    let place = Place::new();
    let store = place.store();
    for n in 0..20_u8 {
        no_change(&store, &vec![n; 100_000]).await;
    }
    let before = now(&place);
    let taken = compact(&store, before, "ada").await.unwrap();
    assert_eq!((taken.artifacts, taken.artifact_bytes), (20, 2_000_000));
    drop(store);
    let size = || std::fs::metadata(place.journal()).unwrap().len();
    let was = size();
    vacuum(&place.journal()).unwrap();
    assert!(was > 2_000_000 && size() < 300_000, "{was} and then {}", size());
    assert_eq!(place.verify(), Vec::<String>::new());
}

#[tokio::test]
async fn a_compacted_journal_is_salvaged_whole() {
    let place = journal().await;
    compacted(&place).await;
    let new = Place::new();
    let report = salvage(&place.journal(), &new.journal()).unwrap();
    assert_eq!((report.stopped_at, report.unaccounted), (None, 0));
    assert_eq!(pruned(&new), pruned(&place));
    assert_eq!(runs(&new), runs(&place));
    // It goes on.
    let engine = World::new().engine(&new);
    new.clock.set(HOUR * 48);
    assert_eq!(start_approved(&engine).await.run.outcome, Some(Outcome::Kept));
    assert_eq!(new.verify(), Vec::<String>::new());
}

#[tokio::test]
async fn runs_whose_retention_cannot_be_proven_any_more_are_counted_and_named() {
    let place = journal().await;
    compacted(&place).await;
    place.forge(&format!("{FIRST_TO_SAY_SO}; DELETE FROM history;"));
    let new = Place::new();
    let report = salvage(&place.journal(), &new.journal()).unwrap();
    assert!(report.stopped_at.is_some());
    assert_eq!((report.accounted, report.unaccounted), (0, 3), "r1 to r3");
    assert_eq!(report.unfinished, 1, "r4 is under way");
    let named = new.verify();
    assert_eq!(named, ["missing events of r1", "missing events of r2", "missing events of r3"]);
    let reader = Reader::open(&new.journal()).unwrap();
    assert!(reader.run(3).is_err() && reader.run(4).is_ok());
}

#[tokio::test]
async fn what_says_so_is_said_anew_where_damage_took_it() {
    let place = journal().await;
    compacted(&place).await;
    let before = runs(&place);
    place.forge(FIRST_TO_SAY_SO);
    let new = Place::new();
    let report = salvage(&place.journal(), &new.journal()).unwrap();
    assert_eq!((report.accounted, report.unaccounted), (3, 0), "{report:?}");
    assert_eq!(pruned(&new).runs, pruned_runs(&[1, 2, 3]));
    for (was, is) in before.iter().zip(runs(&new)) {
        assert_eq!((&was.status, &was.decisions), (&is.status, &is.decisions), "{}", was.name());
    }
    let history = |place: &Place| Reader::open(&place.journal()).unwrap().history().unwrap().len();
    assert_eq!(history(&new), 3);
}

fn pruned_runs(numbers: &[i64]) -> kaizen_engine::shell::retention::Runs {
    numbers.iter().copied().collect()
}

#[tokio::test]
async fn artifacts_beyond_any_gap_are_salvaged() {
    let place = journal().await;
    let raw = place.raw();
    raw.execute("UPDATE artifacts SET rowid = rowid + 50000 WHERE rowid > 2", []).unwrap_err();
    drop(raw);
    place.forge("UPDATE artifacts SET rowid = rowid + 50000 WHERE rowid > 2");
    let new = Place::new();
    let report = salvage(&place.journal(), &new.journal()).unwrap();
    assert_eq!((report.artifacts_missing, report.artifacts), (0, 4));
    assert_eq!(new.verify(), Vec::<String>::new());
}

#[tokio::test]
async fn a_damaged_run_is_left_alone_and_the_others_are_not() {
    let place = journal().await;
    place.forge("UPDATE events SET event = replace(event, 'ada', 'eve') WHERE run = 2");
    let taken = compacted(&place).await;
    assert_eq!(taken.runs, pruned_runs(&[1, 3]));
    assert_eq!(taken.damaged.iter().map(|(run, _)| *run).collect::<Vec<_>>(), [2]);
    assert_eq!(taken.unswept, None);
}

#[tokio::test]
async fn no_artifact_goes_that_an_unreadable_event_might_name() {
    let place = journal().await;
    let store = place.store();
    no_change(&store, b"seen by r5").await;
    drop(store);
    // Of a run under way, which retention does not even look at.
    place.forge("UPDATE events SET event = '?' WHERE run = 4 AND run_seq = 2");
    let taken = compacted(&place).await;
    assert_eq!(taken.runs, pruned_runs(&[1, 2, 3, 5]));
    assert!(taken.unswept.is_some() && taken.artifacts == 0, "{taken:?}");
}

#[tokio::test]
async fn a_list_that_was_tampered_with_does_not_hold_up_retention() {
    let place = journal().await;
    let digest = Digest::of(&[b"nowhere"]);
    place.raw().execute("INSERT INTO unneeded VALUES (?1, ?2)", (digest.0, i64::MAX)).unwrap();
    assert_eq!(compacted(&place).await.artifacts, 0);
    let left: i64 =
        place.raw().query_row("SELECT count(*) FROM unneeded", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_run_whose_change_set_another_takes_over_waits_for_it() {
    let place = journal().await;
    let store = place.store();
    let me = store.me().to_owned();
    let begun = store.write(move |tx| {
        let created = common::created(tx.next_number()?);
        let created = kaizen_engine::journal::Created { from_run: Some(3), ..created };
        tx.create(uuid::Uuid::now_v7(), created, "ada", &me)
    });
    begun.await.unwrap();
    drop(store);
    assert_eq!(compacted(&place).await.runs, pruned_runs(&[1, 2]));
}

#[tokio::test]
async fn what_made_an_end_cannot_be_taken_out_by_an_event_that_says_so() {
    // Whoever can write the file forges an event with hashes that fit; the body of an approval goes
    // with it, or that of an effect.
    for kind in ["approved", "effect_done", "run_sealed", "phase_completed"] {
        let place = journal().await;
        compacted(&place).await;
        let mut rows = Reader::open(&place.journal()).unwrap().rows(Some(1), 0, 999).unwrap();
        let at = rows.iter().rposition(|row| row.event.contains(&format!("\"kind\":\"{kind}\"")));
        let at = at.unwrap_or_else(|| panic!("no {kind}"));
        rows[at].event.clear();
        let last = rows.len() - 1;
        let gone: Vec<_> = rows.iter().filter(|row| row.is_pruned()).map(|r| r.run_seq).collect();
        let stored = rows[last].event.clone();
        let (head, tail) = stored.split_once("\"pruned\":[").unwrap();
        let (_, tail) = tail.split_once(']').unwrap();
        let gone: Vec<String> = gone.iter().map(u64::to_string).collect();
        rows[last].event = format!("{head}\"pruned\":[{}]{tail}", gone.join(","));
        rows[last].event_hash = kaizen_engine::journal::chain::event_hash(
            &rows[last - 1].event_hash,
            rows[last].event.as_bytes(),
        );
        let folded = kaizen_engine::journal::replay::replay(&rows);
        assert!(folded.is_err(), "{kind}: {folded:?}");
    }
}

/// Verification and a writer at the same time as retention.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_may_go_on_meanwhile() {
    let place = Place::new();
    let store = place.store();
    for n in 0..200_u32 {
        no_change(&store, &n.to_be_bytes().repeat(300)).await;
    }
    let before = now(&place);
    let path = Arc::new(place.journal());
    let verifying = tokio::task::spawn_blocking(move || {
        let reader = Reader::open(&path).unwrap();
        (0..5).flat_map(|_| verify::verify(&reader, None).unwrap().differences).collect::<Vec<_>>()
    });
    let (compacting, other) = (store.clone(), place.store());
    let compacting = tokio::spawn(async move { compact(&compacting, before, "ada").await });
    for n in 0..40_u32 {
        no_change(&other, &n.to_be_bytes().repeat(300)).await;
    }
    let taken = compacting.await.unwrap().unwrap();
    assert_eq!(verifying.await.unwrap(), []);
    assert_eq!(taken.runs.count(), 200);
    assert!((160..=200).contains(&taken.artifacts), "{}", taken.artifacts);
    assert_eq!(place.verify(), Vec::<String>::new(), "what was named again meanwhile is there");
}
