//! The commit effect: planned down to its id before it is announced, made by compare-and-swap,
//! and recognised afterwards by that id.

use super::{Error, Head, Repo, durable, head::reference, optional, trailers, tree_paths};
use crate::adapters::Probe;
use kaizen_engine::shell::crash_point::reach;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// Path to its whole new content; `None` deletes the file.
pub type Files = BTreeMap<String, Option<Vec<u8>>>;

/// Everything that a commit's id depends on, but for the `Kaizen-Head` trailer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitPlan {
    /// The local branch that will move, by its short name.
    pub branch: String,
    /// Where that branch must stand: 40 hex digits.
    pub parent: String,
    /// The tree that is committed. Its objects are in the repository already.
    pub tree: String,
    pub author_name: String,
    pub author_email: String,
    /// Author's and committer's time, seconds since 1970 in UTC.
    pub time_s: i64,
    /// The message, with all trailers but `Kaizen-Head`.
    pub message: String,
}

impl CommitPlan {
    /// The message as it will be committed: with the hash of the event that announced it.
    pub fn message_with(&self, kaizen_head: &str) -> String {
        trailers::append(&self.message, "Kaizen-Head", kaizen_head)
    }
}

impl Repo {
    /// Plans a commit of `files` on top of `head` and writes its blobs and trees, which nothing
    /// refers to yet. Files that exist keep their mode, others get 100644.
    ///
    /// # Errors
    /// [`Error::Path`], [`Error::NothingToDelete`], [`Error::NothingToCommit`].
    pub fn plan_commit(
        &self,
        head: &Head,
        files: &Files,
        author: (&str, &str),
        time_s: i64,
        message: &str,
    ) -> Result<CommitPlan, Error> {
        let tree = self.tree_with(&head.commit, files)?;
        self.plan(head, tree, author, time_s, message)
    }

    /// The id that the commit will have. Writes nothing.
    ///
    /// # Errors
    /// [`Error::NoSuchCommit`] where the parent is gone.
    pub fn commit_id(&self, plan: &CommitPlan, kaizen_head: &str) -> Result<String, Error> {
        let buffer = self.commit_buffer(plan, kaizen_head)?;
        Ok(git2::Oid::hash_object(git2::ObjectType::Commit, &buffer)?.to_string())
    }

    /// Writes the commit and moves the branch from the plan's parent to it. Made already: nothing
    /// happens. Index and worktree are another effect, [`Repo::sync_worktree`].
    ///
    /// # Errors
    /// [`Error::BranchMoved`]; the branch is then as it was. [`Error::Locked`].
    pub fn commit(&self, plan: &CommitPlan, kaizen_head: &str) -> Result<String, Error> {
        let buffer = self.commit_buffer(plan, kaizen_head)?;
        let id = self.inner.odb()?.write(git2::ObjectType::Commit, &buffer)?;
        // A new `objects/xx` is a new name in `objects`, which libgit2 does not sync; it must be
        // on disk before a ref needs it.
        durable::sync(&self.inner.commondir().join("objects"))?;
        reach("git.commit.written");
        let tip = self.tip(&plan.branch)?;
        if tip.is_some_and(|tip| self.is_ancestor(&id.to_string(), tip).unwrap_or(false)) {
            return Ok(id.to_string());
        }
        let parent = git2::Oid::from_str(&plan.parent)?;
        let subject = plan.message.lines().next().unwrap_or_default();
        let log = format!("kaizen: {subject}");
        let name = reference(&plan.branch);
        let swap = || self.inner.reference_matching(&name, id, true, parent, &log).map(drop);
        let swapped = swap().or_else(|error| match error.code() {
            git2::ErrorCode::Locked if self.reclaim_branch(&plan.branch, id)? => {
                swap().map_err(Error::from)
            }
            _ => Err(Error::from(error)),
        });
        match swapped {
            Ok(()) => Ok(id.to_string()),
            Err(Error::Git(error)) if is_lost_swap(&error) => Err(self.branch_moved(plan)?),
            Err(error) => Err(error),
        }
    }

    /// Whether the commit has been made: whether its id is reachable from the branch. A branch
    /// that went elsewhere answers `NotDone`; committing then fails with [`Error::BranchMoved`].
    ///
    /// # Errors
    /// [`Error::NoSuchCommit`] where the plan's parent is gone.
    pub fn probe_commit(&self, plan: &CommitPlan, kaizen_head: &str) -> Result<Probe, Error> {
        let id = self.commit_id(plan, kaizen_head)?;
        match self.tip(&plan.branch)? {
            None => Ok(Probe::Unknown(format!("the branch {:?} is gone", plan.branch))),
            Some(_) if self.is_reachable(&id, &plan.branch)? => Ok(Probe::Done),
            Some(_) => Ok(Probe::NotDone),
        }
    }

    /// Whether a commit is the branch's tip or an ancestor of it. An unknown commit is not.
    ///
    /// # Errors
    /// [`Error::MissingBranch`].
    pub fn is_reachable(&self, commit: &str, branch: &str) -> Result<bool, Error> {
        let tip = self.tip(branch)?.ok_or(Error::MissingBranch { branch: branch.to_owned() })?;
        self.is_ancestor(commit, tip)
    }

    pub(super) fn is_ancestor(&self, commit: &str, tip: git2::Oid) -> Result<bool, Error> {
        let Ok(id) = git2::Oid::from_str(commit) else { return Ok(false) };
        if id == tip {
            return Ok(true);
        }
        Ok(optional(self.inner.find_commit(id))?.is_some()
            && self.inner.graph_descendant_of(tip, id)?)
    }

    pub(super) fn plan(
        &self,
        head: &Head,
        tree: git2::Oid,
        (author_name, author_email): (&str, &str),
        time_s: i64,
        message: &str,
    ) -> Result<CommitPlan, Error> {
        if self.find_commit(&head.commit)?.tree_id() == tree {
            return Err(Error::NothingToCommit { commit: head.commit.clone() });
        }
        durable::sync(&self.inner.commondir().join("objects"))?;
        Ok(CommitPlan {
            branch: head.branch.clone(),
            parent: head.commit.clone(),
            tree: tree.to_string(),
            author_name: author_name.to_owned(),
            author_email: author_email.to_owned(),
            time_s,
            message: message.to_owned(),
        })
    }

    /// The tree of `commit` with `files` changed in it.
    pub(super) fn tree_with(&self, commit: &str, files: &Files) -> Result<git2::Oid, Error> {
        let base = self.find_commit(commit)?.tree()?;
        let mut update = git2::build::TreeUpdateBuilder::new();
        for (path, content) in files {
            self.check_no_symlink_out(commit, path)?;
            let existing = optional(base.get_path(Path::new(path)))?;
            match (content, existing) {
                (Some(bytes), existing) => {
                    let mode = existing.map_or(git2::FileMode::Blob, |entry| file_mode(&entry));
                    update.upsert(path.as_str(), self.inner.blob(bytes)?, mode);
                }
                (None, Some(_)) => {
                    update.remove(path.as_str());
                }
                (None, None) => {
                    let (path, commit) = (path.clone(), commit.to_owned());
                    return Err(Error::NothingToDelete { path, commit });
                }
            }
        }
        Ok(update.create_updated(&self.inner, &base)?)
    }

    fn commit_buffer(&self, plan: &CommitPlan, kaizen_head: &str) -> Result<git2::Buf, Error> {
        let parent = self.find_commit(&plan.parent)?;
        let tree = self.inner.find_tree(git2::Oid::from_str(&plan.tree)?)?;
        let time = git2::Time::new(plan.time_s, 0);
        let who = git2::Signature::new(&plan.author_name, &plan.author_email, &time)?;
        let message = plan.message_with(kaizen_head);
        Ok(self.inner.commit_create_buffer(&who, &who, &message, &tree, &[&parent])?)
    }

    fn branch_moved(&self, plan: &CommitPlan) -> Result<Error, Error> {
        let found = self.tip(&plan.branch)?;
        Ok(Error::BranchMoved {
            branch: plan.branch.clone(),
            expected: plan.parent.clone(),
            found: found.map_or("nowhere: it is gone".to_owned(), |id| id.to_string()),
        })
    }
}

fn is_lost_swap(error: &git2::Error) -> bool {
    matches!(error.code(), git2::ErrorCode::Modified | git2::ErrorCode::NotFound)
}

fn file_mode(entry: &git2::TreeEntry<'_>) -> git2::FileMode {
    const EXECUTABLE: i32 = 0o100_755;
    debug_assert!(tree_paths::not_a_file(entry).is_none(), "links and directories are refused");
    if entry.filemode() == EXECUTABLE {
        git2::FileMode::BlobExecutable
    } else {
        git2::FileMode::Blob
    }
}
