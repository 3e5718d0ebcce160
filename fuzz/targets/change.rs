//! What a designer hands in: scripts, paths and file contents that mean to deceive, or are just
//! broken.
//!
//! The input is a change file where it parses as one; it is always a script, a list of paths (its
//! lines), and two contents of a file (around its first blank line).

#![no_main]

use kaizen_steps::{
    adapters::git::{PathError, check_path, protected_default, unified_diff},
    payload::{ChangeFile, Kind},
    sql::{self, Classification, Declared},
};
use libfuzzer_sys::{Corpus, fuzz_target};
use std::path::{Component, Path};
use unicode_normalization::UnicodeNormalization as _;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(bytes) else { return Corpus::Reject };
    let (before, after) = text.split_once("\n\n").unwrap_or(("", text));
    is_a_diff(before, after);
    is_a_script(text, None);
    is_a_script(before, Some(after));
    for path in text.lines() {
        stays_inside(path);
    }
    if let Some(pattern) = text.lines().next() {
        let (all, own) = (["**".to_owned()], [pattern.to_owned()]);
        for path in text.lines().skip(1).take(8) {
            let _ = check_path(path, &own, &[]);
            let _ = check_path(path, &all, &own);
        }
    }
    if let Ok(change) = toml::from_str::<ChangeFile>(text) {
        is_a_script(&change.up.unwrap_or_default(), change.down.as_deref());
        for (path, content) in &change.files {
            stays_inside(path);
            is_a_diff("", content);
        }
    }
    Corpus::Keep
});

/// An accepted path is below the root however it is spelt, and no spelling of it is protected.
fn stays_inside(path: &str) {
    let all = ["**".to_owned(), "**/.*".to_owned(), "**/.*/**".to_owned()];
    let protected = protected_default();
    if check_path(path, &all, &protected).is_err() {
        return;
    }
    let root = Path::new("/root/of/it");
    let joined = root.join(path);
    assert!(joined.starts_with(root), "{path:?} leaves the root");
    let normal = |part: Component<'_>| matches!(part, Component::Normal(_));
    assert!(Path::new(path).components().all(normal), "{path:?} is not normal");
    assert!(!path.split('/').any(|part| matches!(part, "" | "." | "..")), "{path:?}");
    let (nfc, nfd) = (path.nfc().collect::<String>(), path.nfd().collect::<String>());
    for other in [path.to_lowercase(), path.to_uppercase(), nfc, nfd] {
        assert!(!other.split('/').any(|part| part.eq_ignore_ascii_case(".git")), "{path:?}");
        let checked = check_path(&other, &all, &protected);
        let gate =
            matches!(checked, Err(PathError::Protected { .. } | PathError::GitDirectory { .. }));
        assert!(!gate, "{path:?} passes, {other:?} does not: {checked:?}");
    }
}

/// The diff says what changed, line by line, as git counts lines.
fn is_a_diff(old: &str, new: &str) {
    let diff = unified_diff("a.txt", 0o100_644, Some(old.as_bytes()), Some(new.as_bytes()));
    assert_eq!(diff, unified_diff("a.txt", 0o100_644, Some(old.as_bytes()), Some(new.as_bytes())));
    if old.contains('\0') || new.contains('\0') {
        assert!(diff.contains("Binary files"), "{diff:?}");
        return;
    }
    assert_eq!(applied(old, &diff).as_deref(), Some(new), "{old:?} with {diff:?}");
    let made = unified_diff("a b", 0o100_644, None, Some(new.as_bytes()));
    assert!(made.starts_with("diff --git a/a b b/a b\nnew file mode 100644\n"), "{made:?}");
}

/// What `git apply` would make of `old`; `None` where the diff does not fit.
fn applied(old: &str, diff: &str) -> Option<String> {
    let mut old = old.split_inclusive('\n');
    let mut new = String::new();
    let mut at = 0;
    let mut lines =
        diff.split_inclusive('\n').skip_while(|line| !line.starts_with("@@ ")).peekable();
    while let Some(header) = lines.next() {
        let mut words = header.strip_prefix("@@ ")?.split(' ');
        let (start, mut removed) = range(words.next()?.strip_prefix('-')?)?;
        let (_, mut added) = range(words.next()?.strip_prefix('+')?)?;
        let before = if removed == 0 { start } else { start - 1 };
        while at < before {
            new.push_str(old.next()?);
            at += 1;
        }
        while removed > 0 || added > 0 {
            let line = lines.next()?;
            let bare = lines.next_if(|next| next.starts_with("\\ ")).is_some();
            let content = if bare { line[1..].strip_suffix('\n')? } else { &line[1..] };
            let kept = line.starts_with(' ');
            if kept || line.starts_with('-') {
                (old.next()? == content).then_some(())?;
                (at, removed) = (at + 1, removed - 1);
            }
            if kept || line.starts_with('+') {
                new.push_str(content);
                added -= 1;
            }
        }
    }
    new.extend(old);
    Some(new)
}

/// `3,7` or `3`: the first line and how many.
fn range(text: &str) -> Option<(usize, usize)> {
    let (start, count) = text.split_once(',').unwrap_or((text, "1"));
    Some((start.parse().ok()?, count.parse().ok()?))
}

/// A script is the same after it was taken apart, and as far-reaching as it was.
fn is_a_script(up: &str, down: Option<&str>) {
    if let Ok(statements) = sql::split(up) {
        for one in &statements {
            let again = sql::split(&one.text).expect("a statement is a script");
            assert_eq!(again.len(), 1, "{:?} is {again:?}", one.text);
            assert_eq!(again[0].text, one.text);
        }
        let texts: Vec<String> = statements.into_iter().map(|one| one.text).collect();
        let again = sql::split(&script(&texts)).expect("statements are a script");
        let again = again.into_iter().map(|one| one.text).collect::<Vec<_>>();
        assert_eq!(bare(&again), bare(&texts));
        let _ = sql::objects(&texts);
    }
    let stripped = sql::strip_literals(up);
    assert_eq!(sql::strip_literals(&stripped), stripped, "of {up:?}");
    let _ = sql::looks_like_secret(up);
    if let Ok(found) = sql::classify(up, down, Declared::default()) {
        is_as_far_reaching(up, down, &found);
    }
}

/// What is deployed is the statements that were classified: they must classify as the text did.
fn is_as_far_reaching(up: &str, down: Option<&str>, found: &Classification) {
    assert!(found.risk >= sql::least_risk(found.kind), "{found:?}");
    let (again_up, again_down) = (script(&found.statements_up), script(&found.statements_down));
    let again = sql::classify(&again_up, Some(&again_down), Declared::default());
    let again = again.unwrap_or_else(|error| panic!("{error}: {again_up:?} / {again_down:?}"));
    let told = format!("{up:?} / {down:?} is {found:?}, then {again:?}");
    assert_eq!((again.kind, again.risk), (found.kind, found.risk), "{told}");
    assert_eq!((&again.tables, &again.needs_human), (&found.tables, &found.needs_human), "{told}");
    for kind in [Kind::Index, Kind::Schema, Kind::Unclassified] {
        let declared = Declared { kind: Some(kind), risk: None };
        if let Ok(declared) = sql::classify(up, down, declared) {
            assert!(declared.kind >= found.kind.max(kind), "{told}");
            assert!(declared.risk >= found.risk, "{told}");
        }
    }
    let statements = sql::split(up).unwrap_or_default();
    let _ = sql::undo(&statements, |index| Some(format!("CREATE INDEX {index} ON t (a)")));
}

/// As Generate writes it.
fn script(statements: &[String]) -> String {
    statements.iter().fold(String::new(), |text, one| text + one.trim_end_matches(';') + ";\n")
}

/// Without the semicolon that a trigger without END ends in.
fn bare(statements: &[String]) -> Vec<&str> {
    let bare = |one: &String| one.trim_end_matches([';', ' ', '\n']).len();
    statements.iter().map(|one| &one[..bare(one)]).collect()
}
