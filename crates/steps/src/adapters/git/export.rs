//! A commit's files in a directory of their own: the scratch worktree of preflights and tests.
//! Neither HEAD nor index nor the user's worktree are touched.

use super::{Error, Files, Repo};
use std::{fs, path::Path};

impl Repo {
    /// Writes all files of a commit into `into`, which is made, or must be empty.
    ///
    /// # Errors
    /// [`Error::NotEmpty`], [`Error::NoSuchCommit`].
    pub fn export(&self, commit: &str, into: &Path) -> Result<(), Error> {
        fs::create_dir_all(into).map_err(Error::io(into))?;
        if fs::read_dir(into).map_err(Error::io(into))?.next().is_some() {
            return Err(Error::NotEmpty { dir: into.to_owned() });
        }
        self.checkout(commit, into, &[])
    }

    /// Writes a commit's files into `into` as they would be with `files` changed on top of it:
    /// byte for byte what committing them would check out.
    ///
    /// # Errors
    /// As [`Repo::export`] and [`Repo::plan_commit`].
    pub fn export_with(&self, commit: &str, files: &Files, into: &Path) -> Result<(), Error> {
        let tree = self.inner.find_tree(self.tree_with(commit, files)?)?;
        fs::create_dir_all(into).map_err(Error::io(into))?;
        if fs::read_dir(into).map_err(Error::io(into))?.next().is_some() {
            return Err(Error::NotEmpty { dir: into.to_owned() });
        }
        self.checkout_tree(tree.as_object(), into, &[])
    }

    /// Checks out `paths` of a commit (none named: all) into a directory.
    pub(super) fn checkout(&self, commit: &str, into: &Path, paths: &[&str]) -> Result<(), Error> {
        self.checkout_tree(self.find_commit(commit)?.tree()?.as_object(), into, paths)
    }

    fn checkout_tree(
        &self,
        tree: &git2::Object<'_>,
        into: &Path,
        paths: &[&str],
    ) -> Result<(), Error> {
        let mut options = git2::build::CheckoutBuilder::new();
        options.target_dir(into).force().update_index(false).disable_pathspec_match(true);
        for path in paths {
            options.path(*path);
        }
        Ok(self.inner.checkout_tree(tree, Some(&mut options))?)
    }
}
