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
            // As git counts lines, and not as `from_lines` does, to which a lone CR ends one too:
            // such a diff says what nothing can apply.
            let old: Vec<&str> = old.split_inclusive('\n').collect();
            let new: Vec<&str> = new.split_inclusive('\n').collect();
            let diff =
                similar::TextDiff::configure().newline_terminated(true).diff_slices(&old, &new);
            text.push_str(&diff.unified_diff().header(&before, &after).to_string());
        }
        _ => text.push_str(&format!("Binary files {before} and {after} differ\n")),
    }
    text
}

/// A file's text, `None` where it is binary by git's measure or ours.
fn text_of(content: Option<&[u8]>) -> Option<&str> {
    let bytes = content.unwrap_or_default();
    if bytes.contains(&0) { None } else { std::str::from_utf8(bytes).ok() }
}

#[cfg(test)]
mod tests {
    use super::unified_diff;

    #[test]
    fn only_a_line_feed_ends_a_line() {
        let (old, new) = (&b"one\r\ntwo\rthree\r\n"[..], &b"one\r\ntwo\rfour\r\n"[..]);
        let diff = unified_diff("a.txt", 0o100_644, Some(old), Some(new));
        let body = diff.split_once("@@ ").map_or("", |(_, body)| body);
        assert_eq!(body, "-1,2 +1,2 @@\n one\r\n-two\rthree\r\n+two\rfour\r\n");
    }

    #[test]
    fn an_end_without_a_line_feed_is_said() {
        let diff = unified_diff("a", 0o100_644, Some(b"one\n"), Some(b"one\ntwo"));
        assert!(diff.ends_with("+two\n\\ No newline at end of file\n"), "{diff:?}");
    }
}
