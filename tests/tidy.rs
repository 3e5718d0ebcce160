//! The project's own rules: the core stays pure, files say what they own, docs name what exists.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn files(below: &str, ending: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, ending: &str, into: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, ending, into);
            } else if path.to_string_lossy().ends_with(ending) {
                into.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(below), ending, &mut found);
    found.sort();
    assert!(!found.is_empty(), "no {ending} below {below}");
    found
}

#[test]
fn the_core_touches_nothing_outside() {
    let forbidden = [
        "async fn",
        "tokio",
        "rusqlite",
        "git2",
        "std::fs",
        "std::env",
        "SystemTime",
        "Instant",
        "Utc::now",
    ];
    for path in files("crates/engine/src/journal", ".rs") {
        if path.to_string_lossy().contains("tests") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code: String = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        for word in forbidden {
            assert!(!code.contains(word), "{} uses {word}", path.display());
        }
    }
}

#[test]
fn only_the_adapters_use_git2_tiberius_and_child_processes() {
    for path in files("crates", ".rs") {
        let name = path.to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let allowed = name.contains("/adapters/") || name.contains("/tests/");
        assert!(allowed || !text.contains("git2::"), "{name} uses git2");
        assert!(allowed || !text.contains("tiberius::"), "{name} uses tiberius");
        // The demo kills a process of its own; the maintainers' tool runs the sqlite3 shell.
        let runs = allowed || name.ends_with("commands/demo.rs") || name.contains("/examples/");
        assert!(runs || !text.contains("process::Command::new"), "{name} starts processes");
    }
}

#[test]
fn every_file_says_what_it_owns() {
    for path in files("crates", ".rs").into_iter().chain(files("tests", ".rs")) {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//!"), "{} does not open with //!", path.display());
    }
}

#[test]
fn each_path_named_in_the_docs_exists() {
    for page in
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "workflows/README.md"]
    {
        let text = fs::read_to_string(root().join(page)).unwrap();
        let inside = text.split('`').skip(1).step_by(2);
        let linked = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for name in inside.chain(linked) {
            let is_path = name.starts_with("crates/")
                || name.starts_with("sql/")
                || name.starts_with("tests/")
                || name.starts_with(".ci/")
                || name.ends_with(".md");
            if is_path && !name.contains(['*', ' ', '…']) {
                assert!(root().join(name).exists(), "{page} names {name}, which does not exist");
            }
        }
    }
}

#[test]
fn every_dependency_has_its_line_in_the_architecture() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table = page.split("## Dependencies").nth(1).unwrap();
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap();
    let names = section
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = "));
    for (name, _) in names {
        assert!(name.starts_with("kaizen-") || table.contains(name), "{name} has no line");
    }
}
