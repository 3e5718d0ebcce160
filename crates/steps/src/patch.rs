//! The files that a change makes: from whole contents, from edits, from a unified diff. All of it
//! applies to the commit that it is based on, or nothing does.
//!
//! A library reads the diff; where a hunk belongs is decided here, strictly: at the line that it
//! names, else at the only place that it fits. Deliberately not here: which paths a workflow allows
//! (`adapters::git::paths`) and what a secret looks like (`sql::secrets`).

#[cfg(test)]
mod tests;

use crate::payload::{ChangeFile, Edit};
use diffy::{
    Hunk, Line,
    patch_set::{FileMode, FileOperation, FilePatch, ParseOptions, PatchKind, PatchSet},
};
use kaizen_engine::error::{Class, Classified};
use std::collections::{BTreeMap, BTreeSet};

/// Whole new contents, and what goes. What is as it was before is in neither.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Patched {
    pub files: BTreeMap<String, String>,
    pub deleted: Vec<String>,
}

/// Why the change cannot be made of what is there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the diff cannot be read: {reason}")]
    NotADiff { reason: String },
    #[error("the diff holds no file: it begins with \"--- a/PATH\" and \"+++ b/PATH\"")]
    NoFile,
    #[error("{path} is not there, so there is nothing to {what}")]
    Missing { path: String, what: &'static str },
    #[error("{path} is there already, and the diff says that it is new")]
    Exists { path: String },
    #[error(
        "hunk {hunk} of {path} does not apply: the lines it takes out or leaves stand nowhere in \
         the file"
    )]
    DoesNotApply { path: String, hunk: usize },
    #[error(
        "hunk {hunk} of {path} fits at the lines {}, and at none of them says that it belongs \
         there: give it more context",
        list(lines)
    )]
    Ambiguous { path: String, hunk: usize, lines: Vec<usize> },
    #[error(
        "hunk {hunk} of {path} has no line of context, so that nobody can tell where it belongs"
    )]
    NoContext { path: String, hunk: usize },
    #[error("what edit {edit} searches for in {path} is not there")]
    NotFound { path: String, edit: usize },
    #[error(
        "what edit {edit} searches for in {path} is there {times} times: take more of what stands \
         around it"
    )]
    FoundOften { path: String, edit: usize, times: usize },
    #[error("edit {edit} of {path} searches for nothing")]
    EmptySearch { path: String, edit: usize },
    #[error("{path} is changed in two ways at once, as {first} and as {second}")]
    Twice { path: String, first: &'static str, second: &'static str },
    #[error("{path} is not text, which a change set cannot hold")]
    Binary { path: String },
    #[error(
        "the diff changes the mode of {path} or makes it executable: a change set leaves modes"
    )]
    Mode { path: String },
    #[error("{path} is {what}, which a change set cannot hold")]
    Special { path: String, what: &'static str },
    #[error("the diff moves {from} to {to}: write it as a file that goes and one that is new")]
    Moved { from: String, to: String },
    #[error("only comments and blank lines change in {}", .paths.join(", "))]
    CommentsOnly { paths: Vec<String> },
}

impl Classified for Refusal {
    fn class(&self) -> Class {
        Class::Operator
    }

    fn code(&self) -> &'static str {
        match self {
            Refusal::NotADiff { .. } | Refusal::NoFile => "patch_unreadable",
            Refusal::Missing { .. } => "patch_missing_file",
            Refusal::Exists { .. } => "patch_existing_file",
            Refusal::DoesNotApply { .. }
            | Refusal::NotFound { .. }
            | Refusal::EmptySearch { .. } => "patch_does_not_apply",
            Refusal::Ambiguous { .. } | Refusal::NoContext { .. } | Refusal::FoundOften { .. } => {
                "patch_ambiguous"
            }
            Refusal::Twice { .. } => "patch_twice",
            Refusal::Binary { .. } => "binary_file",
            Refusal::Mode { .. } => "mode_change",
            Refusal::Special { .. } => "special_file",
            Refusal::Moved { .. } => "patch_moves",
            Refusal::CommentsOnly { .. } => "comments_only",
        }
    }
}

/// What a file holds at the commit that the change is based on; `None`: it is not there.
pub type Read<'a, E> = &'a dyn Fn(&str) -> Result<Option<Vec<u8>>, E>;

/// The files that the change makes.
///
/// # Errors
/// A [`Refusal`], or what `read` says.
pub fn apply<E: From<Refusal>>(change: &ChangeFile, read: Read<'_, E>) -> Result<Patched, E> {
    let mut work = Work { read, before: BTreeMap::new(), after: BTreeMap::new() };
    for (path, text) in &change.files {
        work.set(path, "a whole file", Some(text.clone()))?;
    }
    for path in &change.delete {
        work.existing(path, "delete")?;
        work.set(path, "a file that goes", None)?;
    }
    for (at, edit) in change.edits.iter().enumerate() {
        work.edit(at + 1, edit)?;
    }
    if let Some(diff) = change.diff.as_deref().filter(|diff| !diff.trim().is_empty()) {
        work.diff(diff)?;
    }
    work.finish()
}

/// How a path is changed, and what it becomes; `None`: it goes.
type Change = (&'static str, Option<String>);

struct Work<'a, E> {
    read: Read<'a, E>,
    /// What was read.
    before: BTreeMap<String, Option<String>>,
    after: BTreeMap<String, Change>,
}

impl<E: From<Refusal>> Work<'_, E> {
    /// The text at the base; `None` where there is no such file.
    fn base(&mut self, path: &str) -> Result<Option<String>, E> {
        if let Some(known) = self.before.get(path) {
            return Ok(known.clone());
        }
        let text = match (self.read)(path)? {
            None => None,
            Some(bytes) => Some(text(path, bytes)?),
        };
        self.before.insert(path.to_owned(), text.clone());
        Ok(text)
    }

    fn existing(&mut self, path: &str, what: &'static str) -> Result<String, E> {
        self.base(path)?.ok_or_else(|| Refusal::Missing { path: path.to_owned(), what }.into())
    }

    fn set(&mut self, path: &str, how: &'static str, text: Option<String>) -> Result<(), E> {
        if text.as_ref().is_some_and(|text| text.contains('\0')) {
            return Err(Refusal::Binary { path: path.to_owned() }.into());
        }
        self.base(path)?;
        if let Some((first, _)) = self.after.insert(path.to_owned(), (how, text)) {
            let path = path.to_owned();
            return Err(Refusal::Twice { path, first, second: how }.into());
        }
        Ok(())
    }

    fn edit(&mut self, number: usize, edit: &Edit) -> Result<(), E> {
        const HOW: &str = "an edit";
        let Edit { path, search, replace } = edit;
        let text = match self.after.remove(path) {
            Some((HOW, Some(edited))) => edited,
            Some((first, _)) => {
                let path = path.clone();
                return Err(Refusal::Twice { path, first, second: HOW }.into());
            }
            None => self.existing(path, "edit")?,
        };
        let (path, edit) = (path.clone(), number);
        if search.is_empty() {
            return Err(Refusal::EmptySearch { path, edit }.into());
        }
        match occurrences(&text, search) {
            0 => Err(Refusal::NotFound { path, edit }.into()),
            1 => self.set(&path, HOW, Some(text.replacen(search.as_str(), replace, 1))),
            times => Err(Refusal::FoundOften { path, edit, times }.into()),
        }
    }

    fn diff(&mut self, diff: &str) -> Result<(), E> {
        let of_git = diff.lines().any(|line| line.starts_with("diff --git "));
        let options = if of_git { ParseOptions::gitdiff() } else { ParseOptions::unidiff() };
        let (mut files, mut hunks) = (0, 0);
        for patch in PatchSet::parse(diff, options) {
            let patch = patch.map_err(|e| Refusal::NotADiff { reason: e.to_string() })?;
            self.patch(&patch)?;
            files += 1;
            hunks += patch.patch().as_text().map_or(0, |text| text.hunks().len());
        }
        if files == 0 {
            return Err(Refusal::NoFile.into());
        }
        // A line of a hunk begins with a sign: what begins so is a header, and none may be passed over.
        let headers = diff.lines().filter(|line| line.starts_with("@@ ")).count();
        if headers == hunks {
            return Ok(());
        }
        let reason =
            format!("{hunks} of its {headers} hunks belong to a file, and all or none apply");
        Err(Refusal::NotADiff { reason }.into())
    }

    fn patch(&mut self, patch: &FilePatch<'_, str>) -> Result<(), E> {
        const HOW: &str = "a diff";
        let operation = patch.operation().strip_prefix(prefix(patch.operation()));
        let path = match &operation {
            FileOperation::Create(path) | FileOperation::Delete(path) => path.to_string(),
            FileOperation::Modify { original, modified } if original == modified => {
                original.to_string()
            }
            FileOperation::Modify { original: from, modified: to }
            | FileOperation::Rename { from, to }
            | FileOperation::Copy { from, to } => {
                return Err(Refusal::Moved { from: from.to_string(), to: to.to_string() }.into());
            }
        };
        mode(&path, patch)?;
        let PatchKind::Text(text) = patch.patch() else {
            return Err(Refusal::Binary { path }.into());
        };
        let creates = operation.is_create();
        let base = match self.base(&path)? {
            Some(_) if creates => return Err(Refusal::Exists { path }.into()),
            None if !creates => {
                let what = if operation.is_delete() { "delete" } else { "change" };
                return Err(Refusal::Missing { path, what }.into());
            }
            found => found.unwrap_or_default(),
        };
        let patched = hunks(&path, &base, text.hunks())?;
        if operation.is_delete() {
            // A diff that deletes a file names all of its lines.
            if !patched.is_empty() {
                return Err(Refusal::DoesNotApply { path, hunk: 1 }.into());
            }
            return self.set(&path, HOW, None);
        }
        self.set(&path, HOW, Some(patched))
    }

    fn finish(self) -> Result<Patched, E> {
        let mut patched = Patched::default();
        let mut comments = BTreeSet::new();
        for (path, (_, after)) in self.after {
            let before = self.before.get(&path).cloned().flatten();
            match (before, after) {
                (None, None) => {}
                (Some(_), None) => patched.deleted.push(path),
                (Some(before), Some(after)) if before == after => {}
                (before, Some(after)) => {
                    if before.is_some_and(|before| code(&path, &before) == code(&path, &after)) {
                        comments.insert(path.clone());
                    }
                    patched.files.insert(path, after);
                }
            }
        }
        let all = patched.files.len() + patched.deleted.len();
        if !comments.is_empty() && comments.len() == all {
            return Err(Refusal::CommentsOnly { paths: comments.into_iter().collect() }.into());
        }
        Ok(patched)
    }
}

fn text(path: &str, bytes: Vec<u8>) -> Result<String, Refusal> {
    let binary = || Refusal::Binary { path: path.to_owned() };
    let text = String::from_utf8(bytes).map_err(|_| binary())?;
    if text.contains('\0') { Err(binary()) } else { Ok(text) }
}

/// How often it stands there, overlapping ones counted too: `aa` stands twice in `aaa`.
fn occurrences(text: &str, search: &str) -> usize {
    let starts = text.char_indices().map(|(at, _)| &text[at..]);
    starts.filter(|rest| rest.starts_with(search)).count()
}

/// One where paths are written as git does, `a/PATH` and `b/PATH`.
fn prefix(operation: &FileOperation<'_, str>) -> usize {
    let marked = match operation {
        FileOperation::Create(path) => path.starts_with("b/"),
        FileOperation::Delete(path) => path.starts_with("a/"),
        FileOperation::Modify { original, modified } => {
            original.starts_with("a/") && modified.starts_with("b/")
        }
        // Their headers have no prefix.
        FileOperation::Rename { .. } | FileOperation::Copy { .. } => false,
    };
    usize::from(marked)
}

fn mode(path: &str, patch: &FilePatch<'_, str>) -> Result<(), Refusal> {
    let path = path.to_owned();
    let (old, new) = (patch.old_mode(), patch.new_mode());
    for mode in [old, new].into_iter().flatten() {
        match mode {
            FileMode::Symlink => return Err(Refusal::Special { path, what: "a symbolic link" }),
            FileMode::Gitlink => return Err(Refusal::Special { path, what: "a submodule" }),
            FileMode::Regular | FileMode::Executable => {}
        }
    }
    match (old, new) {
        (Some(old), Some(new)) if old != new => Err(Refusal::Mode { path }),
        (None, Some(FileMode::Executable)) => Err(Refusal::Mode { path }),
        _ => Ok(()),
    }
}

/// The text with all hunks applied, in order.
fn hunks(path: &str, base: &str, hunks: &[Hunk<'_, str>]) -> Result<String, Refusal> {
    let lines: Vec<&str> = base.split_inclusive('\n').collect();
    let mut patched = String::with_capacity(base.len());
    let mut done = 0;
    for (at, hunk) in hunks.iter().enumerate() {
        let old: Vec<&str> = hunk.lines().iter().filter_map(old_line).collect();
        let begin = place(path, at + 1, hunk, &old, &lines, done)?;
        patched.extend(lines[done..begin].iter().copied());
        patched.extend(hunk.lines().iter().filter_map(new_line));
        done = begin + old.len();
    }
    patched.extend(lines[done..].iter().copied());
    Ok(patched)
}

fn old_line<'a>(line: &Line<'a, str>) -> Option<&'a str> {
    match line {
        Line::Context(text) | Line::Delete(text) => Some(text),
        Line::Insert(_) => None,
    }
}

fn new_line<'a>(line: &Line<'a, str>) -> Option<&'a str> {
    match line {
        Line::Context(text) | Line::Insert(text) => Some(text),
        Line::Delete(_) => None,
    }
}

/// The line, counted from 0, at which a hunk belongs; not before `from`, where the last one ended.
fn place(
    path: &str,
    number: usize,
    hunk: &Hunk<'_, str>,
    old: &[&str],
    lines: &[&str],
    from: usize,
) -> Result<usize, Refusal> {
    let (path, hunk_number) = (path.to_owned(), number);
    if old.is_empty() {
        return match lines.len() {
            0 => Ok(0),
            _ => Err(Refusal::NoContext { path, hunk: hunk_number }),
        };
    }
    let last = lines.len().checked_sub(old.len());
    let fits = |at: &usize| lines[*at..*at + old.len()] == *old;
    let places: Vec<usize> = last.map_or(Vec::new(), |last| (from..=last).filter(fits).collect());
    let named = hunk.old_range().start().saturating_sub(1);
    match places.as_slice() {
        [] => Err(Refusal::DoesNotApply { path, hunk: hunk_number }),
        [only] => Ok(*only),
        several if several.contains(&named) => Ok(named),
        several => {
            let lines = several.iter().map(|at| at + 1).collect();
            Err(Refusal::Ambiguous { path, hunk: hunk_number, lines })
        }
    }
}

/// A file without its blank lines and the lines that are nothing but a comment, where its kind is
/// known by its name; else the whole of it. What tools read from a comment counts as code.
fn code<'a>(path: &str, text: &'a str) -> Vec<&'a str> {
    const READ_BY_TOOLS: [&str; 4] = ["#!", "//go:", "// +build", "# cython:"];
    let mark = match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some(
            "rs" | "c" | "h" | "cc" | "cpp" | "hpp" | "cs" | "go" | "java" | "js" | "ts" | "kt"
            | "swift" | "scala",
        ) => "//",
        Some("py" | "rb" | "sh" | "pl" | "toml" | "yml" | "yaml") => "#",
        Some("sql" | "lua" | "hs") => "--",
        _ => return text.split_inclusive('\n').collect(),
    };
    let kept = text.lines().filter(|line| {
        let line = line.trim();
        let comment = line.starts_with(mark) && !READ_BY_TOOLS.iter().any(|t| line.starts_with(t));
        !line.is_empty() && !comment
    });
    kept.collect()
}

fn list(lines: &[usize]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = lines.iter().take(SHOWN).map(usize::to_string).collect();
    let more = lines.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    shown.join(", ") + &more
}
