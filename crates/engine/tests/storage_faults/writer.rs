//! A process that does nothing but write transitions of several runs at once, says in a file
//! outside the journal which of them were answered, and is to be stopped by force at any moment.

use crate::{
    common::START,
    life::{self, ENDS},
};
use kaizen_engine::{
    journal::{Run, Timestamp},
    shell::{Clock, Reader, Store, verify},
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, Instant},
};

const JOURNAL: &str = "KAIZEN_TEST_FAULT_JOURNAL";
const ANSWERED: &str = "KAIZEN_TEST_FAULT_ANSWERED";

/// Runs written at the same time.
const RUNS: usize = 6;
/// Where a writer that nobody stops ends by itself.
const LIVES: usize = 400;
/// A writer that does nothing for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(120);

/// Time does not pass, so that nothing of a run expires.
pub struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        START
    }
}

/// The writing process, and the file in which it says what was answered.
pub struct Writer {
    child: Child,
    answered: PathBuf,
}

/// To be called by the test that [`Writer::begin`] named, which is then the child.
pub fn is_child() -> bool {
    let (Some(journal), Some(answered)) = (std::env::var_os(JOURNAL), std::env::var_os(ANSWERED))
    else {
        return false;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(write(journal.as_ref(), answered.as_ref()));
    true
}

/// Takes over what an earlier writer left, then begins new runs.
async fn write(journal: &Path, answered: &Path) {
    let store = Store::open(journal, Arc::new(Still)).unwrap();
    let left = store.reader().unwrap().unfinished().unwrap();
    let (sender, receiver) = mpsc::channel();
    left.into_iter().map(Some).chain((0..LIVES).map(|_| None)).for_each(|run| {
        sender.send(run).unwrap();
    });
    drop(sender);
    let (runs, log) = (Arc::new(Mutex::new(receiver)), Arc::new(appending(answered)));
    let tasks: Vec<_> = (0..RUNS)
        .map(|_| {
            let (store, runs, log) = (store.clone(), runs.clone(), log.clone());
            tokio::spawn(async move {
                loop {
                    let Ok(run) = runs.lock().unwrap().recv() else { return };
                    live(&store, run, &log).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

async fn live(store: &Store, run: Option<i64>, log: &File) {
    let (number, epoch, mut come) = if let Some(number) = run {
        let come = life::come(&store.reader().unwrap(), number).unwrap();
        let me = store.me().to_owned();
        let claimed = store.write(move |tx| tx.claim(number, &me, "ada")).await.unwrap();
        say(log, &claimed.0);
        (number, claimed.1, come)
    } else {
        let run = life::begin(store).await.unwrap();
        say(log, &run);
        (run.created.number, 1, 0)
    };
    while let Some(done) = life::next(store, number, epoch, come).await {
        say(log, &done.unwrap());
        come += 1;
    }
}

fn appending(path: &Path) -> File {
    File::options().create(true).append(true).open(path).unwrap()
}

/// One line in one `write`: who is killed has said it or has not.
pub fn say(mut log: &File, run: &Run) {
    let line = format!("{} {} {}\n", run.created.number, run.seq, run.head);
    assert_eq!(log.write(line.as_bytes()).unwrap(), line.len());
}

impl Writer {
    /// The test binary anew, as the child of this test.
    pub fn begin(test: &str, journal: &Path, answered: &Path) -> Writer {
        drop(appending(answered));
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(JOURNAL, journal)
            .env(ANSWERED, answered)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Writer { child, answered: answered.to_owned() }
    }

    pub fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Waits until so many more transitions were answered than there were at `length` bytes, then
    /// for some microseconds more. The moment itself is left to chance.
    pub fn reaches(&mut self, length: u64, lines: u64, more: Duration) {
        let begun = Instant::now();
        // 70 bytes and up: the run, its sequence, 64 digits.
        while fs::metadata(&self.answered).unwrap().len() < length + lines * 69 {
            assert_eq!(self.child.try_wait().unwrap(), None, "it has ended by itself");
            assert!(begun.elapsed() < PATIENCE, "nothing is answered any more");
            std::thread::yield_now();
        }
        let there = Instant::now();
        while there.elapsed() < more {
            std::hint::spin_loop();
        }
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert!(!status.success(), "it had ended before it was killed");
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The journal as it is now: it opens, verifies, ends no run half way through a transition, and
/// holds everything that was answered. Returns its number of events.
pub fn holds(journal: &Path, answered: &str) -> u64 {
    drop(Store::open(journal, Arc::new(Still)).unwrap());
    let reader = Reader::open(journal).unwrap();
    let report = verify::verify(&reader, None).unwrap();
    assert_eq!(report.differences, []);
    let rows = reader.rows(None, 0, u32::MAX).unwrap();
    let hashes: BTreeMap<_, _> =
        rows.iter().map(|row| ((row.run, row.run_seq), row.event_hash.to_string())).collect();
    for line in answered.lines() {
        let mut words = line.split(' ');
        let run: i64 = words.next().unwrap().parse().unwrap();
        let seq: u64 = words.next().unwrap().parse().unwrap();
        let there = hashes.get(&(run, seq)).map(String::as_str);
        assert_eq!(there, words.next(), "r{run} event {seq} was answered");
    }
    for run in rows.iter().filter(|row| row.run_seq == 1).map(|row| row.run) {
        assert!(life::come(&reader, run).is_some(), "r{run} ends within a transition");
    }
    assert!(ENDS.windows(2).all(|two| two[0] < two[1]));
    report.events
}
