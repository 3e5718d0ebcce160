//! The git repository beside a target: reading it, and the few effects that Kaizen has on it
//! (commit, worktree, push, revert), each with a probe.
//!
//! Deliberately not here: when to do any of it, and what to do about a refusal. Nothing here
//! resets, forces, rewrites history, or writes to the user's configuration.

mod checks;
mod commit;
mod diff;
mod durable;
mod error;
mod export;
mod head;
mod locks;
mod log;
mod paths;
mod push;
mod revert;
#[cfg(all(test, unix))]
mod tests;
mod trailers;
mod tree_paths;
mod worktree;
mod worktree_state;

pub use checks::Blocker;
pub use commit::{CommitPlan, Files};
pub use diff::unified_diff;
pub use error::Error;
pub use head::Head;
pub use log::CommitInfo;
pub use paths::{PROTECTED, PathError, check_path, protected_default};

use std::path::{Path, PathBuf};

/// An open repository with a worktree. Not `Sync`: every thread opens its own.
pub struct Repo {
    inner: git2::Repository,
    root: PathBuf,
}

impl std::fmt::Debug for Repo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repo").field("root", &self.root).finish_non_exhaustive()
    }
}

impl Repo {
    /// Opens the repository that `dir` is in, however deep.
    ///
    /// # Errors
    /// [`Error::NotARepository`], [`Error::Bare`].
    pub fn open(dir: &Path) -> Result<Repo, Error> {
        let found = git2::Repository::discover(dir).map_err(|error| match error.code() {
            git2::ErrorCode::NotFound => Error::NotARepository { dir: dir.to_owned() },
            _ => Error::from(error),
        })?;
        let root = match found.workdir() {
            // git2 ends it with a slash; whoever reads it does not need that.
            Some(root) if !found.is_bare() => root.components().collect(),
            _ => return Err(Error::Bare { dir: found.path().to_owned() }),
        };
        let inner = durable::open(found.path())?;
        Ok(Repo { inner, root })
    }

    /// The worktree's top directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The `.git` directory; of a linked worktree, its own.
    pub fn git_dir(&self) -> &Path {
        self.inner.path()
    }

    /// Who commits here: `user.name` and `user.email`, else `Kaizen <kaizen@localhost>`.
    ///
    /// # Errors
    /// Where the configuration cannot be read.
    pub fn author(&self) -> Result<(String, String), Error> {
        let config = self.inner.config()?;
        let read = |key: &str, fallback: &str| {
            config
                .get_string(key)
                .ok()
                .filter(|value| !value.trim().is_empty())
                .unwrap_or_else(|| fallback.to_owned())
        };
        Ok((read("user.name", "Kaizen"), read("user.email", "kaizen@localhost")))
    }

    /// The content of a file at a commit; `None` where the commit does not have it.
    ///
    /// # Errors
    /// [`Error::NoSuchCommit`], [`Error::NotAFile`] for directories, links and submodules.
    pub fn read(&self, commit: &str, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let tree = self.find_commit(commit)?.tree()?;
        let Some(entry) = optional(tree.get_path(Path::new(path)))? else {
            return Ok(None);
        };
        if let Some(what) = tree_paths::not_a_file(&entry) {
            return Err(Error::NotAFile { path: path.to_owned(), commit: commit.to_owned(), what });
        }
        Ok(Some(self.inner.find_blob(entry.id())?.content().to_vec()))
    }

    /// The id of a commit's tree.
    ///
    /// # Errors
    /// [`Error::NoSuchCommit`].
    pub fn tree(&self, commit: &str) -> Result<String, Error> {
        Ok(self.find_commit(commit)?.tree_id().to_string())
    }

    /// Whether git tracks this path: whether it is in the index.
    ///
    /// # Errors
    /// Where the index cannot be read.
    pub fn is_tracked(&self, path: &str) -> Result<bool, Error> {
        let mut index = self.inner.index()?;
        index.read(false)?;
        Ok(index.get_path(Path::new(path), 0).is_some())
    }

    /// The paths of all files (links included) at a commit that start with `prefix`, sorted.
    /// Names that are not UTF-8 are left out: no path of Kaizen's can name them.
    ///
    /// # Errors
    /// [`Error::NoSuchCommit`].
    pub fn list(&self, commit: &str, prefix: &str) -> Result<Vec<String>, Error> {
        let mut paths = Vec::new();
        let tree = self.find_commit(commit)?.tree()?;
        tree.walk(git2::TreeWalkMode::PreOrder, |dir, entry| {
            if entry.kind() == Some(git2::ObjectType::Blob)
                && let Ok(name) = entry.name()
                && let path = format!("{dir}{name}")
                && path.starts_with(prefix)
            {
                paths.push(path);
            }
            git2::TreeWalkResult::Ok
        })?;
        paths.sort();
        Ok(paths)
    }

    fn find_commit(&self, commit: &str) -> Result<git2::Commit<'_>, Error> {
        let missing = || Error::NoSuchCommit { commit: commit.to_owned(), root: self.root.clone() };
        let id = git2::Oid::from_str(commit).map_err(|_| missing())?;
        optional(self.inner.find_commit(id))?.ok_or_else(missing)
    }
}

/// Makes "not found" an answer instead of an error.
fn optional<T>(result: Result<T, git2::Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}
