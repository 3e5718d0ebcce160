//! The store: transitions that share a commit, leases, the inbox, targets, and the clock.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{HOUR, Place, START, approved, complete, create, created, decision, note, transition};
use kaizen_engine::{
    digest::Digest,
    error::{Class, Classified},
    journal::{Command, Event, Live, Phase, Run, Status, Timestamp},
    shell::{Error, Operated, Reader, Store},
};
use std::{collections::BTreeSet, fs, sync::Arc};
use uuid::Uuid;

/// How many commits the write-ahead log holds: frames that carry a database size.
fn commits(place: &Place) -> usize {
    let wal = fs::read(place.journal().with_extension("db-wal")).unwrap_or_default();
    let frames = wal.get(32..).unwrap_or_default().chunks_exact(24 + 4_096);
    frames.filter(|frame| frame[4..8] != [0; 4]).count()
}

/// Keeps the writer waiting at the start of its batch, so that others queue up behind it.
fn hold(place: &Place) -> rusqlite::Connection {
    let raw = place.raw();
    raw.execute_batch("BEGIN IMMEDIATE").unwrap();
    raw
}

fn word(run: &Run) -> &'static str {
    run.status.word()
}

#[tokio::test]
async fn waiting_transitions_share_a_commit_and_each_is_answered() {
    let place = Place::new();
    let store = place.store();
    create(&store).await;
    let before = commits(&place);
    let held = hold(&place);
    let writers: Vec<_> = (0..64)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { create(&store).await })
        })
        .collect();
    tokio::task::yield_now().await;
    held.execute_batch("ROLLBACK").unwrap();
    let mut numbers = BTreeSet::new();
    for writer in writers {
        numbers.insert(writer.await.unwrap().created.number);
    }
    assert_eq!(numbers, (2..=65).collect());
    let commits = commits(&place) - before;
    assert!((1..=3).contains(&commits), "64 transitions in {commits} commits");
    assert_eq!(place.verify(), Vec::<String>::new());
}

#[tokio::test]
async fn a_refused_transition_leaves_nothing_and_its_neighbours_stay() {
    let place = Place::new();
    let store = place.store();
    create(&store).await;
    let held = hold(&place);
    let me = store.me().to_owned();
    let first = store.write({
        let me = me.clone();
        move |tx| {
            let number = tx.next_number()?;
            tx.create(Uuid::now_v7(), created(number), "ada", &me)
        }
    });
    let refused = store.write({
        let me = me.clone();
        move |tx| {
            tx.put_artifact(b"of the refused")?;
            // The first event is appended; the second command is refused.
            tx.transition(1, 1, &me, vec![note("first"), Command::Wake], &[])
        }
    });
    let broken = store.write({
        let me = me.clone();
        move |tx| {
            let number = tx.next_number()?;
            tx.create(Uuid::now_v7(), created(number), "ada", &me)?;
            // The trigger aborts a statement; what stood before it in this transition goes too.
            tx.create(Uuid::now_v7(), created(1), "ada", &me)
        }
    });
    let last = store.write(move |tx| tx.transition(1, 1, &me, vec![note("last")], &[]));
    let all = async { tokio::join!(first, refused, broken, last) };
    let (first, refused, broken, last) = tokio::join!(all, async {
        tokio::task::yield_now().await;
        held.execute_batch("ROLLBACK").unwrap();
    })
    .0;
    assert_eq!(first.unwrap().created.number, 2);
    assert_eq!(refused.unwrap_err().code(), "stale");
    assert!(matches!(broken.unwrap_err(), Error::Sqlite(_)));
    assert_eq!(last.unwrap().seq, 2, "its event follows the creation, not the refused note");
    let reader = store.reader().unwrap();
    assert_eq!(reader.unfinished().unwrap(), [1, 2]);
    assert!(reader.artifact(&Digest::of(&[b"of the refused"])).is_err());
    assert_eq!(place.verify(), Vec::<String>::new());
}

#[tokio::test]
async fn two_stores_take_turns_and_the_old_epoch_is_fenced() {
    let place = Place::new();
    let (ours, theirs) = (place.store(), place.store());
    create(&ours).await;
    transition(&ours, 1, 1, vec![complete(Phase::Analyze)]).await.unwrap();
    let me = theirs.me().to_owned();
    let claim = |store: &Store, me: String| {
        let store = store.clone();
        async move { store.write(move |tx| tx.claim(1, &me, "grace")).await }
    };
    let driven = claim(&theirs, me.clone()).await.unwrap_err();
    assert_eq!((driven.code(), driven.class()), ("driven", Class::Retry));
    ours.write(|tx| tx.release(1, 1)).await.unwrap();
    let (run, epoch) = claim(&theirs, me).await.unwrap();
    assert_eq!((run.phase(), epoch), (Some(Phase::Design), 2));
    transition(&theirs, 1, 2, vec![complete(Phase::Design)]).await.unwrap();
    let fenced = transition(&ours, 1, 1, vec![complete(Phase::Design)]).await.unwrap_err();
    assert_eq!(fenced.code(), "fenced");
    // What one process wrote, the other's cache and head know of.
    create(&ours).await;
    transition(&theirs, 1, 2, vec![complete(Phase::Generate)]).await.unwrap();
    transition(&ours, 2, 1, vec![complete(Phase::Analyze)]).await.unwrap();
    assert_eq!(place.verify(), Vec::<String>::new());
    drop(theirs);
    let me = ours.me().to_owned();
    let (run, epoch) = claim(&ours, me).await.unwrap();
    assert_eq!((word(&run), epoch), ("waiting_approval", 3));
}

#[tokio::test]
async fn a_release_by_an_old_epoch_releases_nothing() {
    let place = Place::new();
    let store = place.store();
    create(&store).await;
    let me = store.me().to_owned();
    store.write(move |tx| tx.claim(1, &me, "ada")).await.unwrap();
    store.write(|tx| tx.release(1, 1)).await.unwrap();
    assert!(store.reader().unwrap().driver(1).unwrap().is_some());
    store.write(|tx| tx.release(1, 2)).await.unwrap();
    assert!(store.reader().unwrap().driver(1).unwrap().is_none());
}

async fn operate(store: &Store, number: i64, command: Command) -> Result<Operated, Error> {
    store.write(move |tx| tx.operate(number, "grace", command)).await
}

fn answers(place: &Place) -> Vec<Option<String>> {
    let raw = place.raw();
    let mut statement = raw.prepare("SELECT answer FROM inbox ORDER BY id").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn what_operators_want_of_a_driven_run_is_done_by_its_driver() {
    let place = Place::new();
    let (driver, other) = (place.store(), place.store());
    create(&driver).await;
    let pause = || Command::Pause { reason: "lunch".to_owned() };
    for _ in 0..2 {
        let queued = operate(&other, 1, pause()).await.unwrap();
        assert!(
            matches!(queued, Operated::Queued { driver } if driver == std::process::id().to_string())
        );
    }
    let approve = Command::Approve { decision: decision("grace", "b0") };
    assert_eq!(operate(&other, 1, approve).await.unwrap_err().code(), "wrong_state");
    place
        .raw()
        .execute("INSERT INTO inbox (run, actor, at, command) VALUES (1, 'x', '', '\"dance\"')", [])
        .unwrap();
    assert_eq!(answers(&place), [None, None, None]);
    let run = transition(&driver, 1, 1, vec![complete(Phase::Analyze)]).await.unwrap();
    assert_eq!((word(&run), run.phase()), ("paused", Some(Phase::Design)));
    let answers: Vec<_> = answers(&place).into_iter().map(Option::unwrap).collect();
    assert_eq!(answers[0], "done");
    assert!(answers[1].contains("r1 is paused: pause needs"), "{}", answers[1]);
    assert!(answers[2].contains("cannot be read"), "{}", answers[2]);
    let rows = driver.reader().unwrap().rows(Some(1), 0, 10).unwrap();
    let last = Event::decode(&rows.last().unwrap().event).unwrap();
    assert_eq!((last.actor.as_str(), last.fact.kind()), ("grace", "paused"));
}

#[tokio::test]
async fn without_a_driver_a_command_happens_at_once_after_what_waited() {
    let place = Place::new();
    let (driver, other) = (place.store(), place.store());
    create(&driver).await;
    operate(&other, 1, Command::Pause { reason: "lunch".to_owned() }).await.unwrap();
    driver.write(|tx| tx.release(1, 1)).await.unwrap();
    let cancel = Command::Cancel { reason: "enough".to_owned() };
    let Operated::Applied(run) = operate(&other, 1, cancel).await.unwrap() else {
        panic!("nobody drives it");
    };
    let rows = driver.reader().unwrap().rows(Some(1), 0, 10).unwrap();
    let kinds: Vec<_> =
        rows.iter().map(|row| Event::decode(&row.event).unwrap().fact.kind()).collect();
    assert_eq!(kinds, ["run_created", "paused", "cancel_requested"]);
    assert_eq!(run.phase(), Some(Phase::RecordProvenance));
}

/// A transition takes the target by itself, once that is due and it is free.
async fn look_again(store: &Store, number: i64) -> Arc<Run> {
    transition(store, number, 1, Vec::new()).await.unwrap()
}

#[tokio::test]
async fn one_run_holds_a_target_and_the_next_waits_for_its_end() {
    let place = Place::new();
    let store = place.store();
    approved(&store).await;
    approved(&store).await;
    let first = look_again(&store, 1).await;
    assert_eq!(first.target_epoch, Some(1));
    for _ in 0..3 {
        let second = look_again(&store, 2).await;
        let Status::Live(Live::Queued { behind, .. }) = &second.status else {
            panic!("{:?}", second.status);
        };
        assert_eq!((*behind, second.target_epoch), (Some(1), None));
        assert_eq!(second.seq, 7, "waiting on is no event");
    }
    let cancel = Command::Cancel { reason: "enough".to_owned() };
    let end = vec![cancel, complete(Phase::RecordProvenance)];
    transition(&store, 1, 1, end).await.unwrap();
    let second = look_again(&store, 2).await;
    assert_eq!((word(&second), second.target_epoch), ("running", Some(2)));
}

#[tokio::test]
async fn a_clock_that_jumps_back_does_not_take_the_journal_along() {
    let place = Place::new();
    let store = place.store();
    create(&store).await;
    let to_gate = [Phase::Analyze, Phase::Design, Phase::Generate].map(complete).to_vec();
    let run = transition(&store, 1, 1, to_gate).await.unwrap();
    let Status::Live(Live::WaitingApproval { gate, .. }) = &run.status else { panic!() };
    place.clock.set(gate.expires_at.0 - START.0 + 1);
    create(&store).await;
    place.clock.set(-HOUR);
    let approve = || Command::Approve { decision: decision("grace", "b0") };
    let late = operate(&place.store(), 1, approve()).await.unwrap_err();
    assert_eq!(late.code(), "expired", "the journal had seen a later time");
    let noted = transition(&store, 2, 1, vec![note("n")]).await.unwrap();
    assert_eq!(noted.updated_at, Timestamp(gate.expires_at.0 + 1));
    drop(store);
    let rows = Reader::open(&place.journal()).unwrap().rows(None, 0, 100).unwrap();
    let times: Vec<_> = rows.iter().map(|row| Event::decode(&row.event).unwrap().at).collect();
    assert!(times.is_sorted());
}

#[tokio::test]
async fn an_artifact_is_stored_once() {
    let place = Place::new();
    let store = place.store();
    let mut digests = BTreeSet::new();
    for bytes in [&b"same"[..], b"same", b"other"] {
        digests.insert(store.write(move |tx| tx.put_artifact(bytes)).await.unwrap());
    }
    let count = place.raw().query_row("SELECT count(*) FROM artifacts", [], |r| r.get(0));
    assert_eq!((count.unwrap(), digests.len()), (2_i64, 2));
    let bytes = store.reader().unwrap().artifact(&Digest::of(&[b"same"])).unwrap();
    assert_eq!(bytes, b"same");
}

#[tokio::test]
async fn a_run_without_outside_effects_costs_few_commits() {
    let place = Place::new();
    let store = place.store();
    let before = commits(&place);
    create(&store).await;
    let no_change = Command::Complete {
        phase: Phase::Design,
        attempt: 1,
        spent_ms: 1,
        output: kaizen_engine::journal::Payload::Inline(kaizen_engine::json::Json::of(&1).unwrap()),
        facts: kaizen_engine::journal::Facts::NoChange("fine".to_owned()),
    };
    for command in [complete(Phase::Analyze), no_change, complete(Phase::RecordProvenance)] {
        transition(&store, 1, 1, vec![command]).await.unwrap();
    }
    assert_eq!(commits(&place) - before, 4);
}

#[tokio::test]
async fn a_damaged_run_is_refused_by_name_and_the_others_go_on() {
    let place = Place::new();
    let store = place.store();
    create(&store).await;
    create(&store).await;
    drop(store);
    let raw = place.raw();
    raw.execute_batch(
        "DROP TRIGGER events_are_never_changed; \
         UPDATE events SET event = replace(event, 'ada', 'eve') WHERE seq = 1",
    )
    .unwrap();
    let store = place.store();
    let me = store.me().to_owned();
    let broken = store.write(move |tx| tx.claim(1, &me, "ada")).await.unwrap_err();
    assert_eq!(broken.code(), "damaged_journal");
    assert!(broken.to_string().contains("row 1 (r1 event 1)"), "{broken}");
    let me = store.me().to_owned();
    assert!(store.write(move |tx| tx.claim(2, &me, "ada")).await.is_ok());
}

/// One thread, and nothing that a run waits for but the journal: each still gets its turn, and what
/// waits is committed together.
#[tokio::test]
async fn a_run_that_never_waits_lets_the_others_begin() {
    let place = Place::new();
    let store = place.store();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..20)
        .map(|task| {
            let (store, order) = (store.clone(), order.clone());
            tokio::spawn(async move {
                for nth in 0..3 {
                    store.write(|tx| tx.put_artifact(b"the same")).await.unwrap();
                    order.lock().unwrap().push((task, nth));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let order = order.lock().unwrap();
    let last_to_begin = order.iter().rposition(|(_, nth)| *nth == 0).unwrap();
    let first_to_end = order.iter().position(|(_, nth)| *nth == 2).unwrap();
    assert!(last_to_begin < first_to_end, "{order:?}");
}
