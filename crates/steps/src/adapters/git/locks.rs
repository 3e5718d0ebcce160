//! Git's lock files, and telling those that this program left behind when it was killed.
//!
//! Git locks a file by making `<file>.lock`; a killed process leaves it, and nobody may take it
//! away who cannot tell whose it is. Ours can be told by what is in them: a ref's lock holds the
//! commit that only we make; an index's lock is a link to a finished index in our own folder.
//! Deliberately not here: what the new index has in it (`worktree`).

use super::{Error, Repo, durable, head::reference};
use kaizen_engine::shell::crash_point::reach;
use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// Git writes into a ref's lock at once after making it; one that stays empty for so long is of a
/// process that died in between.
const EMPTY_FOR: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Repo {
    /// Removes the lock that a killed process of ours left on a branch; false: it is not ours.
    /// To be asked by the run's only driver, after the lock was met.
    pub(super) fn reclaim_branch(&self, branch: &str, commit: git2::Oid) -> Result<bool, Error> {
        let lock = locked(&self.inner.commondir().join(reference(branch)));
        let mut watched = Duration::ZERO;
        loop {
            let ours = match fs::read(&lock) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
                Err(error) => return Err(Error::io(&lock)(error)),
                Ok(text) if text.is_empty() && watched < EMPTY_FOR => None,
                Ok(text) => {
                    Some(text.is_empty() || text.trim_ascii() == commit.to_string().as_bytes())
                }
            };
            match ours {
                Some(true) => return remove(&lock).map(|()| true),
                Some(false) => return Ok(false),
                None => thread::sleep(LOOK_EVERY),
            }
            watched += LOOK_EVERY;
        }
    }

    /// Our own folder for a move of the worktree to a commit: there only while that is under way,
    /// or where it was killed.
    pub(super) fn staging(&self, to: &str) -> PathBuf {
        self.git_dir().join(format!("kaizen-{}", to.get(..12).unwrap_or(to)))
    }

    /// Takes away what a killed move to this commit left: its folder, and the index's lock if the
    /// folder shows it to be ours.
    pub(super) fn clear_staging(&self, to: &str) -> Result<(), Error> {
        let staging = self.staging(to);
        if !staging.exists() {
            return Ok(());
        }
        let lock = locked(&self.index_path()?);
        if let (Ok(ours), Ok(held)) = (fs::read(staging.join("index")), fs::read(&lock))
            && ours == held
        {
            remove(&lock)?;
        }
        fs::remove_dir_all(&staging).map_err(Error::io(&staging))
    }

    /// Changes the index as a whole: `change` gets a copy in `staging`, which then takes the
    /// place of the index, unless somebody else holds or has changed that meanwhile.
    pub(super) fn replace_index(
        &self,
        staging: &Path,
        change: impl Fn(&mut git2::Index) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let path = self.index_path()?;
        let (copy, lock) = (staging.join("index"), locked(&path));
        let before = read(&path)?;
        if let Some(bytes) = &before {
            fs::write(&copy, bytes).map_err(Error::io(&copy))?;
        }
        // A repository of its own: the copy becomes its index.
        let repo = git2::Repository::open(self.git_dir())?;
        let mut index = git2::Index::open(&copy)?;
        repo.set_index(&mut index)?;
        change(&mut index)?;
        index.write()?;
        durable::sync(&copy)?;
        if let Err(error) = fs::hard_link(&copy, &lock) {
            if error.kind() == io::ErrorKind::AlreadyExists {
                return Err(Error::Locked(lock.display().to_string()));
            }
            // A file system without links: libgit2's way, whose lock would be left by a kill.
            let mut index = self.inner.index()?;
            index.read(true)?;
            change(&mut index)?;
            return Ok(index.write()?);
        }
        reach("git.index.locked");
        if read(&path)? != before {
            remove(&lock)?;
            return Err(Error::Locked(format!("{} has just been changed", path.display())));
        }
        fs::rename(&lock, &path).map_err(Error::io(&path))?;
        reach("git.index.replaced");
        durable::sync(self.git_dir())
    }

    fn index_path(&self) -> Result<PathBuf, Error> {
        let path = self.inner.index()?.path().map(Path::to_owned);
        Ok(path.unwrap_or_else(|| self.git_dir().join("index")))
    }
}

fn locked(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".lock");
    PathBuf::from(name)
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(path)(error)),
    }
}

fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
}
