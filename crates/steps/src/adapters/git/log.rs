//! Reading history: for the audit, which matches commits with journal events by their trailers.

use super::{Error, Repo, head::reference, trailers};
use serde::{Deserialize, Serialize};

/// A commit as the audit sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitInfo {
    pub id: String,
    pub message: String,
    pub tree: String,
    /// The first parent; `None` for a root commit.
    pub parent: Option<String>,
    /// The committer's time, seconds since 1970 in UTC.
    pub time_s: i64,
}

impl CommitInfo {
    /// The value of a trailer, the last where there are several.
    pub fn trailer(&self, name: &str) -> Option<String> {
        trailers::find(&self.message, name)
    }
}

impl Repo {
    /// The latest `limit` commits of a branch, newest first, children before parents.
    ///
    /// # Errors
    /// [`Error::MissingBranch`].
    pub fn log(&self, branch: &str, limit: usize) -> Result<Vec<CommitInfo>, Error> {
        let tip = self.tip(branch)?.ok_or(Error::MissingBranch { branch: branch.to_owned() })?;
        let mut walk = self.inner.revwalk()?;
        walk.set_sorting(git2::Sort::TOPOLOGICAL | git2::Sort::TIME)?;
        walk.push(tip)?;
        walk.take(limit).map(|id| self.info(id?)).collect()
    }

    /// Every commit on any local branch that has a trailer of this name, newest first.
    ///
    /// # Errors
    /// Where history cannot be read.
    pub fn commits_with_trailer(&self, name: &str) -> Result<Vec<CommitInfo>, Error> {
        let mut walk = self.inner.revwalk()?;
        walk.set_sorting(git2::Sort::TOPOLOGICAL | git2::Sort::TIME)?;
        walk.push_glob(&reference("*"))?;
        let mut found = Vec::new();
        for id in walk {
            let info = self.info(id?)?;
            if info.trailer(name).is_some() {
                found.push(info);
            }
        }
        Ok(found)
    }

    fn info(&self, id: git2::Oid) -> Result<CommitInfo, Error> {
        let commit = self.inner.find_commit(id)?;
        Ok(CommitInfo {
            id: id.to_string(),
            message: String::from_utf8_lossy(commit.message_bytes()).into_owned(),
            tree: commit.tree_id().to_string(),
            parent: commit.parent_ids().next().map(|parent| parent.to_string()),
            time_s: commit.time().seconds(),
        })
    }
}
