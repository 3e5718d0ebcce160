//! What can go wrong with a repository, each with the names a person needs. The next command to
//! type is the CLI's to add.

use super::{checks::Blocker, paths::PathError};
use crate::adapters::process;
use kaizen_engine::error::{Class, Classified};
use std::{io, path::PathBuf};

/// Why a git operation was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} is not in a git repository", dir.display())]
    NotARepository { dir: PathBuf },
    #[error("{} is a bare repository: there is no worktree to change", dir.display())]
    Bare { dir: PathBuf },
    #[error("HEAD of {} is detached at {commit}, on no branch that could move", root.display())]
    DetachedHead { root: PathBuf, commit: String },
    #[error("there is no local branch {branch:?}")]
    MissingBranch { branch: String },
    #[error("the branch {branch:?} has no commit yet, so there is nothing to base a change on")]
    UnbornBranch { branch: String },
    #[error("the branch {branch:?} is checked out in another worktree, {}", worktree.display())]
    CheckedOutElsewhere { branch: String, worktree: PathBuf },
    #[error("this repository needs what kaizen's commits would bypass: {}", list(.0))]
    Blocked(Vec<Blocker>),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("{path:?} is {what} in {commit}, not a file")]
    NotAFile { path: String, commit: String, what: &'static str },
    #[error("{path:?} cannot be deleted: {commit} does not have it")]
    NothingToDelete { path: String, commit: String },
    #[error("nothing would change: the files are already so in {commit}")]
    NothingToCommit { commit: String },
    #[error("the branch {branch:?} has moved: it was to be at {expected} and is at {found}")]
    BranchMoved { branch: String, expected: String, found: String },
    #[error("the worktree has changes of its own in the way: {}", paths.join(", "))]
    WorktreeConflict { paths: Vec<String> },
    #[error("{commit} cannot be reverted, later changes touch the same lines: {}", paths.join(", "))]
    RevertConflict { commit: String, paths: Vec<String> },
    #[error("{commit} is a merge: which side to go back to is not kaizen's to choose")]
    RevertOfMerge { commit: String },
    #[error("there is no commit {commit:?} in {}", root.display())]
    NoSuchCommit { commit: String, root: PathBuf },
    #[error("there is no remote {remote:?} in {}", root.display())]
    NoSuchRemote { remote: String, root: PathBuf },
    #[error("{remote} refused the push of {branch:?}: {reason}")]
    PushRejected { remote: String, branch: String, reason: String },
    #[error("the remote {remote} cannot be reached: {stderr}")]
    RemoteUnreachable { remote: String, stderr: String },
    #[error("another process holds a lock of this repository: {0}")]
    Locked(String),
    #[error("{} is not an empty directory", dir.display())]
    NotEmpty { dir: PathBuf },
    #[error("{}: {source}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error("git: {}", .0.message())]
    Git(#[source] git2::Error),
}

impl Error {
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { path, source }
    }
}

impl From<git2::Error> for Error {
    fn from(error: git2::Error) -> Error {
        match error.code() {
            git2::ErrorCode::Locked => Error::Locked(error.message().to_owned()),
            _ => Error::Git(error),
        }
    }
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::RemoteUnreachable { .. } | Error::Locked(_) => Class::Retry,
            Error::Process(error) => error.class(),
            _ => Class::Operator,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::NotARepository { .. } => "git_not_a_repository",
            Error::Bare { .. } => "git_bare",
            Error::DetachedHead { .. } => "git_detached_head",
            Error::MissingBranch { .. } => "git_missing_branch",
            Error::UnbornBranch { .. } => "git_unborn_branch",
            Error::CheckedOutElsewhere { .. } => "git_checked_out_elsewhere",
            Error::Blocked(_) => "git_blocked",
            Error::Path(error) => error.code(),
            Error::NotAFile { .. } => "git_not_a_file",
            Error::NothingToDelete { .. } => "git_nothing_to_delete",
            Error::NothingToCommit { .. } => "git_nothing_to_commit",
            Error::BranchMoved { .. } => "git_branch_moved",
            Error::WorktreeConflict { .. } => "git_worktree_conflict",
            Error::RevertConflict { .. } => "git_revert_conflict",
            Error::RevertOfMerge { .. } => "git_revert_of_merge",
            Error::NoSuchCommit { .. } => "git_no_such_commit",
            Error::NoSuchRemote { .. } => "git_no_such_remote",
            Error::PushRejected { .. } => "git_push_rejected",
            Error::RemoteUnreachable { .. } => "git_remote_unreachable",
            Error::Locked(_) => "git_locked",
            Error::NotEmpty { .. } => "git_not_empty",
            Error::Io { .. } => "git_io",
            Error::Process(error) => error.code(),
            Error::Git(_) => "git_error",
        }
    }
}

fn list(blockers: &[Blocker]) -> String {
    blockers.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
