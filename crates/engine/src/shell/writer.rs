//! The one thread of a process that writes the journal: waiting transitions are committed
//! together, each in a savepoint of its own, and answered after the commit.

use super::{
    clock::Clock,
    connection::{self, explain},
    crash_point,
    error::Error,
    head::Known,
    transition::Tx,
    turnstile::Turnstile,
};
use crate::journal::Timestamp;
use rusqlite::Connection;
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
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

pub(super) struct Writer {
    path: PathBuf,
    db: Connection,
    turnstile: Turnstile,
    clock: Arc<dyn Clock>,
    known: Known,
}

/// Where transitions are handed in, and the thread that takes them.
type Started = (Queue, thread::JoinHandle<()>);

/// Opens the journal and starts its thread.
pub(super) fn start(path: &Path, clock: Arc<dyn Clock>) -> Result<Started, Error> {
    let (db, turnstile) = connection::open_writer(path)?;
    let mut known = Known::default();
    known.refresh(&db)?;
    let writer = Writer { path: path.to_owned(), db, turnstile, clock, known };
    let (sender, queue) = channel();
    let thread = thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || writer.work(&queue))
        .map_err(|source| Error::Io { path: path.to_owned(), source })?;
    Ok((sender, thread))
}

impl Writer {
    fn work(mut self, queue: &Receiver<Box<dyn Job>>) {
        let mut stopped: Option<Failed> = None;
        while let Ok(first) = queue.recv() {
            let mut batch = vec![first];
            batch.extend(queue.try_iter().take(BATCH - 1));
            let span = tracing::debug_span!("commit", transitions = batch.len());
            let committed =
                if stopped.is_none() { span.in_scope(|| self.commit(&mut batch)) } else { Ok(()) };
            let Err(error) = committed else {
                answer(batch, stopped.as_ref());
                continue;
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
                    stopped = Some(why);
                }
                _ => {
                    answer(batch, Some(&why));
                    stopped = Some(why);
                }
            }
        }
    }

    /// One transaction for the whole batch, one savepoint for each of it.
    fn commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), Error> {
        let turn = self.turnstile.enter()?;
        self.execute("BEGIN IMMEDIATE")?;
        drop(turn);
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
