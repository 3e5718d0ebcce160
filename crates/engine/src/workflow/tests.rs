//! Definitions and policies as people write them, right and wrong.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::digest::Digest;
use crate::error::{Class, Classified};
use proptest::prelude::*;
use std::time::Duration;

const RUST: &str = include_str!("../../../../workflows/rust-benchmark.toml");
const PYTHON: &str = include_str!("../../../../workflows/python-benchmark.toml");
const SHORTEST: &str = "name = \"x\"\n[target]\nkind = \"sqlite\"\ndatabase = \"app.db\"\nworkload = [\"workload/*.sql\"]\n";
const SHIPPED: &str = include_str!("../../../../workflows/sqlite-index-tuning.toml");

/// The message for [`SHORTEST`] followed by `more`, whose first line is line 6.
fn refusal(more: &str) -> String {
    Definition::parse(&format!("{SHORTEST}{more}")).unwrap_err().to_string()
}

fn full(text: &str) -> String {
    Definition::parse(text).unwrap_err().to_string()
}

#[test]
fn the_shortest_definition_has_safe_defaults() {
    let definition = Definition::parse(SHORTEST).unwrap();
    assert_eq!(definition.approval.quorum, 1);
    assert!(!definition.deploy.push);
    assert_eq!(definition.deploy.branch, None);
    assert_eq!(definition.design.max_changes, 1);
    assert!(!definition.auto_approve.permits("index", 1.0));
    assert_eq!(definition.budget.compute, Duration::from_secs(300));
    assert_eq!(definition.evaluate.may_be_absent, ["tests"]);
}

#[test]
fn the_shipped_definition_is_the_template_and_says_what_the_defaults_are() {
    let template =
        Definition::template("sqlite-index-tuning", "app.db", &["workload/*.sql".to_owned()]);
    assert_eq!(template, SHIPPED);
    let mut shipped = Definition::parse(SHIPPED).unwrap();
    let shortest = Definition::parse(SHORTEST).unwrap();
    shipped.name.clone_from(&shortest.name);
    shipped.description.clone_from(&shortest.description);
    assert_eq!(shipped, shortest);
}

#[test]
fn a_template_quotes_what_it_is_given() {
    let globs = ["q \"1\"/*.sql".to_owned(), "more/**/*.sql".to_owned()];
    let text = Definition::template("t", "data\\own \"db\".sqlite", &globs);
    let Target::Sqlite { database, workload } = Definition::parse(&text).unwrap().target else {
        panic!("the template is about SQLite");
    };
    assert_eq!(database, "data\\own \"db\".sqlite");
    assert_eq!(workload, globs);
}

#[test]
fn a_definition_survives_the_way_to_text_and_back() {
    let definition = Definition::parse(SHIPPED).unwrap();
    let text = toml::to_string(&definition).unwrap();
    assert_eq!(Definition::parse(&text).unwrap(), definition);
}

#[test]
fn the_table_of_keys_is_that_of_the_types() {
    let mut sqlite = Definition::parse(SHORTEST).unwrap();
    sqlite.deploy.branch = Some("main".to_owned());
    let server = Definition::sqlserver_template("tuning", "shop", "Shop");
    let mut server = Definition::parse(&server).unwrap();
    // What is as by default is not written.
    server.sqlserver.max_blocked += 1;
    let mut command = Definition::parse(RUST).unwrap();
    let Target::Command { analyze, .. } = &mut command.target else { panic!("{command:?}") };
    analyze.push("profile".to_owned());
    command.confine.network = true;
    (command.model.url, command.model.name) = ("https://models.test/v1".into(), "m".into());
    let mut keys = std::collections::BTreeSet::new();
    for definition in [sqlite, server, command] {
        for (name, value) in &toml::Table::try_from(&definition).unwrap() {
            match value.as_table() {
                Some(section) => keys.extend(section.keys().map(|key| format!("{name}.{key}"))),
                None => drop(keys.insert(name.clone())),
            }
        }
    }
    let mut known: Vec<_> = rules::DEFINITION.keys().map(schema::Key::path).collect();
    known.sort();
    assert_eq!(known, keys.into_iter().collect::<Vec<_>>());
}

#[test]
fn a_misspelt_key_is_named_with_its_line_and_the_right_one() {
    assert_eq!(
        refusal("[evaluate]\n\n  min_improvment_pct = 5\n"),
        "unknown key `min_improvment_pct` in [evaluate] (line 8); did you mean `min_improvement_pct`?"
    );
    assert_eq!(
        refusal("[evalaute]\nmin_improvement_pct = 5\n"),
        "unknown key `evalaute` at the top level (line 6); did you mean `evaluate`?"
    );
    assert_eq!(
        full(&format!("quorum = 2\n{SHORTEST}")),
        "unknown key `quorum` at the top level (line 1); it belongs in [approval]"
    );
    assert_eq!(
        refusal("[budget]\ncolour = \"red\"\n"),
        "unknown key `colour` in [budget] (line 7); known: compute, cycles_per_hour, max_failures, model_tokens, model_cost"
    );
}

#[test]
fn a_position_counts_lines_and_characters_from_one() {
    let text = format!("{SHORTEST}[deploy]\npush = false\n\u{e4} = 1\n");
    let error = Definition::parse(&text).unwrap_err();
    assert!(matches!(error, Error::Syntax { .. }), "{error}");
    let text = format!("description = \"\u{e4}\u{e4}\"\n{SHORTEST}[deploy]\n  pusch = true\n");
    let at = Definition::parse(&text).unwrap_err().position().unwrap();
    assert_eq!(at, Position { line: 8, column: 3 });
}

#[test]
fn the_first_fault_in_the_text_is_the_one_reported() {
    let message = refusal("[evaluate]\nmax_regression_pct = -1\n[budget]\nwrong = 1\n");
    assert!(message.contains("max_regression_pct"), "{message}");
}

#[test]
fn a_wrong_unit_says_what_to_write() {
    assert_eq!(
        refusal("[budget]\ncompute = \"5 parsecs\"\n"),
        "`budget.compute` (line 7): `5 parsecs` is no duration: write 30s, 5m, 2h, 7d"
    );
    assert_eq!(
        refusal("[analyze]\nquery_timeout = 30\n"),
        "`analyze.query_timeout` (line 7): `30` is no duration: write \"30s\", \"5m\", \"2h\", \"7d\""
    );
    assert_eq!(
        refusal("[analyze]\nquery_timeout = \"0s\"\n"),
        "`analyze.query_timeout` (line 7): `0s` is out of range: from 1ms to a year"
    );
}

#[test]
fn thresholds_out_of_range_are_refused() {
    for (section, line, reason) in [
        ("evaluate", "min_improvement_pct = -5", "a percentage from 0 to 100, found integer `-5`"),
        ("evaluate", "max_regression_pct = -0.5", "a percentage of 0 or more, found float `-0.5`"),
        ("evaluate", "max_write_cost_pct = nan", "a percentage of 0 or more, found float `nan`"),
        (
            "evaluate",
            "min_success_probability = 75",
            "a probability from 0 to 1, found integer `75`",
        ),
        ("auto_approve", "min_probability = inf", "a probability from 0 to 1, found float `inf`"),
        ("design", "max_changes = 4", "a whole number from 1 to 3, found integer `4`"),
        ("approval", "quorum = 0", "a whole number from 1 to 20, found integer `0`"),
        ("analyze", "repetitions = 2.5", "a whole number from 1 to 50, found float `2.5`"),
        ("deploy", "push = \"yes\"", "true or false, found string `yes`"),
    ] {
        let key = line.split(' ').next().unwrap();
        let expected = format!("`{section}.{key}` (line 7): expected {reason}");
        assert_eq!(refusal(&format!("[{section}]\n{line}\n")), expected);
    }
}

#[test]
fn an_unknown_target_or_designer_is_answered_with_the_known_ones() {
    assert_eq!(
        full(&SHORTEST.replace("\"sqlite\"", "\"oracle\"")),
        "unknown target `oracle` in `target.kind` (line 3); known: sqlite, sqlserver, command"
    );
    assert_eq!(
        full(&SHORTEST.replace("\"sqlite\"", "\"sqllite\"")),
        "unknown target `sqllite` in `target.kind` (line 3); did you mean `sqlite`?"
    );
    assert_eq!(
        refusal("[design]\ndesigner = \"oracle\"\n"),
        "unknown designer `oracle` in `design.designer` (line 7); known: rules, agent, model"
    );
    assert_eq!(
        refusal("[auto_approve]\nkinds = [\"index\", \"data\"]\n"),
        "unknown kind of change that may go without a human `data` in `auto_approve.kinds` (line 7); \
         known: statistics, index, drop_index, code, view, schema"
    );
}

#[test]
fn an_empty_or_odd_name_is_refused() {
    let named = |name: &str| full(&SHORTEST.replace("\"x\"", name));
    let rule = "write 1 to 64 of the characters a-z, 0-9 and -";
    assert_eq!(named("\"\""), format!("`name` (line 1): an empty text is no name: {rule}"));
    assert_eq!(named("\"My Flow\""), format!("`name` (line 1): `My Flow` is no name: {rule}"));
    assert_eq!(named("7"), "`name` (line 1): expected a text in quotes, found integer `7`");
}

#[test]
fn what_must_be_there_is_named() {
    assert_eq!(full(""), "`name` is missing at the top level (line 1)");
    assert_eq!(full("name = \"x\"\n"), "`kind` is missing in [target] (line 1)");
    assert_eq!(
        full("name = \"x\"\n\n[target]\nkind = \"sqlite\"\nworkload = [\"*.sql\"]\n"),
        "`database` is missing in [target] (line 3)"
    );
    assert_eq!(full("target = 5\n"), "`target` (line 1): this is a section: write it as [target]");
}

#[test]
fn a_text_that_is_no_toml_is_refused_with_line_and_column() {
    let error = Definition::parse("name = \"x\"\n[target\nkind = 1\n").unwrap_err();
    assert_eq!(error.position().map(|at| at.line), Some(2), "{error}");
    assert!(error.to_string().starts_with("not valid TOML at line 2, column "), "{error}");
    let twice = refusal("[target]\nkind = \"sqlite\"\n");
    assert!(twice.starts_with("not valid TOML at line 6"), "{twice}");
}

#[test]
fn paths_stay_in_the_project_and_off_the_gate() {
    assert_eq!(
        refusal("[generate]\npaths = [\"../other/**\"]\n"),
        "`generate.paths` (line 7): the path `../other/**` leads out of the project"
    );
    assert_eq!(
        refusal("[generate]\npaths = [\"/etc/**\"]\n"),
        "`generate.paths` (line 7): the path `/etc/**` is not relative to the project"
    );
    assert_eq!(
        refusal("[generate]\npaths = [\"migrations/**\", \"./Workflows/*\"]\n"),
        "`generate.paths` (line 7): `./Workflows/*` opens workflows/, which no change may touch"
    );
    assert_eq!(
        refusal("[generate]\nmigrations = \"db\"\n"),
        "`generate.migrations` (line 7): scripts written to `db` match no pattern of `paths`"
    );
    let message = refusal("[generate]\npaths = [\"a/***\"]\n");
    assert!(message.contains("`a/***` is no glob pattern"), "{message}");
    assert!(Definition::parse(&format!("{SHORTEST}[generate]\npaths = [\"**\"]\n")).is_ok());
}

#[test]
fn lists_are_checked_item_by_item() {
    assert_eq!(
        full(&SHORTEST.replace("[\"workload/*.sql\"]", "[]")),
        "`target.workload` (line 5): names no file; without queries there is nothing to measure"
    );
    assert_eq!(
        refusal("[approval]\nquorum = 2\napprovers = [\"ann\"]\n"),
        "`approval.quorum` (line 7): 2 must approve, and `approvers` names only 1"
    );
    assert_eq!(
        refusal("[approval]\nquorum = 2\napprovers = [\"ann\", \"ann\"]\n"),
        "`approval.approvers` (line 8): `ann` stands there twice"
    );
    let message = refusal("[evaluate]\ntests = [\"./check.sh --fast\"]\n");
    assert!(message.contains("each an array of arguments"), "{message}");
    assert!(refusal("[evaluate]\ntests = [[]]\n").ends_with("a command without a program: []"));
}

#[test]
fn automatic_approval_needs_kind_stage_and_probability() {
    let stage = |stage: &str| {
        let more = format!("[auto_approve]\nkinds = [\"index\"]\nstage = \"{stage}\"\n");
        Definition::parse(&format!("{SHORTEST}{more}")).unwrap().auto_approve
    };
    assert!(stage("limited").permits("index", 0.95));
    assert!(stage("autonomous").permits("index", 0.9));
    assert!(!stage("limited").permits("index", 0.89));
    assert!(!stage("limited").permits("index", f64::NAN));
    assert!(!stage("limited").permits("view", 0.95));
    assert!(!stage("supervised").permits("index", 0.95));
}

#[test]
fn the_digest_is_of_the_bytes() {
    assert_eq!(Definition::digest(SHORTEST), Digest::of(&[SHORTEST.as_bytes()]));
    assert_ne!(Definition::digest(SHORTEST), Definition::digest(&format!("{SHORTEST}# note\n")));
}

#[test]
fn an_error_is_the_operators_to_mend_and_has_a_stable_code() {
    let error = Definition::parse("").unwrap_err();
    assert_eq!((error.class(), error.code()), (Class::Operator, "workflow_missing_key"));
}

#[test]
fn the_policy_template_says_what_the_defaults_are() {
    assert_eq!(Policy::parse(Policy::template()).unwrap(), Policy::default());
    assert_eq!(Policy::parse("").unwrap(), Policy::default());
    let message = Policy::parse("[floor]\nquorom = 2\n").unwrap_err().to_string();
    assert_eq!(message, "unknown key `quorom` in [floor] (line 2); did you mean `quorum`?");
    let message = Policy::parse("[data]\nliterals = \"drop\"\n").unwrap_err().to_string();
    assert_eq!(message, "unknown choice `drop` in `data.literals` (line 2); known: strip, keep");
}

#[test]
fn no_workflow_is_looser_than_the_floor() {
    let check = |policy: &str, more: &str| {
        let definition = Definition::parse(&format!("{SHORTEST}{more}")).unwrap();
        Policy::parse(policy).unwrap().check(&definition).map_err(|error| error.to_string())
    };
    assert_eq!(check("", ""), Ok(()));
    assert_eq!(
        check("[floor]\nquorum = 2\n", ""),
        Err("`approval.quorum` = 1 is looser than `floor.quorum` = 2 in kaizen.toml allows".into())
    );
    assert_eq!(check("[floor]\nquorum = 2\n", "[approval]\nquorum = 3\n"), Ok(()));
    let loose = check("", "[evaluate]\nmin_success_probability = 0.4\n").unwrap_err();
    assert!(loose.starts_with("`evaluate.min_success_probability` = 0.4 is looser"), "{loose}");
    let kinds = "[auto_approve]\nkinds = [\"index\"]\n";
    let loose = check("", kinds).unwrap_err();
    assert!(loose.starts_with("`auto_approve.kinds` = [\"index\"] is looser"), "{loose}");
    assert_eq!(check("[floor]\nauto_approve = true\n", kinds), Ok(()));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        let _ = Definition::parse(&text);
        let _ = Policy::parse(&text);
    }

    #[test]
    fn a_mutated_definition_is_read_or_refused_at_a_line_that_exists(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0usize..40, "[\\PC\n\"=\\[\\]-]{0,12}"), 1..4)
    ) {
        let mut text = SHIPPED.to_owned();
        for (place, length, insert) in edits {
            let mut start = place.index(text.len() + 1);
            while !text.is_char_boundary(start) { start -= 1; }
            let mut end = (start + length).min(text.len());
            while !text.is_char_boundary(end) { end += 1; }
            text.replace_range(start..end, &insert);
        }
        if let Err(error) = Definition::parse(&text) {
            let at = error.position().expect("what is in a text has a position");
            prop_assert!(at.line >= 1 && at.line <= text.matches('\n').count() + 1);
            prop_assert!(at.column >= 1);
        }
    }
}

#[test]
fn a_sql_server_target_has_its_own_keys() {
    let text = Definition::sqlserver_template("tuning", "shop-eu", "Shop");
    let target = Definition::parse(&text).unwrap().target;
    assert_eq!(target, Target::Sqlserver { name: "shop-eu".into(), database: "Shop".into() });
    assert!(text.contains("KAIZEN_TARGET_SHOP_EU"), "{text}");
    let refused = |target: &str| {
        let text = format!("name = \"a\"\n[target]\n{target}");
        Definition::parse(&text).unwrap_err().to_string()
    };
    let no_name = refused("kind = \"sqlserver\"\ndatabase = \"Shop\"");
    assert!(no_name.starts_with("`name` is missing in [target]"), "{no_name}");
    let both = refused("kind = \"sqlserver\"\nname = \"a\"\ndatabase = \"b\"\nworkload = [\"x\"]");
    assert!(both.contains("from Query Store"), "{both}");
    let named = refused("kind = \"sqlite\"\nname = \"a\"\ndatabase = \"b\"\nworkload = [\"x\"]");
    assert!(named.contains("named by its file"), "{named}");
}

#[test]
fn a_repository_has_commands_and_says_what_may_change() {
    for text in [RUST, PYTHON] {
        let definition = Definition::parse(text).unwrap();
        assert!(matches!(definition.target, Target::Command { .. }));
        assert_eq!(definition.design.designer, Designer::Agent);
    }
    let refused = |from: &str, to: &str| {
        assert!(RUST.contains(from), "{from}");
        Definition::parse(&RUST.replace(from, to)).unwrap_err().to_string()
    };
    for (from, to, said) in [
        ("test = [", "tested = [", "unknown key `tested` in [target]"),
        (
            "kind = \"command\"",
            "kind = \"sqlite\"",
            "the target is a SQLite database, which has no such key",
        ),
        ("designer = \"agent\"", "designer = \"rules\"", "the rules know databases only"),
        ("\nagent = [", "\n# agent = [", "the agent's command is missing"),
        ("paths = [\"src/**\"]", "", "say which files a change may touch"),
        ("\"src/**\"", "\"kaizen.toml\"", "which no change may touch"),
        ("mode = \"prefer\"", "mode = \"hope\"", "unknown choice `hope`"),
        ("timeout = \"10m\"", "timeout = 10", "`10` is no duration"),
    ] {
        let why = refused(from, to);
        assert!(why.contains(said), "{to}: {why}");
    }
}
