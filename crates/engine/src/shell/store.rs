//! The store: one writing connection, and the queue before it.

use super::{
    clock::Clock,
    error::Error,
    process::Process,
    reader::Reader,
    transition::Tx,
    writer::{self, Job, Queue, Started, Transition, Writer},
};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
};
use tokio::sync::oneshot;

/// A journal opened for writing. Clones share one connection.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    process: Process,
    writer: Arc<Mutex<Writer>>,
    queue: Mutex<Option<Queue>>,
    /// Transitions that are not answered yet.
    waiting: AtomicUsize,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens (and where needed creates and migrates) the journal at `path`.
    ///
    /// # Errors
    /// Where it is no journal, newer than this engine, or cannot be made durable.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Store, Error> {
        let Started { writer, queue, thread } = writer::start(path, clock)?;
        // Only now is the folder known to exist and to be writable.
        let process = Process::register(path)?;
        Ok(Store {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                process,
                writer,
                queue: Mutex::new(Some(queue)),
                waiting: AtomicUsize::new(0),
                thread: Mutex::new(Some(thread)),
            }),
        })
    }

    /// This process as an owner of leases.
    #[must_use]
    pub fn me(&self) -> &str {
        self.inner.process.id()
    }

    /// A connection for reading.
    ///
    /// # Errors
    /// Where the journal cannot be opened.
    pub fn reader(&self) -> Result<Reader, Error> {
        Reader::open(&self.inner.path)
    }

    /// Runs `work` in a transaction shared with whoever else waits; answers after the commit.
    ///
    /// # Errors
    /// What `work` refuses with (nothing of it stays), or that the store has stopped.
    pub async fn write<T, F>(&self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, Error> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Box<dyn Job> = Box::new(Transition { work: Some(work), result: None, reply });
        let stopped = || Error::Stopped("its thread has ended".to_owned());
        let waiting = Waiting::one_more(&self.inner.waiting);
        // Others that are ready to write come first: a run that never waits would let none begin.
        tokio::task::yield_now().await;
        let left = if waiting.is_alone() { self.at_once(job) } else { Some(job) };
        if let Some(job) = left {
            let queue = self.inner.queue.lock().map_err(|_| stopped())?;
            queue.as_ref().ok_or_else(stopped)?.send(job).map_err(|_| stopped())?;
        }
        answer.await.map_err(|_| stopped())?
    }

    /// Does it at once; gives it back where it would have to wait.
    fn at_once(&self, job: Box<dyn Job>) -> Option<Box<dyn Job>> {
        match self.inner.writer.try_lock() {
            Ok(mut writer) => writer.take_alone(job),
            Err(_) => Some(job),
        }
    }
}

/// Being one of those who wait for an answer.
struct Waiting<'a>(&'a AtomicUsize);

impl Waiting<'_> {
    fn one_more(all: &AtomicUsize) -> Waiting<'_> {
        all.fetch_add(1, Ordering::AcqRel);
        Waiting(all)
    }

    fn is_alone(&self) -> bool {
        self.0.load(Ordering::Acquire) == 1
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The thread ends once its queue is closed; the checkpoint of the last connection to
        // close is then done before the process ends.
        if let Ok(mut queue) = self.queue.lock() {
            queue.take();
        }
        if let Ok(mut thread) = self.thread.lock()
            && let Some(thread) = thread.take()
        {
            let _ = thread.join();
        }
    }
}
