//! The store: one writing thread behind a channel.

use super::{
    clock::Clock,
    error::Error,
    process::Process,
    reader::Reader,
    transition::Tx,
    writer::{self, Job, Queue, Transition},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};
use tokio::sync::oneshot;

/// A journal opened for writing. Clones share one thread.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    process: Process,
    sender: Mutex<Option<Queue>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens (and where needed creates and migrates) the journal at `path`.
    ///
    /// # Errors
    /// Where it is no journal, newer than this engine, or cannot be made durable.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Store, Error> {
        let (sender, thread) = writer::start(path, clock)?;
        // Only now is the folder known to exist and to be writable.
        let process = Process::register(path)?;
        Ok(Store {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                process,
                sender: Mutex::new(Some(sender)),
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
        {
            let sender = self.inner.sender.lock().map_err(|_| stopped())?;
            sender.as_ref().ok_or_else(stopped)?.send(job).map_err(|_| stopped())?;
        }
        answer.await.map_err(|_| stopped())?
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The thread ends once its queue is closed; the checkpoint of the last connection to
        // close is then done before the process ends.
        if let Ok(mut sender) = self.sender.lock() {
            sender.take();
        }
        if let Ok(mut thread) = self.thread.lock()
            && let Some(thread) = thread.take()
        {
            let _ = thread.join();
        }
    }
}
