//! Disks that fill up or break in the middle of commits: the error says so, nothing is half done,
//! and a new store goes on once the disk can be written again.

use crate::{
    disk::Disk,
    life::{self, Seeded},
    writer::{self, Still},
};
use kaizen_engine::{
    error::{Class, Classified},
    shell::{Error, Reader, Store, verify},
};
use std::{
    fs::{self, File},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What was answered outside the disk, to be asked for afterwards.
struct Answers {
    folder: tempfile::TempDir,
    log: File,
}

impl Answers {
    fn new() -> Answers {
        let folder = tempfile::tempdir().unwrap();
        let log = File::options().create(true).append(true).open(folder.path().join("a")).unwrap();
        Answers { folder, log }
    }

    fn all(&self) -> String {
        fs::read_to_string(self.folder.path().join("a")).unwrap()
    }
}

/// So many runs at a time, until the store has stopped. Returns what it said, in order.
async fn until_it_fails(
    store: &Store,
    at_once: usize,
    answers: &Answers,
    in_the_middle: impl Fn(usize),
) -> Vec<Error> {
    let done = AtomicUsize::new(0);
    let lives = (0..at_once).map(|_| async {
        loop {
            let run = match life::begin(store).await {
                Ok(run) => run,
                Err(error) => return error,
            };
            writer::say(&answers.log, &run);
            let mut come = 0;
            while let Some(next) = life::next(store, run.created.number, 1, come).await {
                match next {
                    Ok(run) => writer::say(&answers.log, &run),
                    Err(error) => return error,
                }
                come += 1;
                in_the_middle(done.fetch_add(1, Ordering::SeqCst));
            }
        }
    });
    let mut errors = Vec::new();
    let mut lives: Vec<_> = lives.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        lives.retain_mut(|life| match life.as_mut().poll(context) {
            std::task::Poll::Ready(error) => {
                errors.push(error);
                false
            }
            std::task::Poll::Pending => true,
        });
        if lives.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    errors
}

/// Every run that the failure has left, taken to its end by a new store.
async fn goes_on(journal: &Path, answers: &Answers) -> u64 {
    writer::holds(journal, &answers.all());
    let store = Store::open(journal, Arc::new(Still)).unwrap();
    for number in store.reader().unwrap().unfinished().unwrap() {
        let me = store.me().to_owned();
        let come = life::come(&store.reader().unwrap(), number).unwrap();
        let (run, epoch) = store.write(move |tx| tx.claim(number, &me, "ada")).await.unwrap();
        writer::say(&answers.log, &run);
        for come in come.. {
            let Some(next) = life::next(&store, number, epoch, come).await else { break };
            writer::say(&answers.log, &next.unwrap());
        }
    }
    assert_eq!(store.reader().unwrap().unfinished().unwrap(), Vec::<i64>::new());
    drop(store);
    writer::holds(journal, &answers.all())
}

fn verifies(journal: &Path) {
    let reader = Reader::open(journal).unwrap();
    assert_eq!(verify::verify(&reader, None).unwrap().differences, []);
}

/// On `disk`, with so much room at the beginning of each round.
async fn fills_up(disk: &Disk, rooms: &[u64]) {
    let answers = Answers::new();
    drop(Store::open(&disk.journal(), Arc::new(Still)).unwrap());
    let mut at_opening = 0;
    for room in rooms {
        let filler = disk.fill(*room);
        match Store::open(&disk.journal(), Arc::new(Still)) {
            Ok(store) => {
                let errors = until_it_fails(&store, 6, &answers, |_| ()).await;
                let full = |error: &Error| matches!(error, Error::DiskFull(_));
                let told = |error: &Error| full(error) || matches!(error, Error::Stopped(_));
                assert!(errors.iter().any(full), "{room} KiB: {errors:?}");
                assert!(errors.iter().all(told), "{room} KiB: {errors:?}");
                verifies(&disk.journal());
            }
            Err(error) => {
                assert!(matches!(error, Error::DiskFull(_)), "{room} KiB: {error:?}");
                at_opening += 1;
            }
        }
        fs::remove_file(filler).unwrap();
        goes_on(&disk.journal(), &answers).await;
    }
    let (events, said) = (goes_on(&disk.journal(), &answers).await, answers.all().lines().count());
    println!(
        "{} full disks ({at_opening} at opening): {said} answered transitions and {events} events, \
         none lost or half done",
        rooms.len()
    );
}

/// Odd amounts of room: a commit fails at another of its writes each time.
fn rooms(seed: u64, least: u64) -> Vec<u64> {
    let mut seeded = Seeded::new(seed);
    let mut rooms = vec![0, 4, 12, 40];
    rooms.extend((0..10).map(|_| least + seeded.below(500)));
    rooms
}

#[tokio::test]
async fn a_disk_in_memory_fills_up_in_the_middle_of_commits() {
    let Some(disk) = Disk::in_memory("size=24m") else { return };
    fills_up(&disk, &rooms(1, 40)).await;
}

#[tokio::test]
async fn an_ext4_disk_fills_up_in_the_middle_of_commits() {
    let Some(disk) = Disk::image(32) else { return };
    fills_up(&disk, &rooms(2, 40)).await;
}

/// One run, so that no `fsync` is under way in the moment of the error: ext4 answers such a one with
/// success and loses it (Linux 6.18, with nothing but `write` and `fsync`: 4 of 60). No program that
/// relies on `fsync` can do anything about that.
#[tokio::test]
async fn a_disk_turns_read_only_between_commits() {
    let Some(mut disk) = Disk::image(64) else { return };
    let answers = Answers::new();
    let mut said = Vec::new();
    for round in 0..5 {
        let store = Store::open(&disk.journal(), Arc::new(Still)).unwrap();
        let breaks_at = usize::try_from(10 + Seeded::new(round).below(60)).unwrap();
        let errors = until_it_fails(&store, 1, &answers, |done| {
            if done == breaks_at {
                disk.breaks();
            }
        })
        .await;
        for error in &errors {
            assert_eq!(error.class(), Class::Operator, "{error:?}");
        }
        said.push(errors[0].to_string());
        // Another process that opens it now is told as well.
        let refused = Store::open(&disk.journal(), Arc::new(Still)).err().unwrap();
        assert_eq!((refused.code(), refused.class()), ("read_only", Class::Operator), "{refused}");
        drop(store);
        // The same disk, mounted anew.
        let image = disk.copied();
        disk.comes_back(image);
        goes_on(&disk.journal(), &answers).await;
    }
    println!("5 disks that turned read-only: {said:?}; {} answered", answers.all().lines().count());
}
