//! Where a branch stands, and who else has it checked out.

use super::{Error, Repo, optional};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A local branch and the commit it is at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its short name: `main`.
    pub branch: String,
    /// 40 hex digits.
    pub commit: String,
}

impl Repo {
    /// Where `branch` stands, or the branch that is checked out.
    ///
    /// # Errors
    /// [`Error::DetachedHead`], [`Error::MissingBranch`], [`Error::UnbornBranch`].
    pub fn head(&self, branch: Option<&str>) -> Result<Head, Error> {
        let current = self.current_branch()?;
        let branch = match (branch, &current) {
            (Some(branch), _) => branch.to_owned(),
            (None, Some(current)) => current.clone(),
            (None, None) => return Err(self.detached()?),
        };
        match self.tip(&branch)? {
            Some(id) => Ok(Head { branch, commit: id.to_string() }),
            None if current.as_ref() == Some(&branch) => Err(Error::UnbornBranch { branch }),
            None => Err(Error::MissingBranch { branch }),
        }
    }

    /// The commit that a local branch points at, `None` where there is no such branch.
    pub(super) fn tip(&self, branch: &str) -> Result<Option<git2::Oid>, Error> {
        let name = reference(branch);
        if !git2::Reference::is_valid_name(&name) {
            return Ok(None);
        }
        match optional(self.inner.find_reference(&name))? {
            Some(found) => Ok(Some(found.peel_to_commit()?.id())),
            None => Ok(None),
        }
    }

    /// The branch that this worktree has checked out, `None` when HEAD is detached.
    pub(super) fn current_branch(&self) -> Result<Option<String>, Error> {
        let head = self.inner.find_reference("HEAD")?;
        let target = head.symbolic_target()?;
        Ok(target.and_then(|name| name.strip_prefix("refs/heads/")).map(str::to_owned))
    }

    /// Refuses a branch that another worktree of this repository has checked out: moving it would
    /// leave that worktree behind without a word.
    ///
    /// # Errors
    /// [`Error::CheckedOutElsewhere`].
    pub fn check_not_elsewhere(&self, branch: &str) -> Result<(), Error> {
        for (worktree, head) in self.other_worktrees()? {
            if head.trim() == format!("ref: {}", reference(branch)) {
                return Err(Error::CheckedOutElsewhere { branch: branch.to_owned(), worktree });
            }
        }
        Ok(())
    }

    /// Every other worktree that is still there, with the text of its `HEAD` file.
    fn other_worktrees(&self) -> Result<Vec<(PathBuf, String)>, Error> {
        let common = self.inner.commondir();
        let mut dirs = Vec::new();
        if !self.inner.config()?.get_bool("core.bare").unwrap_or(false) {
            dirs.push((common.parent().unwrap_or(common).to_owned(), common.to_owned()));
        }
        for name in self.inner.worktrees()?.iter().filter_map(|name| name.ok().flatten()) {
            if let Ok(worktree) = self.inner.find_worktree(name) {
                let git_dir = common.join("worktrees").join(name);
                dirs.push((worktree.path().to_owned(), git_dir));
            }
        }
        let own = self.inner.path().canonicalize().ok();
        let others = dirs
            .into_iter()
            .filter(|(worktree, git_dir)| worktree.exists() && git_dir.canonicalize().ok() != own);
        Ok(others
            .filter_map(|(worktree, git_dir)| {
                Some((worktree, std::fs::read_to_string(git_dir.join("HEAD")).ok()?))
            })
            .collect())
    }

    fn detached(&self) -> Result<Error, Error> {
        let commit = self.inner.head()?.peel_to_commit()?.id().to_string();
        Ok(Error::DetachedHead { root: self.root.clone(), commit })
    }
}

/// A branch's full reference name.
pub(super) fn reference(branch: &str) -> String {
    format!("refs/heads/{branch}")
}
