//! Several processes on one journal: who waits is served, readers hold nothing up, a driver that
//! another one has fenced stops.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{Place, create, note, transition};
use kaizen_engine::{
    error::Classified,
    journal::Command as Wanted,
    shell::{Reader, Store, SystemClock, reader::Filter, verify},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

const JOURNAL: &str = "KAIZEN_TEST_BUSY_JOURNAL";

/// This test in another process, writing without a pause until it is killed.
struct Busy(Child);

impl Busy {
    fn on(journal: &Path) -> Busy {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_process_that_writes_without_a_pause", "--nocapture"])
            .env(JOURNAL, journal)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Busy(child.unwrap())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn open(path: &Path) -> Store {
    Store::open(path, Arc::new(SystemClock)).unwrap()
}

fn events(path: &Path) -> u64 {
    Reader::open(path).and_then(|reader| reader.events()).unwrap_or(0)
}

/// Waits for others to have written so many events.
async fn written(path: &Path, least: u64) {
    let until = Instant::now() + Duration::from_secs(60);
    while events(path) < least {
        assert!(Instant::now() < until, "nobody writes");
        tokio::task::yield_now().await;
    }
}

/// Not a test but what [`Busy`] runs: 32 tasks that note things down, with no end.
#[tokio::test]
async fn a_process_that_writes_without_a_pause() {
    let Some(journal) = std::env::var_os(JOURNAL) else { return };
    let store = open(&PathBuf::from(journal));
    for _ in 0..32 {
        let store = store.clone();
        tokio::spawn(async move {
            let number = create(&store).await.created.number;
            loop {
                transition(&store, number, 1, vec![note("busy")]).await.unwrap();
            }
        });
    }
    std::future::pending().await
}

#[tokio::test]
async fn a_writer_that_waits_for_busy_ones_is_served_soon() {
    let place = Place::new();
    let store = open(&place.journal());
    let number = create(&store).await.created.number;
    let _busy = [Busy::on(&place.journal()), Busy::on(&place.journal())];
    written(&place.journal(), 2_000).await;
    let reader = Reader::open(&place.journal()).unwrap();
    let mut waits = Vec::new();
    for _ in 0..60 {
        let (before, began) = (reader.events().unwrap(), Instant::now());
        transition(&store, number, 1, vec![note("mine")]).await.unwrap();
        let took = began.elapsed();
        let mine = reader.rows(Some(number), before, 1).unwrap()[0].seq;
        waits.push((mine - before, took));
    }
    waits.sort();
    let longest = waits.iter().map(|(_, took)| *took).max().unwrap();
    println!("let in before it: median {}, most {}; longest {longest:?}", waits[30].0, waits[59].0);
    // Each of the busy ones commits at most 32 at a time; where SQLite's own waiting decides,
    // thousands come first. Counted, because time is the machine's.
    assert!(waits[59].0 <= 8 * 32, "{waits:?}");
}

#[tokio::test]
async fn busy_processes_share_the_journal_evenly_and_leave_it_whole() {
    let place = Place::new();
    drop(open(&place.journal()));
    let busy = [Busy::on(&place.journal()), Busy::on(&place.journal())];
    written(&place.journal(), 6_000).await;
    drop(busy);
    drop(open(&place.journal()));
    let reader = Reader::open(&place.journal()).unwrap();
    let report = verify::verify(&reader, None).unwrap();
    assert_eq!(report.differences, []);
    let runs = reader.list(&Filter::default()).unwrap();
    assert_eq!(runs.len(), 64);
    let db = place.raw();
    let sql = "SELECT owner, sum(seq) FROM runs GROUP BY owner ORDER BY 2";
    let mut statement = db.prepare(sql).unwrap();
    let shares: Vec<i64> =
        statement.query_map([], |row| row.get(1)).unwrap().map(Result::unwrap).collect();
    assert_eq!(shares.len(), 2, "two processes");
    assert!(shares[1] < 20 * shares[0], "one starved: {shares:?}");
}

/// A reader that stays in one snapshot keeps the log from beginning anew; ours read in chunks.
#[tokio::test]
async fn readers_do_not_make_the_log_grow() {
    let place = Place::new();
    drop(open(&place.journal()));
    let _busy = Busy::on(&place.journal());
    written(&place.journal(), 1_000).await;
    let reader = Reader::open(&place.journal()).unwrap();
    let mut rounds = 0;
    while events(&place.journal()) < 25_000 {
        reader.list(&Filter { limit: 20, ..Filter::default() }).unwrap();
        for number in reader.unfinished().unwrap() {
            reader.run(number).unwrap();
        }
        // It goes on while others write, and what it has seen is whole.
        let report = verify::verify(&reader, None).unwrap();
        assert!(report.differences.is_empty(), "{:?}", report.differences);
        rounds += 1;
    }
    let log = fs::metadata(format!("{}-wal", place.journal().display())).unwrap().len();
    println!("{rounds} rounds of reading; the log has {} KiB", log >> 10);
    assert!(log < 64 << 20, "the log has {log} bytes");
}

#[tokio::test]
async fn a_driver_that_was_fenced_stops_and_the_journal_goes_on() {
    let place = Place::new();
    let (first, second) = (place.store(), place.store());
    create(&first).await;
    // As after a release that the first one does not know of: the lease is another's.
    first.write(|tx| tx.release(1, 1)).await.unwrap();
    let me = second.me().to_owned();
    let (_, epoch) = second.write(move |tx| tx.claim(1, &me, "grace")).await.unwrap();
    let fenced = transition(&first, 1, 1, vec![note("late")]).await.unwrap_err();
    assert_eq!((epoch, fenced.code()), (2, "fenced"));
    transition(&second, 1, epoch, vec![note("mine")]).await.unwrap();
    let again = transition(&first, 1, 1, vec![Wanted::Wake]).await.unwrap_err();
    assert_eq!(again.code(), "fenced", "even for what would be refused");
    assert_eq!(place.verify(), Vec::<String>::new());
}
