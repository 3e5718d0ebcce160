//! How index and worktree stand between two commits, path by path. Reads only; `worktree` acts.

use super::{Error, Repo};
use std::{fs, path::Path};

/// One side of a path: a blob with its mode, or no file.
pub(super) type Version = Option<(git2::Oid, git2::FileMode)>;

/// A path that differs between two trees.
#[derive(Debug)]
pub(super) struct Step {
    pub path: String,
    pub from: Version,
    pub to: Version,
}

/// Which version of a path is in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    From,
    To,
    /// Neither: somebody else's.
    Other,
}

impl Repo {
    /// The paths that differ between the trees of two commits, sorted.
    pub(super) fn steps(&self, from: &str, to: &str) -> Result<Vec<Step>, Error> {
        self.tree_steps(&self.find_commit(from)?.tree()?, &self.find_commit(to)?.tree()?)
    }

    /// The paths that differ between two trees, sorted.
    pub(super) fn tree_steps(
        &self,
        from: &git2::Tree<'_>,
        to: &git2::Tree<'_>,
    ) -> Result<Vec<Step>, Error> {
        let mut options = git2::DiffOptions::new();
        options.include_typechange(true).context_lines(0);
        let diff = self.inner.diff_tree_to_tree(Some(from), Some(to), Some(&mut options))?;
        let mut steps: Vec<Step> = diff
            .deltas()
            .map(|delta| {
                let (old, new) = (delta.old_file(), delta.new_file());
                let path = new.path_bytes().or(old.path_bytes()).unwrap_or_default();
                Step {
                    path: String::from_utf8_lossy(path).into_owned(),
                    from: version(&old),
                    to: version(&new),
                }
            })
            .collect();
        steps.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(steps)
    }

    /// What the worktree has at a step's path.
    pub(super) fn worktree_place(&self, step: &Step) -> Result<Place, Error> {
        let here = self.root.join(&step.path);
        let Ok(meta) = fs::symlink_metadata(&here) else {
            return Ok(place(step, |version| version.is_none()));
        };
        if meta.is_symlink() {
            let to = fs::read_link(&here).map_err(Error::io(&here))?;
            let bytes = to.as_os_str().as_encoded_bytes();
            let id = git2::Oid::hash_object(git2::ObjectType::Blob, bytes)?;
            return Ok(place(step, |version| *version == Some((id, git2::FileMode::Link))));
        }
        if !meta.is_file() {
            return Ok(Place::Other);
        }
        let raw = git2::Oid::hash_file(git2::ObjectType::Blob, &here)?;
        match place(step, |version| is_file(version, raw)) {
            // Line endings and the like: as git would store it. Writes an object; harmless.
            Place::Other => {
                let stored = self.inner.blob_path(&here)?;
                Ok(place(step, |version| is_file(version, stored)))
            }
            known => Ok(known),
        }
    }

    /// What the index has at a step's path.
    pub(super) fn index_place(index: &git2::Index, step: &Step) -> Place {
        let path = Path::new(&step.path);
        if (1..=3).any(|stage| index.get_path(path, stage).is_some()) {
            return Place::Other;
        }
        let entry = index.get_path(path, 0).map(|entry| entry.id);
        place(step, |version| version.map(|(id, _)| id) == entry)
    }
}

/// The to-version is asked for first: where both are alike, nothing is left to do.
fn place(step: &Step, is: impl Fn(&Version) -> bool) -> Place {
    if is(&step.to) {
        Place::To
    } else if is(&step.from) {
        Place::From
    } else {
        Place::Other
    }
}

fn is_file(version: &Version, id: git2::Oid) -> bool {
    version.is_some_and(|(expected, mode)| {
        expected == id && matches!(mode, git2::FileMode::Blob | git2::FileMode::BlobExecutable)
    })
}

fn version(file: &git2::DiffFile<'_>) -> Version {
    file.exists().then(|| (file.id(), file.mode()))
}
