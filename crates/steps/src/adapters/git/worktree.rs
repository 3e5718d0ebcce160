//! Bringing index and worktree of a checked-out branch along after its ref has moved: only the
//! paths that differ, and only where nobody's work is in the way. An effect with a probe of its
//! own; a half-done one is finished by doing it again.

use super::{
    CommitPlan, Error, Repo, durable,
    worktree_state::{Place, Step},
};
use crate::adapters::Probe;
use kaizen_engine::shell::crash_point::reach;
use std::{
    fs,
    path::{Path, PathBuf},
};

impl Repo {
    /// Whether [`Repo::sync_worktree`] would go through once the plan is committed: to be asked
    /// before the branch moves, for an untracked file may be where a new one is to go.
    ///
    /// # Errors
    /// [`Error::WorktreeConflict`], [`Error::NoSuchCommit`].
    pub fn check_worktree(&self, plan: &CommitPlan) -> Result<(), Error> {
        if self.current_branch()?.as_deref() != Some(&plan.branch) {
            return Ok(());
        }
        let from = self.find_commit(&plan.parent)?.tree()?;
        let to = self.inner.find_tree(git2::Oid::from_str(&plan.tree)?)?;
        let mut index = self.inner.index()?;
        index.read(true)?;
        self.stale(&self.tree_steps(&from, &to)?, &index).map(drop)
    }

    /// Takes index and worktree from one commit's files to another's, if `branch` is the one
    /// checked out here; else there is nothing to do. All paths are checked before any is touched.
    ///
    /// # Errors
    /// [`Error::WorktreeConflict`]: a path has neither version, in the worktree or in the index;
    /// nothing was changed. [`Error::Locked`]: another git holds the index.
    pub fn sync_worktree(&self, branch: &str, from: &str, to: &str) -> Result<(), Error> {
        if self.current_branch()?.as_deref() != Some(branch) {
            return Ok(());
        }
        self.clear_staging(to)?;
        let steps = self.steps(from, to)?;
        let mut index = self.inner.index()?;
        index.read(true)?;
        let stale = self.stale(&steps, &index)?;
        for step in stale.iter().filter(|step| step.to.is_none()) {
            self.remove(&step.path)?;
        }
        reach("git.worktree.removed");
        let staging = self.staging(to);
        fs::create_dir(&staging).map_err(Error::io(&staging))?;
        let written = stale.iter().filter(|step| step.to.is_some());
        self.write_files(to, written, &staging.join("files"))?;
        reach("git.worktree.written");
        self.replace_index(&staging, |index| {
            steps.iter().try_for_each(|step| update_index(index, step))
        })?;
        self.clear_staging(to)
    }

    /// Whether index and worktree have arrived: `Done` where every differing path has the
    /// to-version in both, or where `branch` is not checked out here.
    ///
    /// # Errors
    /// [`Error::NoSuchCommit`], or where index or worktree cannot be read.
    pub fn probe_worktree(&self, branch: &str, from: &str, to: &str) -> Result<Probe, Error> {
        if self.current_branch()?.as_deref() != Some(branch) {
            return Ok(Probe::Done);
        }
        // Whoever asks is the only one who moves it: what is left of a move is of a killed one.
        self.clear_staging(to)?;
        let mut index = self.inner.index()?;
        index.read(true)?;
        for step in &self.steps(from, to)? {
            let arrived = Repo::index_place(&index, step) == Place::To
                && self.worktree_place(step)? == Place::To;
            if !arrived {
                return Ok(Probe::NotDone);
            }
        }
        Ok(Probe::Done)
    }

    /// The steps whose file is still the from-version.
    fn stale<'s>(&self, steps: &'s [Step], index: &git2::Index) -> Result<Vec<&'s Step>, Error> {
        let (mut stale, mut conflicts) = (Vec::new(), Vec::new());
        for step in steps {
            let in_index = Repo::index_place(index, step);
            let on_disk = self.worktree_place(step)?;
            if in_index == Place::Other || on_disk == Place::Other || !self.reachable(steps, step) {
                conflicts.push(step.path.clone());
            } else if on_disk == Place::From {
                stale.push(step);
            }
        }
        if conflicts.is_empty() {
            Ok(stale)
        } else {
            Err(Error::WorktreeConflict { paths: conflicts })
        }
    }

    /// Whether every directory on the way to a path is one, or is not there yet, or is a file
    /// that goes away in the same move. A link on the way would lead the write elsewhere.
    fn reachable(&self, steps: &[Step], step: &Step) -> bool {
        Path::new(&step.path).ancestors().skip(1).all(|dir| {
            let goes_away =
                || steps.iter().any(|other| other.to.is_none() && Path::new(&other.path) == dir);
            match fs::symlink_metadata(self.root.join(dir)) {
                Ok(meta) => meta.is_dir() || goes_away(),
                Err(_) => true,
            }
        })
    }

    /// Removes a file and the directories that it leaves empty, as git does.
    fn remove(&self, path: &str) -> Result<(), Error> {
        let file = self.root.join(path);
        fs::remove_file(&file).map_err(Error::io(&file))?;
        let mut dir = file.parent();
        while let Some(parent) = dir.filter(|parent| *parent != self.root) {
            if fs::remove_dir(parent).is_err() {
                break;
            }
            dir = parent.parent();
        }
        durable::sync(dir.unwrap_or(&self.root))
    }

    /// Writes files as a checkout would (line endings, modes), each by a rename: a reader, or a
    /// crash, sees the old content or the new, never half of it.
    fn write_files<'s>(
        &self,
        commit: &str,
        steps: impl Iterator<Item = &'s &'s Step>,
        staging: &Path,
    ) -> Result<(), Error> {
        let paths: Vec<&str> = steps.map(|step| step.path.as_str()).collect();
        if paths.is_empty() {
            return Ok(());
        }
        fs::create_dir(staging).map_err(Error::io(staging))?;
        self.checkout(commit, staging, &paths)?;
        reach("git.worktree.staged");
        paths.iter().try_for_each(|path| place(&staging.join(path), &self.root.join(path)))
    }
}

/// Moves a finished file into place.
fn place(ready: &Path, target: &Path) -> Result<(), Error> {
    let parent: PathBuf = target.parent().unwrap_or(target).to_owned();
    fs::create_dir_all(&parent).map_err(Error::io(&parent))?;
    if !fs::symlink_metadata(ready).map_err(Error::io(ready))?.is_symlink() {
        durable::sync(ready)?;
    }
    match fs::rename(ready, target) {
        // The git directory is on another file system: once more by way of a neighbour.
        Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {
            let near = tempfile::NamedTempFile::new_in(&parent).map_err(Error::io(&parent))?;
            fs::copy(ready, near.path()).map_err(Error::io(target))?;
            durable::sync(near.path())?;
            near.persist(target).map_err(|failed| Error::io(target)(failed.error))?;
        }
        renamed => renamed.map_err(Error::io(target))?,
    }
    durable::sync(&parent)
}

/// Gives the index a step's to-version, with the file's times where the file has that content.
fn update_index(index: &mut git2::Index, step: &Step) -> Result<(), Error> {
    let path = Path::new(&step.path);
    let Some((id, mode)) = step.to else {
        return Ok(index.remove_path(path)?);
    };
    index.add_path(path)?;
    if let Some(mut entry) = index.get_path(path, 0) {
        // What is committed counts, not what a filter would make of the file on its way back.
        if entry.id != id {
            entry.mtime = git2::IndexTime::new(0, 0);
        }
        (entry.id, entry.mode) = (id, u32::from(mode));
        index.add(&entry)?;
    }
    Ok(())
}
