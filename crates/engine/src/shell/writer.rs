//! Writing the journal: waiting transitions are committed together, each in a savepoint of its own,
//! and answered after the commit. One thread of the process does that; who is alone does it
//! itself, since waking the thread and being woken by it would take a third of a commit's time.

use super::{
    clock::Clock,
    connection::{self, explain},
    crash_point,
    error::Error,
    head::Known,
    transition::Tx,
    turnstile::{self, Turnstile},
};
use crate::journal::Timestamp;
use rusqlite::Connection;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};
use tokio::sync::oneshot;

/// Most transitions in one commit.
const BATCH: usize = 256;

/// Where transitions wait.
pub(super) type Queue = Sender<Box<dyn Job>>;

/// A waiting transition.
pub(super) trait Job: Send {
    /// Does its writing; false: nothing of it is to stay.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Tells who waits, once the commit is through or has failed.
    fn answer(self: Box<Self>, failed: Option<&Failed>);
}

/// Why a whole batch was not committed: what each of those who wait is told.
pub(super) enum Failed {
    Busy,
    DiskFull(PathBuf),
    Stopped(String),
}

impl Failed {
    fn error(&self) -> Error {
        match self {
            Failed::Busy => Error::Busy,
            Failed::DiskFull(path) => Error::DiskFull(path.clone()),
            Failed::Stopped(why) => Error::Stopped(why.clone()),
        }
    }
}

pub(super) struct Transition<T, F> {
    pub work: Option<F>,
    pub result: Option<Result<T, Error>>,
    pub reply: oneshot::Sender<Result<T, Error>>,
}

impl<T, F> Job for Transition<T, F>
where
    T: Send,
    F: FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = work(tx).map_err(|error| match error {
            Error::Sqlite(sqlite) => explain(tx.path, sqlite),
            other => other,
        });
        let stays = result.is_ok();
        self.result = Some(result);
        stays
    }

    fn answer(self: Box<Self>, failed: Option<&Failed>) {
        let answer = match (self.result, failed) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), None) => Ok(value),
            (_, Some(failed)) => Err(failed.error()),
            (None, None) => Err(Error::Stopped("it was never begun".to_owned())),
        };
        // Nobody waits any more: what was asked for is done all the same.
        let _ = self.reply.send(answer);
    }
}

/// The writing connection. One at a time has it: the thread, or a caller that is alone.
pub(super) struct Writer {
    path: PathBuf,
    db: Connection,
    turnstile: Turnstile,
    clock: Arc<dyn Clock>,
    known: Known,
    /// Why nothing is written any more.
    stopped: Option<Failed>,
}

/// The journal, opened for writing.
pub(super) struct Started {
    pub writer: Arc<Mutex<Writer>>,
    /// Where transitions are handed in for the thread.
    pub queue: Queue,
    pub thread: thread::JoinHandle<()>,
}

/// Opens the journal and starts its thread.
pub(super) fn start(path: &Path, clock: Arc<dyn Clock>) -> Result<Started, Error> {
    let (db, turnstile) = connection::open_writer(path)?;
    let mut known = Known::default();
    known.refresh(&db)?;
    let writer = Writer { path: path.to_owned(), db, turnstile, clock, known, stopped: None };
    let writer = Arc::new(Mutex::new(writer));
    let (sender, queue) = channel();
    let threads = writer.clone();
    let thread = thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || work(&threads, &queue))
        .map_err(|source| Error::Io { path: path.to_owned(), source })?;
    Ok(Started { writer, queue: sender, thread })
}

/// The thread's life.
fn work(writer: &Mutex<Writer>, queue: &Receiver<Box<dyn Job>>) {
    while let Ok(first) = queue.recv() {
        let Ok(mut writer) = writer.lock() else { return };
        let mut batch = vec![first];
        batch.extend(queue.try_iter().take(BATCH - 1));
        writer.take(batch);
    }
}

impl Writer {
    /// Commits a batch and answers it.
    fn take(&mut self, batch: Vec<Box<dyn Job>>) {
        self.answered(batch, |writer, batch| {
            writer.begin()?;
            writer.commit(batch)
        });
    }

    /// Commits a single transition and answers it, unless it would have to wait for another process:
    /// then it is given back.
    pub(super) fn take_alone(&mut self, job: Box<dyn Job>) -> Option<Box<dyn Job>> {
        match self.begin_at_once() {
            Ok(false) => return Some(job),
            Ok(true) => self.answered(vec![job], Writer::commit),
            Err(error) => self.answered(vec![job], |_, _| Err(error)),
        }
        None
    }

    /// Answers each of a batch with what came of it.
    fn answered(
        &mut self,
        mut batch: Vec<Box<dyn Job>>,
        commit: impl FnOnce(&mut Writer, &mut [Box<dyn Job>]) -> Result<(), Error>,
    ) {
        if self.stopped.is_some() {
            return answer(batch, self.stopped.as_ref());
        }
        let span = tracing::debug_span!("commit", transitions = batch.len());
        let Err(error) = span.in_scope(|| commit(self, &mut batch)) else {
            return answer(batch, None);
        };
        let _ = self.db.execute_batch("ROLLBACK");
        self.known.forget();
        tracing::warn!(%error, transitions = batch.len(), "a commit failed");
        let why = Failed::Stopped(error.to_string());
        match error {
            // Waiting for a lock is no damage: the next batch may go through.
            Error::Busy => answer(batch, Some(&Failed::Busy)),
            Error::DiskFull(path) => {
                answer(batch, Some(&Failed::DiskFull(path)));
                self.stopped = Some(why);
            }
            _ => {
                answer(batch, Some(&why));
                self.stopped = Some(why);
            }
        }
    }

    /// Begins a transaction, in turn with other processes.
    fn begin(&self) -> Result<(), Error> {
        let turn = self.turnstile.enter()?;
        self.execute("BEGIN IMMEDIATE")?;
        drop(turn);
        Ok(())
    }

    /// The same, where nobody has to be waited for. False: somebody has.
    fn begin_at_once(&mut self) -> Result<bool, Error> {
        let Some(turn) = self.turnstile.try_enter()? else { return Ok(false) };
        self.db.busy_handler(None::<fn(i32) -> bool>)?;
        let begun = self.execute("BEGIN IMMEDIATE");
        self.db.busy_handler(Some(turnstile::look_again))?;
        drop(turn);
        match begun {
            Err(Error::Busy) => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// The rest of the transaction that was begun: one savepoint for each of the batch.
    fn commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), Error> {
        let found = connection::version(&self.db, &self.path)?;
        if found != connection::SCHEMA_VERSION {
            let (path, known) = (self.path.clone(), connection::SCHEMA_VERSION);
            return Err(Error::Newer { path, found, known });
        }
        self.known.refresh(&self.db)?;
        // One commit happens at one time. A clock that jumps back must not un-expire an approval.
        let now = self.clock.now().max(self.known.head.at);
        for job in batch.iter_mut() {
            self.one(job.as_mut(), now)?;
        }
        crash_point::reach("journal.before_commit");
        self.execute("COMMIT")?;
        crash_point::reach("journal.after_commit");
        Ok(())
    }

    fn one(&mut self, job: &mut dyn Job, now: Timestamp) -> Result<(), Error> {
        self.execute("SAVEPOINT transition")?;
        let mut tx = Tx::new(&self.db, &self.path, &mut self.known, now);
        let stays = job.run(&mut tx);
        let wrote = tx.wrote;
        if self.db.is_autocommit() {
            // SQLite itself gave up the transaction (disk full, I/O): nothing of the batch stays.
            return Err(Error::DiskFull(self.path.clone()));
        }
        if !stays {
            self.execute("ROLLBACK TO transition")?;
            if wrote {
                self.known.forget();
                self.known.refresh(&self.db)?;
            }
        }
        self.execute("RELEASE transition")
    }

    fn execute(&self, sql: &str) -> Result<(), Error> {
        let done = self.db.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
        done.map(|_| ()).map_err(|e| explain(&self.path, e))
    }
}

fn answer(batch: Vec<Box<dyn Job>>, failed: Option<&Failed>) {
    for job in batch {
        job.answer(failed);
    }
}
