//! Bad input: changes that hide something, break half way, cannot be taken back, or reach where
//! they may not. Each is refused by name before anything outside has been touched.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
use common::{Project, WORKFLOW};
use insta::assert_snapshot;

/// Hands the change in, with --apply, and expects a refusal; returns what people read.
fn refused(project: &Project, change: &str, code: &str) -> String {
    let file = project.change("idea.toml", change);
    project.fails(&["start", WORKFLOW, "--apply", "--change", &file], 6, code)
}

fn index(up: &str, down: &str) -> String {
    format!(
        "title = \"An index\"\nkind = \"index\"\nup = \"\"\"\n{up}\n\"\"\"\ndown = \"\"\"\n{down}\n\"\"\"\n"
    )
}

const INDEX: &str = "CREATE INDEX item_owner ON item (owner);";
const DOWN: &str = "DROP INDEX item_owner;";

fn file(path: &str, text: &str) -> String {
    format!("title = \"A file\"\n[files]\n\"{path}\" = \"{text}\"\n")
}

#[test]
fn a_commit_hidden_behind_an_index() {
    let project = Project::new();
    let change = index(&format!("{INDEX}\nCOMMIT;\nDROP TABLE item;"), DOWN);
    assert_snapshot!(refused(&project, &change, "refused_statement_forbidden"), @r#"
    error: statement 2 of the up script (line 2) is refused: transaction control belongs to Kaizen, which runs the script in one transaction: COMMIT
    next:  kaizen start workflows/sqlite-index-tuning.toml --apply --change idea.toml   # once idea.toml is mended
    "#);
    let change = index(&format!("{INDEX} -- tidy up\n/* and */ END TRANSACTION;"), DOWN);
    let read = refused(&project, &change, "refused_statement_forbidden");
    assert!(read.contains("statement 2") && read.contains("END TRANSACTION"), "{read}");
}

#[test]
fn an_attach_hidden_behind_an_index() {
    let project = Project::new();
    let change = index(&format!("{INDEX}\nATTACH 'stolen.db' AS stolen;"), DOWN);
    assert_snapshot!(refused(&project, &change, "refused_statement_forbidden"), @r#"
    error: statement 2 of the up script (line 2) is refused: a change may not reach into other database files: ATTACH ? AS stolen
    next:  kaizen start workflows/sqlite-index-tuning.toml --apply --change idea.toml   # once idea.toml is mended
    "#);
    assert!(!project.file("stolen.db").exists());
}

#[test]
fn a_pragma_hidden_behind_an_index() {
    let project = Project::new();
    let change = index(&format!("{INDEX}\nPRAGMA writable_schema = ON;"), DOWN);
    assert_snapshot!(refused(&project, &change, "refused_statement_forbidden"), @r#"
    error: statement 2 of the up script (line 2) is refused: PRAGMA changes how the database or the connection works, not its content: PRAGMA writable_schema = ON
    next:  kaizen start workflows/sqlite-index-tuning.toml --apply --change idea.toml   # once idea.toml is mended
    "#);
    let change = index(INDEX, &format!("{DOWN}\nPRAGMA synchronous = OFF;"));
    let read = refused(&project, &change, "refused_statement_forbidden");
    assert!(read.contains("statement 2 of the down script"), "{read}");
}

#[test]
fn a_drop_table_hidden_behind_an_index() {
    let project = Project::new();
    let change = index(&format!("{INDEX}\nDROP TABLE item;"), DOWN);
    assert_snapshot!(refused(&project, &change, "refused_statement_outside_kind"), @r#"
    error: the change is declared as index, but statement 2 of the up script (line 2) is DROP TABLE (kind schema): DROP TABLE item
    next:  kaizen start workflows/sqlite-index-tuning.toml --apply --change idea.toml   # once idea.toml is mended
    "#);
    let change = index(INDEX, &format!("{DOWN}\nDELETE FROM item;"));
    let read = refused(&project, &change, "refused_statement_outside_kind");
    assert!(read.contains("statement 2 of the down script") && read.contains("DELETE"), "{read}");
}

#[test]
fn a_script_that_fails_half_way() {
    let project = Project::new();
    let change = index(&format!("{INDEX}\nCREATE INDEX item_gone ON item (gone);"), DOWN);
    assert_snapshot!(refused(&project, &change, "refused_by_preflight"), @r#"
    error: the preflight refuses "An index": up_applies: statement 2 (CREATE INDEX item_gone ON item) failed: no such column: gone
    next:  kaizen start workflows/sqlite-index-tuning.toml --apply --change idea.toml   # once idea.toml is mended
    "#);
    let change = index(INDEX, &format!("{DOWN}\n{DOWN}"));
    assert_snapshot!(refused(&project, &change, "refused_by_preflight"), @r#"
    error: the preflight refuses "An index": down_applies: statement 2 (DROP INDEX item_owner) failed: no such index: item_owner
    next:  kaizen start workflows/sqlite-index-tuning.toml --apply --change idea.toml   # once idea.toml is mended
    "#);
    assert_eq!(project.indexes(), Vec::<String>::new());
}

#[test]
fn a_down_that_loses_rows() {
    let project = Project::new();
    let change = "title = \"Tidy up\"\nup = \"DELETE FROM item WHERE amount < 10;\"\n\
                  down = \"INSERT INTO item (owner, amount, note) VALUES (1, 2, 'made up');\"\n";
    assert_snapshot!(refused(&project, change, "refused_by_preflight"), @r#"
    error: the preflight refuses "Tidy up": down_restores_contents: after the down script these are not as before: item
    next:  kaizen start workflows/sqlite-index-tuning.toml --apply --change idea.toml   # once idea.toml is mended
    "#);
    let change = "title = \"Drop a column\"\nup = \"ALTER TABLE item DROP COLUMN note;\"\n\
                  down = \"ALTER TABLE item ADD COLUMN note TEXT NOT NULL DEFAULT '';\"\n";
    assert_snapshot!(refused(&project, change, "refused_by_preflight"), @r#"
    error: the preflight refuses "Drop a column": down_restores_schema: after the down script these are not as before: table item
    next:  kaizen start workflows/sqlite-index-tuning.toml --apply --change idea.toml   # once idea.toml is mended
    "#);
}

#[test]
fn a_change_without_a_way_back() {
    let project = Project::new();
    let change = "title = \"Tidy up\"\nup = \"DELETE FROM item WHERE amount < 10;\"\n";
    assert_snapshot!(refused(&project, change, "refused_without_down"), @r#"
    error: the change has no down script, and none follows from its up script by rule: it could not be taken back
    next:  kaizen start workflows/sqlite-index-tuning.toml --apply --change idea.toml   # once idea.toml is mended
    "#);
}

#[test]
fn a_secret_in_a_change() {
    let project = Project::new();
    let key = format!("AKIA{}", "IOSFODNN7EXAMPLE");
    let change = file("migrations/settings.sql", &format!("-- {key}"));
    let file = project.change("idea.toml", &change);
    let start = ["start", WORKFLOW, "--apply", "--change", &file];
    let read = project.refuses(&start, 6, "refused_secret");
    assert!(!read.contains(&key), "a secret is not repeated: {read}");
    assert_snapshot!(read, @r#"
    error: idea.toml, line 3, holds what looks like a secret (an AWS access key)
    next:  take it out of idea.toml (and change it, if others have seen it)
    "#);
    for entry in std::fs::read_dir(project.file(".kaizen")).into_iter().flatten().flatten() {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        let found = bytes.windows(key.len()).any(|part| part == key.as_bytes());
        assert!(!found, "a secret does not reach the journal: {}", entry.path().display());
    }
}

#[test]
fn a_path_with_dots() {
    let project = Project::new();
    let change = file("migrations/../../outside.sql", "SELECT 1;");
    assert_snapshot!(refused(&project, &change, "refused_path_not_normal"), @r#"
    error: the path "migrations/../../outside.sql" has a component "..", which is not in normal form
    next:  kaizen start workflows/sqlite-index-tuning.toml --apply --change idea.toml   # once idea.toml is mended
    "#);
    assert!(!project.path().parent().unwrap().join("outside.sql").exists());
    let change = file("/etc/outside.sql", "SELECT 1;");
    let read = refused(&project, &change, "refused_path_absolute");
    assert!(read.contains("/etc/outside.sql"), "{read}");
}

#[cfg(unix)]
#[test]
fn a_symlink_that_leads_out() {
    let project = Project::new();
    let outside = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(project.file("migrations")).unwrap();
    std::os::unix::fs::symlink(outside.path(), project.file("migrations/out")).unwrap();
    project.git(&["add", "-A"]);
    project.git(&["commit", "-qm", "Link"]);
    let change = file("migrations/out/stolen.sql", "SELECT 1;");
    let read = refused(&project, &change, "refused_path_link");
    assert!(read.contains("migrations/out"), "{read}");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[cfg(unix)]
#[test]
fn a_symlink_that_is_not_tracked_leads_out_no_better() {
    let project = Project::new();
    let outside = tempfile::TempDir::new().unwrap();
    std::os::unix::fs::symlink(outside.path(), project.file("migrations")).unwrap();
    let change = file("migrations/stolen.sql", "SELECT 1;");
    let read = refused(&project, &change, "refused_path_link");
    assert!(read.contains("migrations"), "{read}");
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn the_git_directory_and_protected_paths() {
    let project = Project::new();
    project.edit_workflow("paths = [\"migrations/**\"]", "paths = [\"**\"]");
    let config = project.read(".git/config");
    let change = file(".GIT/config", "[core]");
    assert_snapshot!(refused(&project, &change, "refused_path_git_directory"), @r#"
    error: the path ".GIT/config" leads into git's own directory (".GIT")
    next:  kaizen start workflows/sqlite-index-tuning.toml --apply --change idea.toml   # once idea.toml is mended
    "#);
    assert_eq!(project.read(".git/config"), config);
    for path in ["Workflows/x.toml", "KAIZEN.toml", ".Kaizen/journal.db", ".github/ci.yml"] {
        let read = refused(&project, &file(path, "x = 1"), "refused_path_protected");
        assert!(read.contains(path), "{read}");
    }
    let change = file("Workflows/x.toml", "x = 1");
    assert_snapshot!(refused(&project, &change, "refused_path_protected"), @r#"
    error: the path "Workflows/x.toml" is protected (workflows/): the loop cannot change its own gate
    next:  kaizen start workflows/sqlite-index-tuning.toml --apply --change idea.toml   # once idea.toml is mended
    "#);
}

#[test]
fn a_path_outside_of_the_allow_list() {
    let project = Project::new();
    let change = file("src/main.rs", "fn main() {}");
    assert_snapshot!(refused(&project, &change, "refused_path_not_allowed"), @r#"
    error: the path "src/main.rs" is outside what the workflow allows (migrations/**)
    next:  kaizen start workflows/sqlite-index-tuning.toml --apply --change idea.toml   # once idea.toml is mended
    "#);
}

#[test]
fn a_change_that_changes_nothing() {
    let project = Project::new();
    assert_snapshot!(refused(&project, "title = \"Nothing\"\n", "refused_empty_change"), @r#"
    error: "Nothing" changes nothing: it has neither files nor an up script
    next:  kaizen start workflows/sqlite-index-tuning.toml --apply --change idea.toml   # once idea.toml is mended
    "#);
    let change = index("-- only a comment", DOWN);
    assert_snapshot!(refused(&project, &change, "refused_script_empty"), @r#"
    error: the up script cannot be read: the script holds only comments or blanks, so it changes nothing
    next:  kaizen start workflows/sqlite-index-tuning.toml --apply --change idea.toml   # once idea.toml is mended
    "#);
}

#[test]
fn a_change_file_that_is_none() {
    let project = Project::new();
    let start = |file| ["start", WORKFLOW, "--apply", "--change", file];
    assert_snapshot!(project.refuses(&start("gone.toml"), 2, "change_file"), @r#"
    error: gone.toml: No such file or directory (os error 2)
    next:  kaizen start WORKFLOW --change FILE
    "#);
    project.write("bad.toml", "title = \"A\"\nupp = \"SELECT 1\"\n");
    assert_snapshot!(project.refuses(&start("bad.toml"), 2, "change_file"), @r#"
    error: bad.toml: TOML parse error at line 2, column 1
      |
    2 | upp = "SELECT 1"
      | ^^^
    unknown field `upp`, expected one of `title`, `kind`, `risk`, `up`, `down`, `files`, `diff`, `edits`, `delete`, `rationale`, `expected_improvement_pct`
    next:  keys: title, kind, risk, up, down (SQL), [files] (path = content), [[edits]] (path, search, replace), diff, delete
    "#);
    project.write("bad.toml", "title = \"A\"\nkind = \"magic\"\n");
    assert_snapshot!(project.refuses(&start("bad.toml"), 2, "change_file"), @r#"
    error: bad.toml: TOML parse error at line 2, column 8
      |
    2 | kind = "magic"
      |        ^^^^^^^
    unknown variant `magic`, expected one of `statistics`, `plan`, `index`, `drop_index`, `code`, `view`, `trigger`, `schema`, `data`, `unclassified`
    next:  keys: title, kind, risk, up, down (SQL), [files] (path = content), [[edits]] (path, search, replace), diff, delete
    "#);
    project.write("bad.toml", "title = \" \"\n");
    assert_snapshot!(project.refuses(&start("bad.toml"), 2, "change_file"), @r#"
    error: bad.toml: the title is empty
    next:  keys: title, kind, risk, up, down (SQL), [files] (path = content), [[edits]] (path, search, replace), diff, delete
    "#);
}
