//! Which paths a change may name, judged by the text alone: normal form, git's own directory
//! under all its aliases, protected paths, the workflow's allow-list. What the path meets in a
//! tree (links, directories, other spellings) is `tree_paths`.

use glob::{MatchOptions, Pattern};
use kaizen_engine::error::{Class, Classified};
use unicode_normalization::UnicodeNormalization as _;

/// Paths that no change may touch, because they decide what changes are allowed. A trailing slash
/// means the directory and all in it; a leading `**/` means at any depth.
pub const PROTECTED: &[&str] = &[
    "kaizen.toml",
    "workflows/",
    ".kaizen/",
    ".github/",
    ".gitlab-ci.yml",
    ".gitlab/",
    ".gitea/",
    ".forgejo/",
    ".ci/",
    ".circleci/",
    ".buildkite/",
    ".woodpecker/",
    ".woodpecker.yml",
    ".drone.yml",
    ".travis.yml",
    "Jenkinsfile",
    "azure-pipelines.yml",
    ".azure-pipelines/",
    "bitbucket-pipelines.yml",
    "**/.gitattributes",
    ".gitmodules",
];

/// Why a path is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("the path is empty")]
    Empty,
    #[error("the path {path:?} is not relative to the repository's top directory")]
    Absolute { path: String },
    #[error("the path {path:?} has a component {component:?}, which is not in normal form")]
    NotNormal { path: String, component: String },
    #[error("the path {path:?} contains {character:?}, which means different things elsewhere")]
    Character { path: String, character: char },
    #[error(
        "the path {path:?} has a component {component:?} that some file systems read as another name"
    )]
    Alias { path: String, component: String },
    #[error("the path {path:?} leads into git's own directory ({component:?})")]
    GitDirectory { path: String, component: String },
    #[error("the path {path:?} is protected ({rule}): the loop cannot change its own gate")]
    Protected { path: String, rule: String },
    #[error("the path {path:?} is outside what the workflow allows ({})", allowed(allow))]
    NotAllowed { path: String, allow: Vec<String> },
    #[error("the allow-list entry {pattern:?} is not a pattern: {reason}")]
    BadPattern { pattern: String, reason: String },
    #[error("the path {path:?} goes through {component:?}, a symbolic link to {to:?}")]
    Link { path: String, component: String, to: String },
    #[error("the path {path:?} goes through {component:?}, which is {what}")]
    NotADirectory { path: String, component: String, what: &'static str },
    #[error("the path {path:?} is {what} already")]
    NotAFile { path: String, what: &'static str },
    #[error(
        "the path {path:?} differs only in case or Unicode form from {existing:?}, which is tracked"
    )]
    OtherSpelling { path: String, existing: String },
}

impl Classified for PathError {
    fn class(&self) -> Class {
        Class::Operator
    }

    fn code(&self) -> &'static str {
        match self {
            PathError::Empty => "path_empty",
            PathError::Absolute { .. } => "path_absolute",
            PathError::NotNormal { .. } => "path_not_normal",
            PathError::Character { .. } => "path_character",
            PathError::Alias { .. } => "path_alias",
            PathError::GitDirectory { .. } => "path_git_directory",
            PathError::Protected { .. } => "path_protected",
            PathError::NotAllowed { .. } => "path_not_allowed",
            PathError::BadPattern { .. } => "path_bad_pattern",
            PathError::Link { .. } => "path_link",
            PathError::NotADirectory { .. } => "path_not_a_directory",
            PathError::NotAFile { .. } => "path_not_a_file",
            PathError::OtherSpelling { .. } => "path_other_spelling",
        }
    }
}

/// [`PROTECTED`] as an owned list, to be extended by configuration.
pub fn protected_default() -> Vec<String> {
    PROTECTED.iter().map(|&path| path.to_owned()).collect()
}

/// Whether a change may name `path`: in normal form, outside git's directory, not `protected`
/// (see [`PROTECTED`] for the forms; globs count too), and matched by one of the `allow` globs (`migrations/**`;
/// a trailing slash means all below). An empty allow-list allows nothing.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_path(path: &str, allow: &[String], protected: &[String]) -> Result<(), PathError> {
    check_form(path)?;
    let folded = fold(path);
    if let Some(rule) = protected.iter().find(|rule| covers(&fold(rule), &folded)) {
        return Err(PathError::Protected { path: path.to_owned(), rule: rule.clone() });
    }
    // A project's own rules are globs; in the built-in ones nothing is special.
    for rule in protected {
        if matches(&fold(rule), &folded)? {
            return Err(PathError::Protected { path: path.to_owned(), rule: rule.clone() });
        }
    }
    for pattern in allow {
        if matches(pattern, path)? {
            return Ok(());
        }
    }
    Err(PathError::NotAllowed { path: path.to_owned(), allow: allow.to_vec() })
}

/// Whether a glob matches; a trailing slash means all below.
fn matches(pattern: &str, path: &str) -> Result<bool, PathError> {
    let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
    let glob = pattern.strip_suffix('/').map_or(pattern.to_owned(), |dir| format!("{dir}/**"));
    let glob = Pattern::new(&glob).map_err(|error| PathError::BadPattern {
        pattern: pattern.to_owned(),
        reason: error.msg.to_owned(),
    })?;
    Ok(glob.matches_with(path, options))
}

/// The rules that hold for every path, whatever a workflow allows.
pub(super) fn check_form(path: &str) -> Result<(), PathError> {
    if path.is_empty() {
        return Err(PathError::Empty);
    }
    let owned = || path.to_owned();
    let drive = path.as_bytes().get(1) == Some(&b':');
    if path.starts_with(['/', '\\']) || drive {
        return Err(PathError::Absolute { path: owned() });
    }
    // A backslash separates and a colon opens a second stream of a file on Windows.
    if let Some(character) = path.chars().find(|&c| matches!(c, '\\' | ':') || c.is_control()) {
        return Err(PathError::Character { path: owned(), character });
    }
    path.split('/').try_for_each(|component| check_component(path, component))
}

fn check_component(path: &str, component: &str) -> Result<(), PathError> {
    let (path, name) = (path.to_owned(), component.to_owned());
    if matches!(component, "" | "." | "..") {
        return Err(PathError::NotNormal { path, component: name });
    }
    let seen: String = component.chars().filter(|&c| !ignorable(c)).collect();
    let bare = fold(seen.trim_end_matches(['.', ' ']));
    let short_git = bare.strip_prefix("git~").is_some_and(|n| n.parse::<u32>().is_ok());
    if bare == ".git" || short_git {
        return Err(PathError::GitDirectory { path, component: name });
    }
    if seen != component || component.ends_with(['.', ' ']) || is_short_name(&bare) {
        return Err(PathError::Alias { path, component: name });
    }
    Ok(())
}

/// Code points that HFS+ leaves out when it compares names (and others that cannot be seen).
fn ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// A name that Windows may have made up for a longer one: `WORKFL~1`, `KAIZEN~1.TOM`.
fn is_short_name(folded: &str) -> bool {
    let (stem, extension) = folded.split_once('.').unwrap_or((folded, ""));
    let digits_at = stem.rfind('~').map(|at| at + 1);
    digits_at.is_some_and(|at| {
        let digits = &stem[at..];
        stem.len() <= 8
            && extension.len() <= 3
            && !digits.is_empty()
            && digits.bytes().all(|b| b.is_ascii_digit())
    })
}

/// One spelling for all that a case-insensitive or normalising file system takes for the same
/// name. Upper case first, so that letters which only meet there (`ſ` and `s`) fall together.
pub(super) fn fold(text: &str) -> String {
    text.nfc().collect::<String>().to_uppercase().to_lowercase().nfc().collect()
}

fn covers(rule: &str, path: &str) -> bool {
    if let Some(name) = rule.strip_prefix("**/") {
        return path
            .match_indices('/')
            .map(|(at, _)| &path[at + 1..])
            .chain([path])
            .any(|tail| covers(name, tail));
    }
    let rule = rule.strip_suffix('/').unwrap_or(rule);
    path.strip_prefix(rule).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn allowed(allow: &[String]) -> String {
    if allow.is_empty() { "it allows no files".to_owned() } else { allow.join(", ") }
}
