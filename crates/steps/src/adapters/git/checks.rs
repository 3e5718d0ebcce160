//! What must hold before Kaizen commits here. git2 runs no hooks, signs nothing and applies no
//! filters: a repository that relies on any of these is refused, not quietly bypassed.

use super::{Error, Repo, optional};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fmt, fs,
    path::{Path, PathBuf},
};

/// Hooks that a commit by git would run. `pre-push` is missing: `git push` runs it for us.
const COMMIT_HOOKS: &[&str] =
    &["pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "reference-transaction"];

/// One reason why Kaizen does not commit to a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "blocker")]
pub enum Blocker {
    /// An active hook.
    Hook { name: String, path: PathBuf },
    /// A hook defined in the configuration (`hook.<name>.event`).
    ConfiguredHook { event: String, key: String },
    /// `commit.gpgSign`.
    Signing,
    /// A clean/smudge filter: `lfs`, `git-crypt`.
    Filter { name: String, file: String },
    /// A merge, rebase or the like that has not been finished.
    InProgress { what: String },
    /// Not all commits are here.
    Shallow,
    /// Not all files are in the worktree.
    Sparse,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Blocker::Hook { name, path } => write!(f, "the hook {name} ({})", path.display()),
            Blocker::ConfiguredHook { event, key } => {
                write!(f, "the hook {event} (configured by {key})")
            }
            Blocker::Signing => f.write_str("signed commits (commit.gpgSign is true)"),
            Blocker::Filter { name, file } if name == "lfs" => write!(f, "Git LFS ({file})"),
            Blocker::Filter { name, file } => write!(f, "the filter {name} ({file})"),
            Blocker::InProgress { what } => write!(f, "{what} in progress, to be finished first"),
            Blocker::Shallow => f.write_str("the history that this shallow clone lacks"),
            Blocker::Sparse => f.write_str("a sparse checkout (core.sparseCheckout is true)"),
        }
    }
}

impl Repo {
    /// Whether Kaizen may commit here at all.
    ///
    /// # Errors
    /// [`Error::Blocked`], naming everything that is in the way.
    pub fn preconditions(&self) -> Result<(), Error> {
        let config = self.inner.config()?.snapshot()?;
        let mut blockers = self.hooks(&config)?;
        if config.get_bool("commit.gpgsign").unwrap_or(false) {
            blockers.push(Blocker::Signing);
        }
        blockers.extend(self.filters()?);
        blockers.extend(in_progress(self.inner.state()));
        if self.inner.is_shallow() {
            blockers.push(Blocker::Shallow);
        }
        if config.get_bool("core.sparsecheckout").unwrap_or(false) {
            blockers.push(Blocker::Sparse);
        }
        if blockers.is_empty() { Ok(()) } else { Err(Error::Blocked(blockers)) }
    }

    /// Tracked files with changes that are not committed, sorted. Untracked and ignored files do
    /// not count, nor what happens inside submodules.
    ///
    /// # Errors
    /// Where index or worktree cannot be read.
    pub fn tracked_changes(&self) -> Result<Vec<String>, Error> {
        let mut options = git2::StatusOptions::new();
        options.include_untracked(false).include_ignored(false).exclude_submodules(true);
        let statuses = self.inner.statuses(Some(&mut options))?;
        let paths: BTreeSet<String> = statuses
            .iter()
            .filter(|entry| !entry.status().is_empty())
            .map(|entry| String::from_utf8_lossy(entry.path_bytes()).into_owned())
            .collect();
        Ok(paths.into_iter().collect())
    }

    fn hooks(&self, config: &git2::Config) -> Result<Vec<Blocker>, Error> {
        let dir = match config.get_path("core.hookspath") {
            // git resolves a relative path where hooks run: at the worktree's top.
            Ok(path) => self.root.join(path),
            Err(_) => self.inner.commondir().join("hooks"),
        };
        let mut blockers: Vec<Blocker> = COMMIT_HOOKS
            .iter()
            .map(|name| (name, dir.join(name)))
            .filter(|(_, path)| is_active(path))
            .map(|(name, path)| Blocker::Hook { name: (*name).to_owned(), path })
            .collect();
        let mut entries = config.entries(Some(r"^hook\..*\.event$"))?;
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let (Ok(key), Ok(event)) = (entry.name(), entry.value()) else { continue };
            if COMMIT_HOOKS.contains(&event) {
                let (event, key) = (event.to_owned(), key.to_owned());
                blockers.push(Blocker::ConfiguredHook { event, key });
            }
        }
        Ok(blockers)
    }

    /// Filters that attributes name: at HEAD, in the worktree, and in the repository's own file.
    fn filters(&self) -> Result<Vec<Blocker>, Error> {
        let mut files: BTreeSet<String> = BTreeSet::from([".gitattributes".to_owned()]);
        let mut found: BTreeSet<(String, String)> = BTreeSet::new();
        let mut note = |file: &str, bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            found.extend(filter_names(&text).map(|name| (name.to_owned(), file.to_owned())));
        };
        if let Some(head) = optional(self.inner.revparse_single("HEAD^{commit}"))? {
            let commit = head.id().to_string();
            for path in self.list(&commit, "")?.into_iter().filter(|path| is_attributes(path)) {
                // A link is not followed by git either.
                if let Ok(Some(bytes)) = self.read(&commit, &path) {
                    note(&path, &bytes);
                }
                files.insert(path);
            }
        }
        let mut index = self.inner.index()?;
        index.read(false)?;
        for entry in index.iter() {
            files.extend(String::from_utf8(entry.path).ok().filter(|path| is_attributes(path)));
        }
        for path in files {
            note(&path, &fs::read(self.root.join(&path)).unwrap_or_default());
        }
        let own = self.inner.commondir().join("info/attributes");
        note(".git/info/attributes", &fs::read(own).unwrap_or_default());
        if let Ok(users) = self.inner.config()?.get_path("core.attributesfile") {
            note("core.attributesFile", &fs::read(users).unwrap_or_default());
        }
        Ok(found.into_iter().map(|(name, file)| Blocker::Filter { name, file }).collect())
    }
}

fn is_attributes(path: &str) -> bool {
    path.rsplit('/').next() == Some(".gitattributes")
}

fn filter_names(attributes: &str) -> impl Iterator<Item = &str> {
    attributes
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with('#'))
        .flat_map(|line| line.split_whitespace().skip(1))
        .filter_map(|attribute| attribute.strip_prefix("filter="))
}

#[cfg(unix)]
fn is_active(hook: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(hook).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_active(hook: &Path) -> bool {
    hook.is_file()
}

fn in_progress(state: git2::RepositoryState) -> Option<Blocker> {
    use git2::RepositoryState as State;
    let what = match state {
        State::Clean => return None,
        State::Merge => "a merge",
        State::Revert | State::RevertSequence => "a revert",
        State::CherryPick | State::CherryPickSequence => "a cherry-pick",
        State::Bisect => "a bisect",
        State::Rebase | State::RebaseInteractive | State::RebaseMerge => "a rebase",
        State::ApplyMailbox | State::ApplyMailboxOrRebase => "applying patches (git am)",
    };
    Some(Blocker::InProgress { what: what.to_owned() })
}
