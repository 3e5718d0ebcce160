//! Paths that must not get through, and the ordinary ones that must.

use super::*;

fn check(path: &str) -> Result<(), PathError> {
    check_path(path, &["migrations/**".to_owned(), "**".to_owned()], &protected_default())
}

#[test]
fn ordinary_paths_pass() {
    for path in [
        "migrations/003_add.sql",
        "a/b/c.txt",
        "ünïcode/ß.sql",
        ".gitignore",
        "~home/x",
        "src/workflows/x",
        "workflows.md",
        "docs/.github.md",
        "sub/kaizen.toml",
        "a b.sql",
    ] {
        assert_eq!(check(path), Ok(()), "{path}");
    }
}

#[test]
fn paths_out_of_the_repository_are_refused() {
    for path in ["../x", "a/../../x", "a/..", "..", ".", "./a", "a//b", "a/", "a/./b"] {
        assert!(matches!(check(path), Err(PathError::NotNormal { .. })), "{path}");
    }
    for path in ["/etc/passwd", "C:/x", "c:x", "\\\\host\\share"] {
        assert!(matches!(check(path), Err(PathError::Absolute { .. })), "{path}");
    }
    for path in ["a\\..\\b", "a\nb", "a\0b", "a\u{7f}", "kaizen.toml::$DATA", "x/y:z"] {
        assert!(matches!(check(path), Err(PathError::Character { .. })), "{path:?}");
    }
    assert_eq!(check(""), Err(PathError::Empty));
}

#[test]
fn gits_own_directory_is_refused_under_all_its_names() {
    for path in [
        ".git",
        ".git/config",
        ".GIT/config",
        "sub/.Git/hooks/x",
        "git~1/config",
        "GIT~2",
        ".git./config",
        ".git /x",
        ".git . ./x",
        ".g\u{200c}it/config",
        "\u{feff}.git/x",
    ] {
        assert!(matches!(check(path), Err(PathError::GitDirectory { .. })), "{path:?}");
    }
}

#[test]
fn names_that_a_file_system_reads_as_others_are_refused() {
    for path in
        ["workflows./x", "kaizen.toml ", "work\u{200d}flows/x", "WORKFL~1/x", "KAIZEN~1.TOM"]
    {
        assert!(matches!(check(path), Err(PathError::Alias { .. })), "{path:?}");
    }
    for path in ["notes~1999-draft.md", "a~b.sql", "file~", "long-name-here~1.sql"] {
        assert_eq!(check(path), Ok(()), "{path}");
    }
}

#[test]
fn protected_paths_are_compared_case_folded_and_normalised() {
    for path in [
        "kaizen.toml",
        "kaizen.TOML",
        "Workflows/x",
        "workflows",
        "WORKFLOWS/a/b",
        ".Kaizen/journal.db",
        ".github/workflows/ci.yml",
        ".GitLab-CI.yml",
        "JENKINSFILE",
        ".ci/run",
        "deep/down/.gitattributes",
        ".gitModules",
        "wor\u{212a}flows/x",
        "work\u{fb02}ows/x",
        "workflow\u{17f}/x",
        "kaizen.toml/x",
    ] {
        assert!(matches!(check(path), Err(PathError::Protected { .. })), "{path}");
    }
    let own = ["caf\u{e9}/".to_owned()];
    let decomposed = check_path("Cafe\u{301}/x", &["**".to_owned()], &own);
    assert!(matches!(decomposed, Err(PathError::Protected { rule, .. }) if rule == own[0]));
}

#[test]
fn the_allow_list_is_what_it_says() {
    let check = |path: &str, allow: &[&str]| {
        let allow: Vec<String> = allow.iter().map(ToString::to_string).collect();
        check_path(path, &allow, &[])
    };
    assert!(check("migrations/1.sql", &["migrations/*.sql"]).is_ok());
    assert!(check("migrations/a/1.sql", &["migrations/*.sql"]).is_err(), "* stays in a directory");
    assert!(check("migrations/a/1.sql", &["migrations/**"]).is_ok());
    assert!(check("migrations/a/1.sql", &["migrations/"]).is_ok());
    assert!(check("migrations2/1.sql", &["migrations/**"]).is_err());
    let none = check("x", &[]).unwrap_err();
    assert_eq!(
        none.to_string(),
        "the path \"x\" is outside what the workflow allows (it allows no files)"
    );
    assert!(matches!(check("x", &["a***"]), Err(PathError::BadPattern { .. })));
}

#[test]
fn links_are_not_gone_through() {
    use std::os::unix::fs::symlink;
    let fixture = Fixture::new();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), fixture.dir.path().join("tracked")).unwrap();
    fixture.git(&["add", "tracked"]);
    fixture.git(&["commit", "--quiet", "--message=Link"]);
    symlink("/etc", fixture.dir.path().join("loose")).unwrap();
    let commit = fixture.head().commit;
    let refused = |path: &str| {
        let error = fixture.repo.check_no_symlink_out(&commit, path).unwrap_err();
        assert!(matches!(&error, Error::Path(PathError::Link { .. })), "{path}: {error}");
    };
    refused("tracked/x.sql");
    refused("tracked");
    refused("loose/passwd");
    fs::remove_file(fixture.dir.path().join("tracked")).unwrap();
    refused("tracked/x.sql");
    fixture.repo.check_no_symlink_out(&commit, "migrations/002.sql").unwrap();
}

#[test]
fn files_directories_and_other_spellings_are_met_by_name() {
    let fixture = Fixture::new();
    fs::create_dir(fixture.dir.path().join("empty")).unwrap();
    let commit = fixture.head().commit;
    let refused = |path: &str| match fixture.repo.check_no_symlink_out(&commit, path) {
        Err(Error::Path(error)) => error,
        other => panic!("{path}: {other:?}"),
    };
    assert!(matches!(refused("README.md/x"), PathError::NotADirectory { .. }));
    assert!(matches!(refused("migrations"), PathError::NotAFile { .. }));
    assert!(matches!(refused("empty"), PathError::NotAFile { .. }));
    assert!(matches!(refused("../x"), PathError::NotNormal { .. }));
    let twin = refused("Migrations/002.sql");
    assert!(matches!(twin, PathError::OtherSpelling { existing, .. } if existing == "migrations"));
    let twin = refused("migrations/001_START.sql");
    assert!(
        matches!(twin, PathError::OtherSpelling { existing, .. } if existing == "migrations/001_start.sql")
    );
}
