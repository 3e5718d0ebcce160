//! What is learnt, as a user sees it: ratings, versions, figures, fitting anew, going back, and what
//! becomes of a label when a kept change is rolled back later.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
use common::{HELPFUL, Project};
use kaizen_engine::{
    digest::Digest,
    journal::{ApprovalPolicy, Created, Run},
    json::Json,
    shell::{Learnt, Store, SystemClock},
};
use kaizen_steps::{
    models::{Features, PlanPattern, QualityFeatures},
    payload::{Kind, ProvenanceRecord, WeightsUpdate},
};
use serde_json::Value;
use std::sync::Arc;

const PREDICTOR: &str = "ChangeSuccessPredictor";

/// Puts this many judged and rated changes into the history: full scans are worth an index, what is
/// covered is not, and small changes are liked.
fn teach(project: &Project, from: usize, rows: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = Store::open(&project.file(".kaizen/journal.db"), Arc::new(SystemClock)).unwrap();
    for at in from..from + rows {
        let helps = at % 3 != 0;
        let me = store.me().to_owned();
        let record = move |run: &Run| {
            let known = ProvenanceRecord::of_learning(run, format!("change {at}"));
            Json::of(&ProvenanceRecord {
                // One in ten is otherwise than its plan says.
                outcome: if helps == (at % 10 != 7) { "kept" } else { "rolled_back" }.to_owned(),
                features: Some(Features {
                    kind: Kind::Index,
                    plan_pattern: if helps { PlanPattern::FullScan } else { PlanPattern::Covered },
                    size_log10_bytes: 6.0 + (at % 7) as f64 / 4.0,
                    write_share: 0.1,
                    diff_lines_log: 2.0,
                    designer: "rules".to_owned(),
                    past_rate_of_kind: 0.5,
                }),
                quality: Some(QualityFeatures {
                    tests_share: 1.0,
                    diff_lines_log: (at % 5) as f64,
                    complexity_log: 1.0,
                    files_log: 1.0,
                    past_score: 60.0,
                }),
                ratings: vec![5 - u8::try_from(at % 5).unwrap()],
                ..known
            })
        };
        let texts = vec![b"definition".to_vec(), b"policy".to_vec()];
        let learnt = Learnt {
            output: Json::of(&WeightsUpdate::default()).unwrap(),
            models: Vec::new(),
            artifacts: texts,
        };
        let write = store.write(move |tx| tx.learn(created(), ("somebody", &me), &learnt, record));
        runtime.block_on(write).unwrap();
    }
}

fn created() -> Created {
    Created {
        number: 0,
        workflow: "history".to_owned(),
        workflow_path: String::new(),
        definition: Digest::of(&[b"definition"]),
        policy: Digest::of(&[b"policy"]),
        engine: kaizen_engine::BEHAVIOUR,
        kaizen: "0.1.0".to_owned(),
        dry_run: false,
        target: "history".to_owned(),
        from_run: None,
        change: None,
        export: None,
        designer: None,
        started_by: "somebody".to_owned(),
        approval: ApprovalPolicy::default(),
        pre_approved: None,
        budget_ms: 0,
        max_attempts: 1,
    }
}

fn json(project: &Project, args: &[&str]) -> Value {
    project.kaizen(&[args, &["--json"]].concat()).exits(0).json()
}

fn show(project: &Project, name: &str) -> Value {
    json(project, &["models", "show", name])
}

/// Version, whether it was promoted, whether it is in force.
fn versions(project: &Project, name: &str) -> Vec<(i64, bool, bool)> {
    let shown = show(project, name);
    let all = shown["versions"].as_array().unwrap().iter();
    all.map(|one| {
        let flag = |key: &str| one[key].as_bool().unwrap();
        (one["version"].as_i64().unwrap(), flag("promoted"), flag("in_force"))
    })
    .collect()
}

#[test]
fn models_are_fitted_anew_shown_and_put_back_and_the_trail_says_so() {
    let project = Project::new();
    teach(&project, 0, 60);
    let before = json(&project, &["models", "train", "--dry-run"]);
    assert_eq!((before["run"].is_null(), versions(&project, PREDICTOR).len()), (true, 0));
    let trained = json(&project, &["models", "train"]);
    assert_eq!(trained["run"], "r61");
    let promoted: Vec<_> = trained["models"].as_array().unwrap().iter().collect();
    let told = promoted.iter().map(|one| (one["name"].as_str().unwrap(), &one["promoted"]));
    let told: Vec<_> = told.map(|(name, promoted)| (name, promoted.as_bool().unwrap())).collect();
    assert_eq!(told[..2], [(PREDICTOR, true), ("QualityScorer", true)]);
    assert_eq!(json(&project, &["models", "train"])["run"], Value::Null, "nothing new");

    let shown = show(&project, PREDICTOR);
    assert_eq!(
        (&shown["method"], &shown["rows"], &shown["version"]),
        (&"logistic".into(), &60.into(), &1.into())
    );
    let figures = &shown["figures"];
    assert!(figures["loss"].as_f64().unwrap() < figures["simplest_loss"].as_f64().unwrap());
    assert!(figures["auc"].as_f64().unwrap() > 0.6, "{figures}");
    assert!(!figures["reliability"].as_array().unwrap().is_empty());
    let quality = show(&project, "qualityscorer");
    assert_eq!((&quality["method"], quality["figures"]["auc"].is_null()), (&"linear".into(), true));
    let read = project.kaizen(&["models", "show", PREDICTOR]).exits(0).stdout;
    for word in
        ["logistic model of 60", "plan=full_scan", "Brier score", "AUC", "█", "│", "in force"]
    {
        assert!(read.contains(word), "{word:?} is not in\n{read}");
    }

    teach(&project, 60, 5);
    json(&project, &["models", "train", PREDICTOR]);
    assert_eq!(versions(&project, PREDICTOR), [(1, true, false), (2, true, true)]);
    let back = ["models", "rollback", PREDICTOR, "--to", "1", "--reason", "a broken workload"];
    let restored = json(&project, &back);
    assert_eq!((&restored["version"], &restored["restored"]), (&3.into(), &1.into()));
    let shown = show(&project, PREDICTOR);
    assert_eq!((&shown["version"], &shown["rows"]), (&3.into(), &60.into()));
    let asked = &shown["versions"][2]["asked"];
    assert_eq!(
        (&asked["what"], &asked["reason"]),
        (&"restore".into(), &"a broken workload".into())
    );
    assert_eq!(shown["versions"][0]["digest"], shown["versions"][2]["digest"]);
    let run = restored["run"].as_str().unwrap();
    let why = project.kaizen(&["why", run]).exits(0).stdout;
    assert!(why.contains("version 1 put back: a broken workload"), "{why}");
    project.kaizen(&["show", run]).exits(0);
    assert_eq!(project.kaizen(&["resume", run, "--json"]).exits(2).error(), "already_finished");
    let version = ["models", "show", PREDICTOR, "--version", "2"];
    assert_eq!(json(&project, &version)["rows"], 65);

    json(&project, &["models", "train", PREDICTOR]);
    assert_eq!(versions(&project, PREDICTOR)[3], (4, true, true), "a person asked for it");
    project.kaizen(&["audit", "verify"]).exits(0);
    for (file, begins) in [("m.onnx", "\u{8}\u{8}"), ("m.sql", "CREATE OR ALTER FUNCTION")] {
        let to = project.file(file).display().to_string();
        let exported = json(&project, &["models", "export", PREDICTOR, "--to", &to]);
        assert_eq!(exported["features"].as_array().unwrap().len(), 23);
        assert!(std::fs::read(&to).unwrap().starts_with(begins.as_bytes()), "{file}");
    }
    let listed = json(&project, &["models", "list"]);
    let listed: Vec<_> = listed.as_array().unwrap().iter().collect();
    assert_eq!(listed.len(), 4);
    assert_eq!((&listed[0]["version"], &listed[0]["versions"]), (&4.into(), &4.into()));
    assert_eq!(listed[2]["method"], "order");
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let project = Project::new();
    let models = |args: &[&str]| project.kaizen(&[&["models"], args, &["--json"]].concat());
    assert_eq!(models(&["list"]).exits(2).error(), "no_journal");
    teach(&project, 0, 3);
    let nowhere = project.file("m.onnx").display().to_string();
    assert_eq!(models(&["show", "Oracle"]).exits(2).error(), "no_such_model");
    assert_eq!(models(&["export", PREDICTOR, "--to", &nowhere]).exits(2).error(), "nothing_learnt");
    assert_eq!(models(&["train", "Weights"]).exits(2).error(), "no_model_of_features");
    let few = models(&["show", PREDICTOR]).exits(0).json();
    assert_eq!((&few["method"], &few["rows"]), (&"base_rate".into(), &3.into()));
    models(&["train"]).exits(0);
    let function = project.file("m.sql").display().to_string();
    assert_eq!(models(&["export", PREDICTOR, "--to", &function]).exits(2).error(), "no_function");
    assert!(!project.file("m.sql").exists());
    let back =
        |to: &str, more: &[&str]| models(&[&["rollback", PREDICTOR, "--to", to], more].concat());
    let reason = ["--reason", "because"];
    assert_eq!(back("1", &[]).exits(2).error(), "no_reason");
    assert_eq!(back("1", &["--reason", " "]).exits(2).error(), "no_reason");
    assert_eq!(back("1", &reason).exits(2).error(), "version_in_force");
    for nothing in ["0", "9"] {
        let refused = back(nothing, &reason).exits(2).json();
        assert_eq!(refused["error"]["code"], "no_such_version");
        assert_eq!(refused["error"]["next"], format!("kaizen models show {PREDICTOR}"));
    }
    assert_eq!(back("first", &reason).exits(2).error(), "usage");
    let unwritable = models(&["export", PREDICTOR, "--to", "/nowhere/m.onnx"]).exits(2);
    assert_eq!(unwritable.error(), "export_unwritable");
    assert_eq!(versions(&project, PREDICTOR).len(), 1);
    project.kaizen(&["audit", "verify"]).exits(0);
}

#[test]
fn ten_updates_an_hour_are_the_most() {
    let project = Project::new();
    for at in 0..10 {
        teach(&project, at, 1);
        project.kaizen(&["models", "train", PREDICTOR]).exits(0);
    }
    teach(&project, 10, 1);
    let refused = project.kaizen(&["models", "train", PREDICTOR, "--json"]).exits(6);
    assert_eq!(refused.error(), "refused_too_often");
    project.kaizen(&["models", "train", PREDICTOR, "--dry-run"]).exits(0);
    assert_eq!(versions(&project, PREDICTOR).len(), 10);
}

#[test]
fn an_edited_model_is_damage_and_is_never_scored_with() {
    let project = Project::new();
    teach(&project, 0, 30);
    project.kaizen(&["models", "train"]).exits(0);
    let journal = rusqlite::Connection::open(project.file(".kaizen/journal.db")).unwrap();
    let edit = "DROP TRIGGER artifacts_are_never_changed;
        UPDATE artifacts
        SET bytes = CAST(replace(CAST(bytes AS TEXT), '\"rows\":30', '\"rows\":99') AS BLOB)
        WHERE instr(CAST(bytes AS TEXT), '\"method\":\"logistic\"') > 0;";
    journal.execute_batch(edit).unwrap();
    drop(journal);
    for command in ["show", "export"] {
        let to = project.file("m.onnx").display().to_string();
        let more: &[&str] = if command == "export" { &["--to", &to] } else { &[] };
        let args = [&["models", command, PREDICTOR][..], more, &["--json"]].concat();
        let said = project.kaizen(&args).exits(5);
        assert!(said.stdout.contains("was edited"), "{}", said.stdout);
    }
    project.kaizen(&["audit", "verify"]).exits(5);
}

#[test]
fn a_rating_is_kept_with_the_approval_and_shown() {
    let project = Project::quick();
    project.waiting(HELPFUL);
    let approve = |rating: &str| {
        project.kaizen(&["approve", "r1", "--reason", "tidy", "--rating", rating, "--json"])
    };
    for bad in ["0", "6", "abc", "-1", "4.5", ""] {
        assert_eq!(approve(bad).exits(2).error(), "usage", "{bad:?}");
    }
    assert_eq!(project.show("r1")["approvals"], serde_json::json!([]));
    let rejected = ["reject", "r1", "--reason", "no", "--rating", "3", "--json"];
    assert_eq!(project.kaizen(&rejected).exits(2).error(), "usage");
    assert_eq!(approve("4").exits(0).json()["approvals"][0]["rating"], 4);
    project.kaizen(&["resume", "r1"]);
    assert_eq!(project.events("r1", "approved")[0]["body"]["decision"]["rating"], 4);
    let read = project.kaizen(&["show", "r1"]).exits(0).stdout;
    assert!(read.contains("(cli, 4 of 5)"), "{read}");
    let quality = show(&project, "QualityScorer");
    assert_eq!((&quality["rows"], &quality["method"]), (&1.into(), &"mean".into()));
    project.kaizen(&["audit", "verify"]).exits(0);
}

/// A kept run whose change still stands.
fn kept() -> Project {
    let mut tries = (0..4).map(|_| {
        let project = Project::quick();
        let ended = project.run_to_end(HELPFUL, "r1").json();
        (project, ended["outcome"] == "kept")
    });
    // A noisy moment keeps nothing; that is not what is tested here.
    tries.find(|(_, kept)| *kept).expect("kept in one of four tries").0
}

fn weight(project: &Project, name: &str) -> f64 {
    let shown = show(project, "Weights");
    let all = shown["features"].as_array().unwrap().clone();
    let found = all.iter().find(|one| one["name"] == name);
    found.map_or(0.5, |one| one["coefficient"].as_f64().unwrap())
}

#[test]
fn a_kept_change_that_is_rolled_back_later_is_learnt_as_a_failure() {
    let project = kept();
    let stored = |project: &Project| {
        let sql = "SELECT CAST(a.bytes AS TEXT) FROM models AS m
            INNER JOIN artifacts AS a ON a.digest = m.digest
            WHERE m.name = 'ChangeSuccessPredictor' AND m.promoted ORDER BY m.version DESC";
        let text: String = project.journal().query_row(sql, [], |row| row.get(0)).unwrap();
        let model: Value = serde_json::from_str(&text).unwrap();
        (model["successes"].as_i64().unwrap(), model["failures"].as_i64().unwrap())
    };
    assert_eq!(stored(&project), (1, 0));
    assert!(weight(&project, "kind:index") > 0.5);
    project.kaizen(&["rollback", "r1", "--reason", "the report got slower"]).exits(0);
    assert_eq!(stored(&project), (0, 1), "the label is corrected, not added to");
    // What the first outcome had taught is taken back before the second is learnt.
    assert!((weight(&project, "kind:index") - 0.35).abs() < 1e-9);
    assert!((weight(&project, "designer:file") - 0.35).abs() < 1e-9);
    assert_eq!(show(&project, PREDICTOR)["rows"], 1);
    project.kaizen(&["models", "train"]).exits(0);
    assert_eq!(stored(&project), (0, 1), "fitting anew reads the latest revision");
    project.kaizen(&["audit", "verify"]).exits(0);
}

#[test]
fn a_version_that_a_person_put_back_stays_until_a_person_says_otherwise() {
    let project = Project::quick();
    teach(&project, 0, 3);
    project.kaizen(&["models", "train", PREDICTOR]).exits(0);
    teach(&project, 3, 1);
    project.kaizen(&["models", "train", PREDICTOR]).exits(0);
    let back = ["models", "rollback", PREDICTOR, "--to", "1", "--reason", "too rosy"];
    project.kaizen(&back).exits(0);
    let run = json(&project, &["runs", "--limit", "1"])[0]["number"].as_i64().unwrap() + 1;
    project.run_to_end(HELPFUL, &format!("r{run}"));
    let after = versions(&project, PREDICTOR);
    assert_eq!(after[2..], [(3, true, true), (4, false, false)], "an outcome does not replace it");
    project.kaizen(&["models", "train", PREDICTOR]).exits(0);
    assert_eq!(versions(&project, PREDICTOR).last(), Some(&(5, true, true)));
    project.kaizen(&["audit", "verify"]).exits(0);
}

/// Features are fixed by Generate, before anything is deployed: what is learnt after Evaluate are those
/// very bytes.
#[test]
fn nothing_that_evaluate_measures_is_a_feature() {
    let project = Project::quick();
    project.waiting(HELPFUL);
    let phase = |phase: &str| json(&project, &["show", "r1", "--phase", phase]);
    let generated = phase("generate");
    project.kaizen(&["approve", "r1", "--reason", "clear", "--rating", "5", "--resume"]);
    let (evaluated, record) = (phase("evaluate"), phase("record_provenance"));
    assert_eq!(record["features"], generated["features"]);
    assert_eq!(record["quality"], generated["quality"]["features"]);
    // And no feature goes by the name of anything that is measured.
    let mut measured = Vec::new();
    keys(&evaluated, &mut measured);
    for features in [&record["features"], &record["quality"]] {
        for name in features.as_object().unwrap().keys() {
            assert!(!measured.contains(name), "{name} is measured by Evaluate");
        }
    }
}

fn keys(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                into.push(key.clone());
                keys(value, into);
            }
        }
        Value::Array(all) => all.iter().for_each(|value| keys(value, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
