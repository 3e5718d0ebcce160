//! What a path meets in a commit's tree and in the worktree: links, files where a directory must
//! be, and the same name spelt otherwise. The text of the path is `paths`' to judge.

use super::{Error, PathError, Repo, paths::fold};
use std::{fs, path::PathBuf};

const MODE_LINK: i32 = 0o120_000;
const MODE_SUBMODULE: i32 = 0o160_000;
const MODE_TREE: i32 = 0o040_000;

/// What an entry is if not a regular file.
pub(super) fn not_a_file(entry: &git2::TreeEntry<'_>) -> Option<&'static str> {
    match entry.filemode_raw() {
        MODE_LINK => Some("a symbolic link"),
        MODE_SUBMODULE => Some("a submodule"),
        MODE_TREE => Some("a directory"),
        _ => None,
    }
}

impl Repo {
    /// Whether `path` can be written as a file on top of `commit` and in the worktree, without
    /// going through a link (wherever it leads: a link can be turned later), a submodule or a
    /// file, and without meeting a tracked name that differs only in case.
    ///
    /// # Errors
    /// [`Error::Path`], [`Error::NoSuchCommit`].
    pub fn check_no_symlink_out(&self, commit: &str, path: &str) -> Result<(), Error> {
        super::paths::check_form(path)?;
        self.check_in_tree(self.find_commit(commit)?.tree()?, path)?;
        self.check_in_worktree(path)?;
        Ok(())
    }

    fn check_in_tree(&self, top: git2::Tree<'_>, path: &str) -> Result<(), Error> {
        let mut tree = top;
        for (prefix, component, is_last) in steps(path) {
            let Some(entry) = tree.get_name(component) else {
                return Ok(other_spelling(&tree, path, prefix, component)?);
            };
            let mode = entry.filemode_raw();
            if mode == MODE_LINK {
                let to = self.inner.find_blob(entry.id())?;
                let to = String::from_utf8_lossy(to.content()).into_owned();
                return Err(PathError::Link { path: path.into(), component: prefix.into(), to })?;
            }
            match (is_last, not_a_file(&entry)) {
                (true, Some(what)) => return Err(PathError::NotAFile { path: path.into(), what })?,
                (true, None) => return Ok(()),
                (false, _) if mode == MODE_TREE => {}
                (false, what) => {
                    let (path, component) = (path.to_owned(), prefix.to_owned());
                    let what = what.unwrap_or("a file");
                    return Err(PathError::NotADirectory { path, component, what })?;
                }
            }
            let next = self.inner.find_tree(entry.id())?;
            drop(entry);
            tree = next;
        }
        Ok(())
    }

    /// The same for the worktree, whose untracked links and files no tree knows of.
    pub(super) fn check_in_worktree(&self, path: &str) -> Result<(), PathError> {
        for (prefix, _, is_last) in steps(path) {
            let here: PathBuf = self.root.join(prefix);
            let Ok(meta) = fs::symlink_metadata(&here) else { return Ok(()) };
            let (path, component) = (path.to_owned(), prefix.to_owned());
            if meta.is_symlink() {
                let to = fs::read_link(&here).unwrap_or_default().display().to_string();
                return Err(PathError::Link { path, component, to });
            }
            if is_last && meta.is_dir() {
                return Err(PathError::NotAFile { path, what: "a directory" });
            }
            if !is_last && !meta.is_dir() {
                return Err(PathError::NotADirectory { path, component, what: "a file" });
            }
        }
        Ok(())
    }
}

/// Each component of a path with the path up to it, and whether it is the last.
fn steps(path: &str) -> impl Iterator<Item = (&str, &str, bool)> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    ends.scan(0, move |start, end| {
        let component = &path[*start..end];
        *start = end + 1;
        Some((&path[..end], component, end == path.len()))
    })
}

fn other_spelling(
    tree: &git2::Tree<'_>,
    path: &str,
    prefix: &str,
    component: &str,
) -> Result<(), PathError> {
    let folded = fold(component);
    let twin = tree
        .iter()
        .find_map(|entry| entry.name().ok().filter(|name| fold(name) == folded).map(str::to_owned));
    match twin {
        None => Ok(()),
        Some(name) => {
            let dir = &prefix[..prefix.len() - component.len()];
            Err(PathError::OtherSpelling {
                path: path.to_owned(),
                existing: format!("{dir}{name}"),
            })
        }
    }
}
