//! The unified diff of a change against its base commit, as people are shown it and as
//! `git apply` reads it. The same input gives the same text.

use super::{Error, Files, Repo, optional};
use std::path::Path;

impl Repo {
    /// What `files` change on top of `base`, file by file in the order of their paths. Files that
    /// stay as they are do not appear; what is not UTF-8 is named, not shown.
    ///
    /// # Errors
    /// [`Error::NoSuchCommit`], [`Error::NotAFile`].
    pub fn diff(&self, base: &str, files: &Files) -> Result<String, Error> {
        let mut text = String::new();
        for (path, new) in files {
            let old = self.read(base, path)?;
            if old != *new {
                let mode = self.mode(base, path)?;
                text.push_str(&unified_diff(path, mode, old.as_deref(), new.as_deref()));
            }
        }
        Ok(text)
    }

    /// A file's mode, of a new one what it will get.
    fn mode(&self, commit: &str, path: &str) -> Result<i32, Error> {
        let tree = self.find_commit(commit)?.tree()?;
        Ok(optional(tree.get_path(Path::new(path)))?.map_or(0o100_644, |entry| entry.filemode()))
    }
}

/// One file's part of the diff: from `old` to `new`, `None` where there is none. `mode` is git's.
#[must_use]
pub fn unified_diff(path: &str, mode: i32, old: Option<&[u8]>, new: Option<&[u8]>) -> String {
    let mut text = format!("diff --git a/{path} b/{path}\n");
    text.push_str(&match (old, new) {
        (None, Some(_)) => format!("new file mode {mode:o}\n"),
        (Some(_), None) => format!("deleted file mode {mode:o}\n"),
        _ => String::new(),
    });
    // A tab ends a name with a space in it, where it would otherwise be cut.
    let end = if path.contains(' ') { "\t" } else { "" };
    let before = old.map_or("/dev/null".to_owned(), |_| format!("a/{path}{end}"));
    let after = new.map_or("/dev/null".to_owned(), |_| format!("b/{path}{end}"));
    match (text_of(old), text_of(new)) {
        (Some(old), Some(new)) => {
            text.push_str(&hunks(&before, &after, old, new));
        }
        _ => text.push_str(&format!("Binary files {before} and {after} differ\n")),
    }
    text
}

/// The changed lines with three around them. A line ends in a newline, as it does for git: `similar`
/// would also end one at a bare carriage return, and git would then count other lines than it.
fn hunks(before: &str, after: &str, old: &str, new: &str) -> String {
    let lines = |text| str::split_inclusive(text, '\n').collect::<Vec<_>>();
    let diff = similar::TextDiff::from_slices(&lines(old), &lines(new));
    let mut text = String::new();
    for (nth, hunk) in diff.unified_diff().iter_hunks().enumerate() {
        if nth == 0 {
            text.push_str(&format!("--- {before}\n+++ {after}\n"));
        }
        text.push_str(&format!("{}\n", hunk.header()));
        for change in hunk.iter_changes() {
            text.push_str(&format!("{}{}", change.tag(), change.value()));
            if !change.value().ends_with('\n') {
                text.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    text
}

/// A file's text, `None` where it is binary by git's measure or ours.
fn text_of(content: Option<&[u8]>) -> Option<&str> {
    let bytes = content.unwrap_or_default();
    if bytes.contains(&0) { None } else { std::str::from_utf8(bytes).ok() }
}
