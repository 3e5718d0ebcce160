//! What each script is, what is refused, and the tricks that must not work.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{Classification, Declared, Refusal, Script, classify, least_risk};
use crate::payload::{Kind, Risk};

fn undeclared(up: &str, down: &str) -> Result<Classification, Refusal> {
    classify(up, Some(down), Declared::default())
}

fn declared(kind: Kind, up: &str, down: &str) -> Result<Classification, Refusal> {
    classify(up, Some(down), Declared { kind: Some(kind), risk: None })
}

fn seen(up: &str, down: &str) -> (Kind, Risk, bool) {
    let found = undeclared(up, down).unwrap_or_else(|refusal| panic!("{up}: {refusal}"));
    (found.kind, found.risk, !found.needs_human.is_empty())
}

#[test]
fn each_kind_is_derived_with_its_least_risk() {
    use Kind as K;
    use Risk as R;
    let cases = [
        ("ANALYZE", "DELETE FROM sqlite_stat1", (K::Statistics, R::Low, false)),
        ("CREATE INDEX i ON t(a)", "DROP INDEX i", (K::Index, R::Low, false)),
        (
            "CREATE INDEX i ON t(a); ANALYZE",
            "DROP INDEX IF EXISTS main.I",
            (K::Index, R::Low, false),
        ),
        ("CREATE UNIQUE INDEX i ON t(a)", "DROP INDEX i", (K::Index, R::Medium, true)),
        ("DROP INDEX i", "CREATE INDEX i ON t(a)", (K::DropIndex, R::Medium, false)),
        ("DROP INDEX i", "CREATE UNIQUE INDEX i ON t(a)", (K::DropIndex, R::Medium, false)),
        ("CREATE VIEW v AS SELECT a FROM t", "DROP VIEW v", (K::View, R::Medium, false)),
        ("CREATE TABLE n(a)", "DROP TABLE n", (K::Schema, R::Medium, false)),
        (
            "ALTER TABLE t ADD COLUMN c",
            "ALTER TABLE t DROP COLUMN c",
            (K::Schema, R::Medium, false),
        ),
        ("ALTER TABLE t RENAME TO s", "ALTER TABLE s RENAME TO t", (K::Schema, R::High, false)),
        (
            "ALTER TABLE t DROP COLUMN c",
            "ALTER TABLE t ADD COLUMN c",
            (K::Schema, R::Critical, true),
        ),
        ("DROP TABLE t", "CREATE TABLE t(a)", (K::Schema, R::Critical, true)),
        ("UPDATE t SET a = 1", "UPDATE t SET a = 2", (K::Data, R::High, true)),
        ("REPLACE INTO t VALUES (1)", "DELETE FROM t WHERE a = 1", (K::Data, R::High, true)),
        (
            "WITH x AS (SELECT 1) DELETE FROM t WHERE a IN (SELECT * FROM x)",
            "INSERT INTO t VALUES (1)",
            (K::Data, R::High, true),
        ),
        (
            "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM u; END",
            "DROP TRIGGER g",
            (K::Trigger, R::High, true),
        ),
        (
            "CREATE VIRTUAL TABLE f USING fts5(a)",
            "DROP TABLE f",
            (K::Unclassified, R::Critical, true),
        ),
        ("FROBNICATE t", "DROP INDEX i", (K::Unclassified, R::Critical, true)),
    ];
    for (up, down, expected) in cases {
        assert_eq!(seen(up, down), expected, "{up} / {down}");
    }
}

#[test]
fn a_bundle_is_as_much_as_its_most_far_reaching_statement() {
    let found = undeclared(
        "CREATE INDEX i ON Orders(a); DROP INDEX j; DROP TABLE old",
        "DROP INDEX i; CREATE INDEX j ON t(b); CREATE TABLE old(a)",
    )
    .unwrap();
    assert_eq!((found.kind, found.risk), (Kind::Schema, Risk::Critical));
    assert_eq!(found.needs_human, ["statement 3 of the up script drops the table `old`"]);
    assert_eq!(found.tables, ["old", "orders", "t"]);
    assert_eq!((found.statements_up.len(), found.statements_down.len()), (3, 3));
    assert_eq!(found.statements_up[1], "DROP INDEX j");
}

#[test]
fn what_no_change_may_say_is_refused_with_statement_and_line() {
    let refused = [
        "BEGIN",
        "BEGIN IMMEDIATE",
        "COMMIT",
        "END",
        "ROLLBACK",
        "SAVEPOINT s",
        "RELEASE s",
        "USE other",
        "ATTACH 'x.db' AS x",
        "DETACH x",
        "VACUUM",
        "VACUUM INTO 'x'",
        "PRAGMA writable_schema = 1",
        "pragma\tforeign_keys=off",
        "GRANT ALL ON t TO p",
        "REVOKE ALL ON t FROM p",
        "EXECUTE p",
        "EXEC('DROP TABLE t')",
        "REINDEX",
        "SELECT 1",
        "EXPLAIN DELETE FROM t",
        "CREATE TEMP TABLE x(a)",
        "CREATE TEMPORARY VIEW v AS SELECT 1",
        "CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM u; END",
        "INSERT OR ROLLBACK INTO t VALUES (1)",
        "UPDATE OR ROLLBACK t SET a = 1",
        "CREATE TABLE x(a UNIQUE ON CONFLICT ROLLBACK)",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT RAISE(ROLLBACK, 'no'); END",
        "CREATE VIEW v AS SELECT load_extension('x')",
        "UPDATE t SET a = \"load_extension\" ('x')",
        "DELETE FROM sqlite_master",
        "UPDATE main.\"sqlite_schema\" SET sql = ''",
        "DELETE FROM 'sqlite_master'",
        "DROP TABLE kaizen_marker",
        "DELETE FROM Kaizen_Marker",
        "CREATE TABLE kaizen_x(a)",
        "ALTER TABLE t RENAME TO kaizen_marker",
        "CREATE INDEX i ON [kaizen_marker](a)",
        "DELETE FROM other.t",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM kaizen_marker; END",
        "DELETE FROM t WHERE a IN kaizen_marker",
        "DELETE FROM sqlite_stat1",
    ];
    for statement in refused {
        for script in [Script::Up, Script::Down] {
            let hidden = format!("CREATE INDEX i ON t(a);\n{statement};\nANALYZE");
            let (up, down) = match script {
                Script::Up => (hidden.as_str(), "DROP INDEX i"),
                Script::Down => ("CREATE INDEX i ON t(a)", hidden.as_str()),
            };
            let Err(refusal) = undeclared(up, down) else { panic!("admitted: {statement}") };
            let named = format!("statement 2 of the {script} script (line 2)");
            assert!(refusal.to_string().contains(&named), "{statement}: {refusal}");
        }
    }
}

#[test]
fn comments_between_keywords_hide_nothing() {
    for statement in ["PRAGMA/**/foreign_keys=0", "/* x */ ATTACH/**/'y' AS z", "--\nCOMMIT"] {
        assert!(undeclared(statement, "ANALYZE").is_err(), "{statement}");
    }
    let down = "CREATE TABLE t(a)";
    assert_eq!(seen("DROP/**/TABLE t", down), (Kind::Schema, Risk::Critical, true));
    assert_eq!(seen("DROP--\nTABLE t", down), (Kind::Schema, Risk::Critical, true));
    assert!(declared(Kind::Index, "DROP/*;*/TABLE t", down).is_err());
}

#[test]
fn an_index_that_hides_something_else_is_refused_naming_it() {
    let refusal = declared(Kind::Index, "CREATE INDEX i ON t(a);\nDROP TABLE t", "DROP INDEX i")
        .unwrap_err()
        .to_string();
    assert_eq!(
        refusal,
        "the change is declared as index, but statement 2 of the up script (line 2) is DROP TABLE \
         (kind schema): DROP TABLE t"
    );
    let hidden_in_down =
        declared(Kind::Index, "CREATE INDEX i ON t(a)", "DROP INDEX i; DROP TABLE t");
    assert!(matches!(hidden_in_down, Err(Refusal::OutsideKind { script: Script::Down, .. })));
    assert!(declared(Kind::Index, "CREATE INDEX i ON t(a)", "DROP INDEX other").is_err());
    assert!(declared(Kind::Code, "CREATE INDEX i ON t(a)", "DROP INDEX i").is_err());
    assert!(declared(Kind::Index, "FROBNICATE", "DROP INDEX i").is_err());
}

#[test]
fn look_alike_letters_are_not_keywords_and_not_understood() {
    // The O is Cyrillic.
    assert_eq!(seen("DR\u{41E}P TABLE t", "ANALYZE").0, Kind::Unclassified);
    assert!(declared(Kind::Index, "DR\u{41E}P TABLE t", "ANALYZE").is_err());
}

#[test]
fn keywords_inside_texts_names_and_comments_are_not_refused() {
    let up = "CREATE INDEX \"commit\" ON [drop](\"pragma\") WHERE note <> 'COMMIT; DROP TABLE t' -- VACUUM";
    assert_eq!(seen(up, "DROP INDEX \"commit\""), (Kind::Index, Risk::Low, false));
    let insert = "INSERT INTO t VALUES ('load_extension(1); DELETE FROM sqlite_master; COMMIT')";
    assert_eq!(seen(insert, "DELETE FROM t"), (Kind::Data, Risk::High, true));
}

#[test]
fn what_is_declared_may_only_raise() {
    let at = |kind, risk| {
        let declared = Declared { kind, risk };
        let found = classify("CREATE INDEX i ON t(a)", Some("DROP INDEX i"), declared).unwrap();
        (found.kind, found.risk, !found.needs_human.is_empty())
    };
    assert_eq!(at(None, Some(Risk::Critical)), (Kind::Index, Risk::Critical, false));
    assert_eq!(at(Some(Kind::Schema), Some(Risk::Low)), (Kind::Schema, Risk::Medium, false));
    assert_eq!(at(Some(Kind::Data), None), (Kind::Data, Risk::High, true));
    let dropping = Declared { kind: None, risk: Some(Risk::Low) };
    let found = classify("DROP TABLE t", Some("CREATE TABLE t(a)"), dropping).unwrap();
    assert_eq!(found.risk, Risk::Critical);
}

#[test]
fn a_change_that_cannot_be_taken_back_needs_a_human() {
    for down in [None, Some(""), Some("-- nothing")] {
        let found = classify("CREATE INDEX i ON t(a)", down, Declared::default()).unwrap();
        assert_eq!(found.risk, Risk::High);
        assert!(found.needs_human[0].contains("no down script"), "{:?}", found.needs_human);
    }
}

#[test]
fn a_down_script_that_loses_rows_needs_a_human() {
    let lossy = [
        ("CREATE INDEX i ON t(a)", "DROP INDEX i; DELETE FROM t", Kind::Data),
        ("CREATE INDEX i ON t(a)", "DROP INDEX i; DROP TABLE t", Kind::Schema),
        ("CREATE TABLE n(a)", "DROP TABLE t", Kind::Schema),
        // It may have been there before, with rows.
        ("CREATE TABLE IF NOT EXISTS n(a)", "DROP TABLE n", Kind::Schema),
        ("ALTER TABLE t ADD COLUMN c", "ALTER TABLE t DROP COLUMN d", Kind::Schema),
    ];
    for (up, down, kind) in lossy {
        let found = undeclared(up, down).unwrap();
        assert_eq!(found.kind, kind, "{down}");
        assert!(found.risk >= Risk::High, "{down}");
        assert!(found.needs_human.iter().any(|why| why.contains("down script")), "{down}");
    }
}

#[test]
fn files_alone_are_code_and_comments_alone_are_refused() {
    assert_eq!(seen("", ""), (Kind::Code, least_risk(Kind::Code), false));
    assert_eq!(undeclared("", "DROP INDEX i"), Err(Refusal::DownWithoutUp));
    assert!(
        undeclared("-- CREATE INDEX i ON t(a);", "")
            .unwrap_err()
            .to_string()
            .contains("only comments")
    );
}

#[test]
fn a_refusal_does_not_repeat_literals() {
    let refusal = undeclared("ATTACH 'secret.db' AS x", "").unwrap_err().to_string();
    assert!(!refusal.contains("secret.db"), "{refusal}");
}

/// On a stack of the size that phases run on: one that overflows ends the process, tests and all.
#[test]
fn a_chain_of_any_length_needs_a_human_and_no_stack() {
    let run = || {
        for link in ["1 + ", "'x' || ", "a IN (1, 2) AND "] {
            let up = format!("UPDATE t SET a = {} 1", link.repeat(200_000));
            let found = undeclared(&up, "UPDATE t SET a = 0").unwrap();
            assert_eq!(found.kind, Kind::Unclassified, "{link}");
            let hidden = up.replace("UPDATE t", "UPDATE sqlite_schema");
            assert!(undeclared(&hidden, "").is_err(), "{link}");
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

/// Half a minute and more where each semicolon looks back at all before it.
#[test]
fn a_trigger_that_never_ends_is_read_once() {
    let began = std::time::Instant::now();
    let up = format!("CREATE TRIGGER g AFTER INSERT ON t BEGIN {}", ";".repeat(300_000));
    assert_eq!(super::split(&up).unwrap().len(), 1);
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{:?}", began.elapsed());
}
