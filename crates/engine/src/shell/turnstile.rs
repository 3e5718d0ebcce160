//! Whose turn it is among the processes that write one journal.
//!
//! SQLite's own waiting is not fair: whoever commits may begin again at once, and one that polls
//! starves. So a writer passes through a turnstile, a lock file beside the journal, before it
//! begins, and gives it free once it has begun. One that waits holds it, and the one that has just
//! committed queues up behind. Nothing here protects the journal: SQLite's lock does.

use super::error::Error;
use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// How long anybody waits for another process before it is `Busy`.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How often one that waits looks again.
const LOOK_AGAIN: Duration = Duration::from_micros(250);

/// The lock file, opened.
#[derive(Debug)]
pub(super) struct Turnstile(File);

/// Being in it; dropped, the next one is let in.
#[must_use]
pub(super) struct Turn<'a>(&'a File);

/// A lock file beside the journal.
pub(super) fn beside(journal: &Path, name: &str) -> Result<File, Error> {
    let path = PathBuf::from(format!("{}.{name}", journal.display()));
    File::create(path).map_err(|e| Error::unwritable(journal, &e))
}

impl Turnstile {
    pub(super) fn beside(journal: &Path) -> Result<Turnstile, Error> {
        Ok(Turnstile(beside(journal, "lock")?))
    }

    /// The turn, where nobody else has it.
    pub(super) fn try_enter(&self) -> Result<Option<Turn<'_>>, Error> {
        match self.0.try_lock() {
            Ok(()) => Ok(Some(Turn(&self.0))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::Unlockable(error)),
        }
    }

    /// Waits for the turn. With a limit, which `File::lock` has not: a stopped process must not
    /// hang the others for ever.
    pub(super) fn enter(&self) -> Result<Turn<'_>, Error> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.try_enter()? {
                Some(turn) => return Ok(turn),
                None if Instant::now() < until => thread::sleep(LOOK_AGAIN),
                None => return Err(Error::Busy),
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // An unlock that fails leaves the lock to the end of the process.
        let _ = self.0.unlock();
    }
}

/// SQLite's busy handler: looks again as often as the turnstile does, so that the one whose turn
/// it is begins as soon as the one before has committed.
pub(super) fn look_again(looked: i32) -> bool {
    thread::sleep(LOOK_AGAIN);
    u128::from(looked.unsigned_abs()) * LOOK_AGAIN.as_micros() < PATIENCE.as_micros()
}
