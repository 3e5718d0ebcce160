//! Scripts and parameters as text.

use super::super::{Error, Feature, Kind, Parameters, Script, plan, reports, scripts, undo_plan};
use crate::provenance::schema::batches;

/// Names that try to leave their quotes, and values that look like placeholders.
fn hostile(feature: Feature) -> Parameters {
    let given = Parameters::default();
    match feature {
        Feature::QueryStore | Feature::Predict => given,
        Feature::Billing => given.with("memory", "yes"),
        Feature::Columnstore => given.with("method", "page"),
        Feature::Temporal => given
            .with("table", "a]'; DROP TABLE t --")
            .with("schema", "{{table}}")
            .with("as_of", "2026-01-02T03:04:05.5Z"),
        Feature::Filestream => given
            .with("table", "o'hara]")
            .with("key", "id")
            .with("root", "/data/o'hara/")
            .with("payload", "{{root_text}}"),
    }
}

/// Each script of a feature, filled.
fn every(feature: Feature) -> Vec<Script> {
    let given = hostile(feature);
    let checked = given.checked(feature).unwrap();
    let mut scripts = plan(feature, &given).unwrap();
    scripts.push(undo_plan(feature, &given).unwrap());
    let mut extra = vec![("status", scripts::of(feature).status)];
    match feature {
        Feature::Temporal => extra.push(("restore", scripts::RESTORE)),
        Feature::Filestream => extra.push(("migrate", scripts::MIGRATE)),
        Feature::QueryStore | Feature::Billing | Feature::Columnstore | Feature::Predict => {}
    }
    for (name, sql) in extra {
        scripts.push(scripts::script(feature, name, sql, None, &checked).unwrap());
    }
    scripts
}

#[test]
fn each_placeholder_is_filled_and_none_is_filled_twice() {
    for feature in Feature::ALL {
        for script in every(feature) {
            for left in script.sql.split("{{").skip(1) {
                // The two values that look like placeholders are names, and stay.
                let is_value = left.starts_with("table}}") || left.starts_with("root_text}}");
                assert!(is_value, "{}: {{{{{left:.40}", script.name);
            }
        }
    }
}

#[test]
fn a_name_cannot_leave_its_quotes() {
    for script in every(Feature::Temporal) {
        let sql = &script.sql;
        let count = |text: &str| sql.matches(text).count();
        let bare = count("a]'; DROP TABLE t --");
        assert_eq!(bare, 0, "{}", script.name);
        let (name, history) = (count("[a]]'; DROP"), count("[a]]'; DROP TABLE t --_History]"));
        let closed = count("[a]]'; DROP TABLE t --]");
        assert_eq!(name, closed + history, "{}", script.name);
        assert!(count("a]''; DROP TABLE t --'") + count("[a]]''; DROP TABLE t --]") > 0);
    }
    let moving = every(Feature::Filestream);
    let migrate = moving.iter().find(|script| script.name == "filestream/migrate").unwrap();
    assert!(migrate.sql.contains("N'/data/o''hara/'") && migrate.sql.contains("[o'hara]]]"));
}

#[test]
fn every_script_that_changes_something_says_whether_it_can_be_taken_back() {
    let mut permanent = Vec::new();
    for feature in Feature::ALL {
        for script in plan(feature, &hostile(feature)).unwrap() {
            let undo = script.undo.as_deref().unwrap_or_default();
            match &script.permanent {
                Some(why) => permanent.push((script.name.clone(), why.clone())),
                None => assert!(undo.len() > 10 && !undo.contains("--"), "{}: {undo}", script.name),
            }
            assert!(batches(&script.sql).count() > 0);
        }
    }
    let names: Vec<_> = permanent.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["billing/memory", "filestream/filestream"]);
    assert!(permanent[0].1.ends_with("from then on"), "{permanent:?}");
}

#[test]
fn a_choice_picks_its_script() {
    let names = |feature, given: Parameters| -> Vec<_> {
        plan(feature, &given).unwrap().into_iter().map(|script| script.name).collect()
    };
    let given = Parameters::default;
    assert_eq!(names(Feature::Columnstore, given()), ["columnstore/enable"]);
    assert_eq!(names(Feature::Columnstore, given().with("method", "page")), ["columnstore/page"]);
    assert_eq!(names(Feature::Billing, given()), ["billing/enable", "billing/memory"]);
    assert_eq!(names(Feature::Billing, given().with("memory", "no")), ["billing/enable"]);
    let moving = hostile(Feature::Filestream).with("filestream", "no");
    assert_eq!(names(Feature::Filestream, moving), ["filestream/check", "filestream/enable"]);
}

#[test]
fn the_seeds_tables_keep_their_years_of_history() {
    let kept = |given: Parameters| {
        let sql = plan(Feature::Temporal, &given).unwrap().remove(0).sql;
        let at = sql.find("HISTORY_RETENTION_PERIOD = ").unwrap();
        sql[at + 27..].split('\n').next().unwrap().to_owned()
    };
    let of = |table| Parameters::default().with("table", table);
    assert_eq!(kept(of("ModelLayers")), "2 YEARS");
    assert_eq!(kept(of("TensorAtoms")), "1 YEARS");
    assert_eq!(kept(of("TensorAtoms").with("retention_years", "7")), "7 YEARS");
}

#[test]
fn a_parameter_that_is_missing_or_malformed_is_named() {
    let said = |feature: Feature, given: Parameters| plan(feature, &given).unwrap_err().to_string();
    let given = Parameters::default;
    let long = "x".repeat(129);
    for (feature, given, part) in [
        (Feature::Temporal, given(), "temporal: table is not given".to_owned()),
        (Feature::QueryStore, given().with("size", "1"), "it takes none".to_owned()),
        (Feature::Billing, given().with("memory", "maybe"), "neither yes nor no".to_owned()),
        (Feature::Billing, given().with("table", "t"), "it takes memory".to_owned()),
        (
            Feature::Columnstore,
            given().with("method", "zip"),
            "none of columnstore, page".to_owned(),
        ),
        (Feature::Temporal, given().with("table", ""), "table is empty".to_owned()),
        (Feature::Temporal, given().with("table", "a\nGO\nb"), "control character".to_owned()),
        (Feature::Temporal, given().with("table", &long), "longer than the 128".to_owned()),
        (Feature::Temporal, given().with("table", &long[1..]), "history is longer".to_owned()),
        (Feature::Temporal, given().with("retention_years", "0"), "from 1 to 100".to_owned()),
        (Feature::Temporal, given().with("as_of", "2026-01-02 03:04"), "no time in UTC".to_owned()),
        (Feature::Temporal, given().with("as_of", "2026-02-30T00:00:00Z"), "no time".to_owned()),
        (Feature::Filestream, given().with("root", "/data"), "no separator at its end".to_owned()),
        (Feature::Filestream, given().with("root", "/a/../"), "leads up".to_owned()),
    ] {
        let said = said(feature, given);
        assert!(said.contains(&part), "{part} is not in: {said}");
    }
}

#[test]
fn a_stray_placeholder_is_a_bug() {
    let checked = Parameters::default().checked(Feature::Billing).unwrap();
    for template in ["{{nothing}}", "{{memory_text}}", "{{memory"] {
        let error = checked.fill(Feature::Billing, template).unwrap_err();
        assert!(matches!(error, Error::Placeholder { .. }), "{error}");
    }
    assert_eq!(checked.fill(Feature::Billing, "a{{memory}}b").unwrap(), "a1b");
}

#[test]
fn names_of_features_parse_back() {
    for feature in Feature::ALL {
        assert_eq!(Feature::parse(feature.name()).unwrap(), feature);
        for one in feature.parameters() {
            assert!(!one.what.is_empty());
            assert!(one.kind != Kind::Flag || one.default.is_some(), "{}", one.name);
        }
    }
    assert!(Feature::parse("ledger").unwrap_err().to_string().contains("query_store, billing"));
}

#[test]
fn every_report_is_one_tagged_select() {
    for report in reports() {
        assert_eq!(batches(report.sql).count(), 1);
        let code: Vec<_> = report.sql.lines().filter(|line| !line.starts_with("--")).collect();
        let first = code[0];
        assert!(first.starts_with("SELECT") && first.ends_with("/* kaizen */"), "{}", report.name);
        assert!(code.iter().all(|line| !line.contains(';')), "{}", report.name);
        assert!(!report.title.is_empty());
    }
    assert_eq!(reports().len(), 7);
}
