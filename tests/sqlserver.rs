//! The trail in SQL Server as a user sees it, on a stand-in for the server.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use common::{HELPFUL, Project, Ran, WORKFLOW, ran};
use kaizen_stand_in::StandIn;
use serde_json::{Value, json};
use std::{
    process::{Command, Stdio},
    time::Duration,
};

const SQLSERVER: &str = "workflows/sqlserver-index-tuning.toml";

/// A project, and a stand-in for the server that its trail goes to.
struct Here {
    project: Project,
    server: StandIn,
}

impl Here {
    /// With a trail that was made, and nothing in it.
    fn new() -> Here {
        let here = Here::bare();
        here.kaizen(&["sql", "apply"]).exits(0);
        here
    }

    fn bare() -> Here {
        Here { project: Project::quick(), server: StandIn::start() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.project.command(args);
        command.env("KAIZEN_SQLSERVER", self.server.connection_string());
        command
    }

    fn kaizen(&self, args: &[&str]) -> Ran {
        ran(&self.command(args).output().unwrap())
    }

    /// With another connection string.
    fn with(&self, string: &str, args: &[&str]) -> Ran {
        ran(&self.command(args).env("KAIZEN_SQLSERVER", string).output().unwrap())
    }

    /// A run that is rejected, and one that waits.
    fn two_runs(&self) {
        let file = self.project.change("idea.toml", HELPFUL);
        for _ in 0..2 {
            self.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
        }
        self.kaizen(&["reject", "r1", "--reason", "not now"]).exits(0);
    }

    fn count(&self, from: &str) -> u64 {
        let rows = self.server.query(&format!("SELECT COUNT(*) AS n FROM {from}"));
        rows[0][0].parse().unwrap()
    }

    fn events(&self) -> u64 {
        let sql = "SELECT count(*) FROM events";
        let count: i64 = self.project.journal().query_row(sql, [], |row| row.get(0)).unwrap();
        count.unsigned_abs()
    }

    fn status(&self) -> Value {
        self.kaizen(&["provenance", "status", "--json"]).json()
    }

    /// The kinds and stores of what `audit verify` finds, and that the exported verifier finds as
    /// many.
    fn audit(&self, exits: i32) -> Vec<String> {
        let verified = self.kaizen(&["audit", "verify", "--json"]).exits(exits).json();
        let told = verified["differences"].as_array().unwrap().iter();
        let told: Vec<_> = told
            .map(|told| {
                format!("{} {} {}", told["store"], told["kind"], told["at"]).replace('"', "")
            })
            .collect();
        let to = tempfile::tempdir().unwrap();
        let to = to.path().join("trail").display().to_string();
        self.kaizen(&["audit", "export", "--to", &to]).exits(0);
        let program = format!("{to}/verify.py");
        let check = Command::new("python3").args([&program, &to]).output().unwrap();
        let said = String::from_utf8(check.stdout).unwrap();
        // It is given neither history rows nor the server's artifacts.
        let rows = told.iter().filter(|told| told.contains(" event"));
        let expected = if rows.count() > 0 { Some(5) } else { Some(0) };
        assert_eq!(check.status.code(), expected, "{said}\n{told:?}");
        told
    }
}

#[test]
fn the_trail_is_planned_made_and_its_login_proven() {
    let here = Here::bare();
    let plan = here.kaizen(&["sql", "plan"]).exits(0).stdout;
    for part in ["V0__schema (reversible)", "V1__trail (reversible)", "CREATE TABLE kaizen.events"]
    {
        assert!(plan.contains(part), "{part} is not in {plan}");
    }
    here.project.kaizen(&["start", WORKFLOW, "--detach"]).exits(0);
    let none = here.kaizen(&["provenance", "sync", "--json"]).exits(2);
    assert_eq!(none.error(), "sqlserver_no_trail");
    assert!(none.json()["error"]["next"].as_str().unwrap().contains("kaizen sql apply"));
    let applied = here.kaizen(&["sql", "apply", "--json"]).exits(0).json();
    assert_eq!(applied["applied"], json!(["V1__trail"]));
    let again = here.kaizen(&["sql", "apply"]).exits(0).stdout;
    assert!(again.contains("nothing to do"), "{again}");
    let plan = here.kaizen(&["sql", "plan"]).exits(0).stdout;
    assert!(plan.contains("nothing to do"), "{plan}");
    let status = here.kaizen(&["sql", "status", "--json"]).exits(0).json();
    assert_eq!(status["drift"], json!([]));

    let may_all = here.kaizen(&["sql", "check"]).exits(1).stdout;
    assert!(may_all.contains("NOT proven") && may_all.contains("only the trigger"), "{may_all}");
    here.server.restrict("prov");
    let proven = here.kaizen(&["sql", "check", "--json"]).exits(0).json();
    assert_eq!(proven["ok"], true);
    let tried = proven["tried"].as_array().unwrap();
    assert!(tried.iter().all(|tried| tried["result"] == "as_it_must_be"), "{proven}");
    for table in ["journals", "events", "artifacts", "history"] {
        assert_eq!(here.count(&format!("kaizen.{table}")), 0, "what was tried has left no trace");
    }
    here.server.revoke("prov", "INSERT");
    let short = here.kaizen(&["doctor"]).exits(1).stdout;
    assert!(short.contains("without it no shipping") && short.contains("GRANT INSERT"), "{short}");
}

#[test]
fn a_login_of_a_target_must_not_reach_the_trail() {
    let here = Here::new();
    here.server.restrict("prov");
    let init = ["init", "--sqlserver", "shop", "--database", "Shop"];
    here.kaizen(&init).exits(0);
    let check = |user: &str| {
        let target = here.server.connection_string_for(user, here.server.port());
        let target = target.replace("Database=kaizen", "Database=shop");
        let mut command = here.command(&["sql", "check", "--json"]);
        let checked = ran(&command.env("KAIZEN_TARGET_SHOP", target).output().unwrap());
        let tried = checked.json()["tried"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(tried["what"], "target shop (observe): touch the trail");
        (checked.code, tried["result"].as_str().unwrap().to_owned())
    };
    assert_eq!(check("deployer"), (1, "wrong".to_owned()), "it may do anything there");
    here.server.tamper("CREATE USER deployer FOR LOGIN deployer");
    assert_eq!(check("deployer"), (0, "as_it_must_be".to_owned()));
}

#[test]
fn what_was_changed_by_hand_is_told_as_drift() {
    let here = Here::new();
    here.server.tamper("DROP TRIGGER kaizen.events_only_grow");
    here.server.tamper("ALTER TABLE kaizen.history ADD note nvarchar(100) NULL");
    let status = here.kaizen(&["sql", "status", "--json"]).exits(5).json();
    let drift = status["drift"].to_string();
    assert!(drift.contains("events_only_grow is gone"), "{drift}");
    assert!(drift.contains("kaizen.history.note is no column"), "{drift}");
    here.server.tamper("DISABLE TRIGGER ALL ON kaizen.schema_history");
    here.server.tamper("UPDATE kaizen.schema_history SET checksum = N'1' WHERE version = 1");
    let edited = here.kaizen(&["sql", "plan", "--json"]).exits(2);
    assert_eq!(edited.error(), "sqlserver_divergent_trail");
    here.server.tamper(
        "INSERT INTO kaizen.schema_history (version, name, applied_on, checksum) \
         VALUES (2, N'later', N'', N'7')",
    );
    here.project.kaizen(&["start", WORKFLOW, "--detach"]).exits(0);
    let newer = here.kaizen(&["provenance", "sync", "--json"]).exits(2);
    assert_eq!(newer.error(), "sqlserver_newer_trail");
}

#[test]
fn every_transition_arrives_with_the_command_that_made_it() {
    let here = Here::new();
    here.two_runs();
    assert_eq!(here.count("kaizen.events"), here.events());
    let status = here.status();
    assert_eq!(status["trails"][0]["lag"], 0, "{status}");
    assert_eq!(status["trails"][0]["current"], true);
    here.kaizen(&["approve", "r2", "--reason", "tested", "--resume"]).exits(0);
    assert_eq!(here.count("kaizen.events"), here.events());

    let history = "SELECT Outcome, ChangeType, RiskLevel, WasDeployed, WasRolledBack, TestsFailed, \
         ApprovedBy, GeneratedCode FROM dbo.AutonomousImprovementHistory ORDER BY RunNumber";
    let rows = here.server.query(history);
    let outcomes: Vec<_> = rows.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(outcomes, ["rejected", "kept"]);
    assert_eq!(rows[1][1..5], ["index", "low", "1", "0"]);
    assert!(rows[1][7].contains("CREATE INDEX item_owner"), "{rows:?}");
    let view = here.project.show("r2");
    let sql = "SELECT PerformanceDelta, SuccessScore, GitCommitHash, RunId \
               FROM dbo.AutonomousImprovementHistory WHERE RunNumber = 2";
    let kept = &here.server.query(sql)[0];
    let measured = view["evidence"]["improvement_pct"].as_f64().unwrap();
    assert_eq!(kept[0], format!("{measured:.4}"));
    assert_eq!(kept[2], view["commit"].as_str().unwrap());
    assert_eq!(kept[3].to_lowercase(), view["run_id"].as_str().unwrap());
    assert_eq!(here.audit(0), Vec::<String>::new());

    here.kaizen(&["rollback", "r2", "--reason", "slower in the evening"]).exits(0);
    let rows = here.server.query(history);
    assert_eq!((rows.len(), &*rows[1][0], &*rows[1][4]), (2, "rolled_back", "1"));
    assert_eq!(here.count("kaizen.history"), 3, "each revision stays");
    let runs = here.server.query("SELECT outcome FROM kaizen.runs ORDER BY run");
    assert_eq!(runs, [["rejected"], ["rolled_back"]]);
    let verified = here.kaizen(&["audit", "verify", "--json"]).exits(0).json();
    assert_eq!(verified["stores"]["sqlserver"], "verified");
    assert_eq!(verified["unanchored"], 0, "{verified}");
    assert_eq!(verified["anchors"][0]["stores"], json!(["sqlserver"]));
}

#[test]
fn runs_go_on_while_the_server_is_away() {
    let mut here = Here::new();
    here.server.stop();
    here.two_runs();
    let cancelled = here.kaizen(&["cancel", "r2", "--reason", "no"]).exits(0);
    assert!(cancelled.stderr.contains("kaizen provenance status"), "{}", cancelled.stderr);
    let status = here.status();
    assert!(status["error"].is_string() && status["trails"] == json!([]), "{status}");
    let away = here.kaizen(&["audit", "verify", "--json"]).exits(1).json();
    assert_eq!((&away["ok"], &away["stores"]["sqlserver"]), (&json!(false), &json!("unreachable")));
    here.server.restart();
    let synced = here.kaizen(&["provenance", "sync", "--json"]).exits(0).json();
    assert_eq!(
        (synced["shipped"].as_u64(), synced["lag"].as_u64()),
        (Some(here.events()), Some(0))
    );
    assert_eq!(here.audit(0), Vec::<String>::new());
}

#[test]
fn what_the_trail_has_not_got_is_not_compacted_and_that_is_said() {
    let mut here = Here::new();
    let compact = ["journal", "compact", "--older-than", "0s"];
    here.two_runs();
    here.server.stop();
    here.kaizen(&["reject", "r2", "--reason", "nor this"]).exits(0);
    here.server.restart();
    let said = format!("has not got: it has {} of {}", here.count("kaizen.events"), here.events());
    let kept = here.project.kaizen(&compact).exits(0).stdout;
    assert!(kept.contains(&said), "{kept}");
    assert!(here.project.show("r2")["compacted_at"].is_null(), "it stays");
    here.kaizen(&["provenance", "sync"]).exits(0);
    let taken = here.kaizen(&compact).exits(0).stdout;
    assert!(taken.contains("r2") && !taken.contains("has not got"), "{taken}");
    assert_eq!(here.audit(0), Vec::<String>::new());
}

#[test]
fn whenever_a_relay_is_killed_each_event_arrives_once() {
    let here = Here::new();
    let file = here.project.change("idea.toml", HELPFUL);
    let mut killed = 0;
    for _ in 0..4 {
        let before = here.count("kaizen.events");
        // Recorded by a process that knows of no server.
        here.project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
        for after in (1..).step_by(2).map(Duration::from_millis) {
            let mut sync = here.command(&["provenance", "sync"]);
            let mut child = sync.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(after);
            child.kill().unwrap();
            let ended = child.wait().unwrap();
            let held = here.count("kaizen.events");
            assert!(
                held == before || held == here.events(),
                "a batch arrives whole or not: {held}"
            );
            if ended.success() {
                break;
            }
            killed += 1;
        }
    }
    assert!(killed > 8, "killed {killed} times only");
    assert_eq!(here.status()["trails"][0]["lag"], 0);
    assert_eq!(here.audit(0), Vec::<String>::new());
}

#[test]
fn nothing_is_deployed_before_the_trail_has_it_where_policy_says_so() {
    let mut here = Here::new();
    here.project.edit_policy("require = \"eventually\"", "require = \"before_effects\"");
    let file = here.project.change("idea.toml", HELPFUL);
    let start = ["start", WORKFLOW, "--apply", "--change", &file];
    let none = here.project.kaizen(&[&start[..], &["--json"]].concat()).exits(2);
    assert_eq!(none.error(), "sqlserver_not_configured");
    here.kaizen(&start).exits(3);
    here.server.stop();
    let commits = here.project.git(&["rev-list", "--count", "HEAD"]);
    let mut approve = here.command(&["approve", "r1", "--reason", "tested", "--resume"]);
    let mut child = approve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let slept = here.project.waits_for("r1", "sleeping");
    assert_eq!(here.project.git(&["rev-list", "--count", "HEAD"]), commits, "nothing was done");
    here.server.restart();
    assert!(child.wait().unwrap().success(), "it goes on by itself");
    assert!(slept && here.count("kaizen.events") == here.events());
    assert_eq!(here.audit(0), Vec::<String>::new());
}

#[test]
fn what_a_forger_does_to_the_server_is_named_by_both_verifiers() {
    let forged = |sql: &str| {
        let here = Here::new();
        here.two_runs();
        for table in ["events", "artifacts", "history"] {
            here.server.tamper(&format!("DISABLE TRIGGER ALL ON kaizen.{table}"));
        }
        assert!(here.server.tamper(sql) > 0, "{sql}");
        (here.audit(5), here)
    };
    let (told, _) = forged("UPDATE kaizen.events SET event = event + N' ' WHERE seq = 3");
    assert_eq!(told, ["sqlserver edited event 3 (r1)"]);
    let (told, here) = forged("DELETE FROM kaizen.events WHERE seq = 2");
    assert_eq!(told, ["sqlserver missing event 2 (r1 event 2)"]);
    here.kaizen(&["provenance", "sync", "--resend"]).exits(0);
    assert_eq!(here.audit(0), Vec::<String>::new());
    let cut = "DELETE FROM kaizen.history; DELETE FROM kaizen.events WHERE seq > 10";
    let (told, here) = forged(cut);
    let cut = format!("sqlserver truncated events 11 to {}", here.events());
    assert_eq!(told, [cut], "its history rows went with it");
    let (told, _) = forged("UPDATE kaizen.history SET outcome = N'kept' WHERE run = 1");
    assert_eq!(told, ["sqlserver edited the history row of r1 revision 1"]);
    let (told, _) = forged("DELETE FROM kaizen.history WHERE run = 1");
    assert_eq!(told, ["sqlserver missing the history row of r1 revision 1"]);
    let (told, _) = forged("UPDATE kaizen.history SET run_id = NEWID() WHERE run = 1");
    assert_eq!(told, ["sqlserver edited the history row of r1 revision 1"]);
    let (told, _) = forged("UPDATE kaizen.history SET revision = 2 WHERE run = 1");
    let told: Vec<_> = told.iter().map(String::as_str).collect();
    assert_eq!(
        told,
        [
            "sqlserver missing the history row of r1 revision 1",
            "sqlserver extra the history row of r1 revision 2"
        ]
    );
}

#[test]
fn a_journal_restored_from_an_old_backup_is_told_by_the_trail() {
    let here = Here::new();
    here.two_runs();
    let journal = here.project.file(".kaizen/journal.db");
    let copy = || std::fs::read(&journal).unwrap();
    here.project.checkpoint();
    let old = copy();
    let had = here.events();
    here.kaizen(&["reject", "r2", "--reason", "not this either"]).exits(0);
    here.project.checkpoint();
    std::fs::write(&journal, old).unwrap();
    let told = here.audit(5);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with(&format!("journal truncated events {} to", had + 1)), "{told:?}");
    let sync = here.kaizen(&["provenance", "sync", "--json"]).exits(5);
    assert_eq!(sync.error(), "provenance_ahead");
}

#[test]
fn a_connection_that_cannot_be_had_is_explained() {
    let here = Here::new();
    here.project.kaizen(&["start", WORKFLOW, "--detach"]).exits(0);
    let good = here.server.connection_string();
    let bad = |from: &str, to: &str| {
        assert!(good.contains(from));
        let string = good.replace(from, to);
        let ended = here.with(&string, &["provenance", "sync", "--json"]);
        let shown = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!shown.contains("secret"), "{shown}");
        let next = ended.json()["error"]["next"].as_str().unwrap().to_owned();
        assert!(!next.is_empty());
        (ended.code, ended.error())
    };
    assert_eq!(bad("Password=secret", "Password=wrong"), (2, "sqlserver_login".to_owned()));
    assert_eq!(bad("Database=kaizen", "Database=kaizn"), (2, "sqlserver_database".to_owned()));
    assert_eq!(bad("Encrypt=", "Encrpt="), (2, "sqlserver_setting".to_owned()));
    assert_eq!(bad("User Id=prov", "Pooling=true"), (2, "sqlserver_setting".to_owned()));
    let doctor = here.with(&good.replace("secret", "wrong"), &["doctor"]).exits(1).stdout;
    assert!(doctor.contains("18456") && doctor.contains("mend:"), "{doctor}");
    let doctor = here.kaizen(&["doctor"]).exits(0).stdout;
    assert!(doctor.contains("sqlserver") && doctor.contains("schema version 1"), "{doctor}");
}

#[test]
fn serve_ships_what_others_record() {
    let here = Here::new();
    let mut serve = here.command(&["serve", "--every", "1s"]);
    let mut child = serve.stdout(Stdio::null()).spawn().unwrap();
    // Recorded by a process that knows of no server.
    let file = here.project.change("idea.toml", HELPFUL);
    here.project.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    let arrived = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        here.count("kaizen.events") == here.events()
    });
    let ended = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(ended.success());
    assert!(child.wait().unwrap().success(), "it stops when it is told to");
    assert!(arrived, "{} of {} events", here.count("kaizen.events"), here.events());
}

/// What a server that Kaizen may not connect to says of itself.
const EXPORT: &str = include_str!("exports/shop.jsonl");

#[test]
fn an_exported_query_store_is_analyzed_and_ends_at_the_gate() {
    let project = Project::empty();
    project.kaizen(&["init", "--sqlserver", "shop", "--database", "Shop", "--commit"]).exits(0);
    project.write("export.jsonl", EXPORT);
    let analyze = ["analyze", "--from-export", "export.jsonl"];
    let run = project.kaizen(&[&analyze[..], &["--json"]].concat()).exits(0).json();
    assert_eq!((&run["outcome"], &run["dry_run"]), (&json!("dry_run"), &json!(true)));
    assert_eq!(run["change"]["kind"], "index");
    assert_eq!(run["evidence"]["verdict"], "inconclusive");
    assert_eq!(run["evidence"]["improvement_pct"], Value::Null);
    let results = run["evidence"]["checks"].as_array().unwrap();
    assert!(results.iter().all(|check| check["result"] == "not_measurable"), "{run}");
    let shown = project.kaizen(&["show", "r1"]).exits(0).stdout;
    for part in ["nothing could be measured", "slower: 0x1", "another plan: 0x1", "CustomerId = ?"]
    {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    let journal = std::fs::read(project.file(".kaizen/journal.db")).unwrap();
    let log = std::fs::read(project.file(".kaizen/journal.db-wal")).unwrap_or_default();
    for secret in ["geheim", "4711"] {
        let held = [&journal, &log]
            .iter()
            .any(|bytes| bytes.windows(secret.len()).any(|found| found == secret.as_bytes()));
        assert!(!held, "{secret} was stored");
    }
    let apply = project.kaizen(&["start", SQLSERVER, "--apply", "--from", "r1", "--json"]).exits(2);
    assert_eq!(apply.error(), "sqlserver_not_configured");
    let live = project.kaizen(&["start", SQLSERVER, "--json"]).exits(2);
    assert_eq!(live.error(), "sqlserver_not_configured");
    project.kaizen(&["audit", "verify"]).exits(0);
}

#[test]
fn an_export_that_is_none_or_another_is_refused_before_there_is_a_run() {
    let project = Project::empty();
    project.kaizen(&["init", "--sqlserver", "shop", "--database", "Shop", "--commit"]).exits(0);
    let refused = |text: &str| {
        project.write("export.jsonl", text);
        let ended =
            project.kaizen(&["analyze", "--from-export", "export.jsonl", "--json"]).exits(2);
        assert_eq!(ended.error(), "export_unreadable");
        ended.json()["error"]["message"].as_str().unwrap().to_owned()
    };
    assert!(refused("(11 rows affected)").contains("line 1"));
    assert!(refused(&EXPORT[..EXPORT.len() / 2]).contains("line"));
    assert!(refused(&EXPORT.replace("\"Shop\"", "\"Other\"")).contains("is of the database Other"));
    let full = EXPORT.replace("\"actual_state\":\"READ_WRITE\"", "\"actual_state\":\"READ_ONLY\"");
    project
        .write("export.jsonl", &full.replace("\"readonly_reason\":0", "\"readonly_reason\":65536"));
    let ended = project.kaizen(&["analyze", "--from-export", "export.jsonl", "--json"]).exits(1);
    assert_eq!(ended.json()["error"]["code"], "query_store_off");
    assert!(ended.stdout.contains("maximum size"), "{}", ended.stdout);
}

#[test]
fn a_feature_is_named_and_its_parameters_are() {
    let here = Here::new();
    let plan = |args: &[&str]| here.kaizen(&[&["sql", "plan", "--json"], args].concat());
    let unknown = plan(&["--feature", "querystore"]).exits(2);
    assert_eq!(unknown.error(), "feature_unknown");
    assert!(unknown.stdout.contains("query_store"), "it says which there are: {}", unknown.stdout);
    let missing = plan(&["--feature", "temporal"]).exits(2);
    assert_eq!(missing.error(), "feature_parameter");
    let shapeless = plan(&["--feature", "temporal", "--set", "table"]).exits(2);
    assert_eq!(shapeless.error(), "feature_parameter");
    let nowhere = plan(&["--feature", "query_store", "--target", "shop"]).exits(2);
    assert_eq!(nowhere.error(), "sqlserver_not_configured");
}

#[test]
fn the_loop_is_reported_from_its_trail() {
    let here = Here::new();
    here.two_runs();
    let reports = here.kaizen(&["report", "--json"]).exits(0).json();
    let names: Vec<_> = reports.as_array().unwrap().iter().map(|r| r["name"].clone()).collect();
    assert_eq!(names, ["success_by_outcome", "alerts_of_the_loop"]);
    assert_eq!((&reports[0]["error"], &reports[1]["error"]), (&Value::Null, &Value::Null));
    let ended = &reports[0]["rows"][0];
    assert_eq!((&ended["outcome"], &ended["runs"]), (&json!("rejected"), &json!("1")));
    let said = here.kaizen(&["report"]).exits(0).stdout;
    assert!(said.contains("nothing done") && said.contains("48.0"), "{said}");
}

#[test]
fn the_export_script_is_printed_for_the_version_that_is_asked() {
    let project = Project::empty();
    let script = |version: &str| {
        project.kaizen(&["sql", "export", "--database", "Shop", "--server-version", version]).stdout
    };
    assert!(script("16").contains("r.replica_group_id") && script("16").contains("USE [Shop];"));
    assert!(!script("15").contains("replica_group_id"));
}

/// For `.ci/tsql`, which parses all that was sent.
#[test]
fn every_statement_is_written_down() {
    let here = Here::new();
    here.two_runs();
    for args in [
        &["sql", "status"][..],
        &["sql", "plan"],
        &["provenance", "status"],
        &["provenance", "sync", "--resend"],
        &["audit", "verify"],
    ] {
        here.kaizen(args).exits(0);
    }
    here.kaizen(&["sql", "check"]).exits(1);
    let mut sent = here.server.statements();
    for kind in ["schema-owner", "provenance", "observe", "deploy"] {
        for version in ["15", "16"] {
            let args = ["sql", "grants", kind, "--server-version", version];
            sent.push(here.kaizen(&args).exits(0).stdout);
        }
    }
    for version in ["15", "16"] {
        let args = ["sql", "export", "--database", "Shop", "--server-version", version];
        sent.push(here.kaizen(&args).exits(0).stdout);
    }
    let score = [("size_log10_bytes", -0.25), ("write_share", 1e-7)];
    sent.push(kaizen_steps::features::scoring_function("score", &score, 1.5).unwrap());
    // The few that only large values, repairs and forks need.
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../steps/src/provenance/sql");
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let batches = kaizen_stand_in::batches(&text);
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let rare = [
            "reach",
            "server_name",
            "fill_event",
            "fill_artifact",
            "fill_analysis",
            "fill_code",
            "fill_error",
        ];
        if rare.contains(&&*name) {
            sent.extend(batches);
            continue;
        }
        for batch in batches {
            let was_sent = sent.iter().any(|sent| sent.trim() == batch.trim());
            assert!(was_sent, "{} was not sent", path.display());
        }
    }
    let to = concat!(env!("CARGO_TARGET_TMPDIR"), "/tsql_sent.json");
    std::fs::write(to, serde_json::to_string(&sent).unwrap()).unwrap();
}
