//! This process as an owner of leases.
//!
//! It is alive while its lock file is locked. A pid says nothing: in another PID namespace a
//! living process cannot be seen, and a dead one's number may be somebody else's.

use super::error::Error;
use std::{
    fs::{self, File, TryLockError},
    io::Write,
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// An owner of leases: holds its lock file for as long as it lives.
#[derive(Debug)]
pub struct Process {
    id: String,
    path: PathBuf,
    /// Dropped with the process, however that ends; the lock goes with it.
    _lock: File,
}

impl Process {
    /// Registers this process beside the journal.
    ///
    /// # Errors
    /// Where the lock file cannot be made.
    pub fn register(journal: &Path) -> Result<Process, Error> {
        let id = Uuid::now_v7().to_string();
        let folder = locks(journal);
        let path = folder.join(&id);
        let io = |error: std::io::Error| Error::unwritable(&path, &error);
        fs::create_dir_all(&folder).map_err(io)?;
        let mut lock = File::create(&path).map_err(io)?;
        lock.lock().map_err(io)?;
        write!(lock, "{}", std::process::id()).map_err(io)?;
        Ok(Process { id, path, _lock: lock })
    }

    /// Its name in leases: a UUID.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether that owner lives, and what it says of its pid.
#[must_use]
pub fn is_alive(journal: &Path, id: &str) -> Option<String> {
    let path = locks(journal).join(id);
    let file = File::open(&path).ok()?;
    // Shared: two processes that look at once must not take each other for the owner.
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {
            Some(fs::read_to_string(&path).unwrap_or_else(|_| "unknown".to_owned()))
        }
        // Where the lock can be had its owner is dead; another error leaves it alive, to be safe.
        Err(TryLockError::Error(_)) => Some("unknown".to_owned()),
        Ok(()) => {
            let _ = fs::remove_file(&path);
            None
        }
    }
}

fn locks(journal: &Path) -> PathBuf {
    journal.with_extension("locks")
}
