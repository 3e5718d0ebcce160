//! The loop on a SQL Server database, as a user sees it: deployed, watched, kept or taken back. The
//! server is a stand-in, which proves what Kaizen sends and concludes and not how SQL Server behaves.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
mod live;

use live::{Hour, INDEX, Target, USUAL, WORKFLOW};
use serde_json::Value;

const BETTER: Hour = Hour { ms: 4.0, ..USUAL };

fn checks(run: &Value) -> Vec<String> {
    let checks = run["evidence"]["checks"].as_array().unwrap().iter();
    checks.map(|check| format!("{} {}", check["name"], check["result"]).replace('"', "")).collect()
}

#[test]
fn an_index_that_helps_is_deployed_watched_and_kept() {
    let target = Target::new(3);
    target.waiting(&[]);
    assert_eq!(target.indexes(), [] as [&str; 0], "nothing before the approval");
    let deployed = target.approved();
    assert_eq!(deployed["status"], "sleeping", "{deployed}");
    assert_eq!(
        (target.indexes(), target.marks()),
        (vec![INDEX.to_owned()], vec!["up begun".to_owned(), "up done".to_owned()])
    );
    assert!(target.head().contains("Orders"), "{}", target.head());
    target.a_day_of(BETTER, 3);
    let kept = target.resume_until("finished");
    assert_eq!(kept["outcome"], "kept", "{kept}");
    let pct = kept["evidence"]["improvement_pct"].as_f64().unwrap();
    assert!((89.0..91.0).contains(&pct), "{pct}");
    let expected =
        ["guard passed", "results not_measurable", "tests not_measurable", "captured passed"];
    assert_eq!(checks(&kept), expected);
    target.kaizen(&["audit", "verify"]).exits(0);
}

#[test]
fn an_index_that_does_not_help_is_taken_back() {
    let target = Target::new(3);
    target.waiting(&[]);
    assert_eq!(target.approved()["status"], "sleeping");
    let early = target.resumed();
    assert_eq!(early["status"], "sleeping", "a day is not over: {early}");
    target.a_day_of(USUAL, 3);
    let back = target.kaizen(&["resume", "r1", "--json"]).exits(4).json();
    assert_eq!(back["evidence"]["verdict"], "too_small", "{back}");
    assert_eq!(target.indexes(), [] as [&str; 0]);
    assert!(target.head().starts_with("Revert"), "{}", target.head());
    assert_eq!(target.marks(), ["up begun", "up done", "down begun", "down done"]);
    target.kaizen(&["audit", "verify"]).exits(0);
}

#[test]
fn where_too_little_ran_nothing_is_told_and_nothing_kept() {
    let target = Target::new(3);
    target.waiting(&[]);
    target.approved();
    target.a_day_of(Hour { executions: 5, ..BETTER }, 3);
    let back = target.kaizen(&["resume", "r1", "--json"]).exits(4).json();
    assert_eq!(back["evidence"]["verdict"], "inconclusive", "{back}");
    assert_eq!(back["evidence"]["improvement_pct"], Value::Null);
    let why = target.kaizen(&["show", "r1"]).stdout;
    assert!(why.contains("120 executions") && why.contains("at least 200"), "{why}");
}

#[test]
fn a_busier_server_is_no_reason_against_a_change_nor_an_idler_one_for_it() {
    // Everything takes half as long, on tables that nobody touched as well: not the index's doing.
    let target = Target::new(3);
    target.waiting(&[]);
    target.approved();
    let began = live::now() / 3_600 * 3_600 + 3_600;
    let day: Vec<i64> = (0..25).map(|at| began + at * 3_600).collect();
    target.hours(&day, Hour { ms: 20.0, write_ms: 1.0, ..USUAL }, 3);
    target.server.tamper(&format!(
        "UPDATE sys.query_store_runtime_stats SET avg_duration = avg_duration / 2 WHERE plan_id IN (2, 5, 6) \
         AND runtime_stats_interval_id >= {began}"
    ));
    target.server.advance(std::time::Duration::from_secs(26 * 3_600));
    let back = target.kaizen(&["resume", "r1", "--json"]).exits(4).json();
    assert_eq!(back["evidence"]["verdict"], "too_small", "{back}");
    let pct = back["evidence"]["improvement_pct"].as_f64().unwrap();
    assert!(pct.abs() < 3.0, "{pct}");
}

#[test]
fn what_makes_another_query_of_the_table_slower_is_taken_back() {
    let target = Target::new(3);
    target.server.tamper(
        "INSERT INTO sys.query_store_query VALUES (7, '0x7', 1, 0)\nGO\n\
         INSERT INTO sys.query_store_plan VALUES (7, 7, '0xE', \
         '<S StatementType=\"SELECT\"><Object Schema=\"[dbo]\" Table=\"[Orders]\"/></S>', 0)\nGO\n\
         INSERT INTO sys.query_store_runtime_stats SELECT 7, r.runtime_stats_interval_id, 0, 1, 100, \
         8000.0, 8000.0, 100.0 FROM sys.query_store_runtime_stats AS r WHERE r.plan_id = 1",
    );
    target.waiting(&[]);
    target.approved();
    target.a_day_of(BETTER, 3);
    target.server.tamper(
        "INSERT INTO sys.query_store_plan VALUES (8, 7, '0xF', \
         '<S StatementType=\"SELECT\"><Object Schema=\"[dbo]\" Table=\"[Orders]\"/></S>', 0)\nGO\n\
         INSERT INTO sys.query_store_runtime_stats SELECT 8, r.runtime_stats_interval_id, 0, 1, 100, \
         12000.0, 12000.0, 100.0 FROM sys.query_store_runtime_stats AS r WHERE r.plan_id = 3",
    );
    let back = target.kaizen(&["resume", "r1", "--json"]).exits(4).json();
    assert_eq!(back["evidence"]["verdict"], "regressed", "{back}");
    assert!(target.kaizen(&["show", "r1"]).stdout.contains("0x7"));
}

#[test]
fn the_guard_ends_it_at_once_where_executions_fail_or_are_blocked() {
    for blocked in [false, true] {
        let target = Target::new(3);
        target.waiting(&[]);
        target.approved();
        // A rollback for its own sake would wait; this one is an emergency.
        target.edit("freeze = false ", "freeze = true ");
        let began = live::now() / 3_600 * 3_600 + 3_600;
        target.hours(&[began], Hour { failed: if blocked { 0 } else { 10 }, ..BETTER }, 3);
        if blocked {
            let requests = ["(5, 60, 45000)"; 11].join(", ");
            target.server.tamper(&format!("INSERT INTO sys.dm_exec_requests VALUES {requests}"));
        }
        target.server.advance(std::time::Duration::from_secs(2 * 3_600 + 60));
        let back = target.kaizen(&["resume", "r1", "--json"]).exits(4).json();
        assert_eq!(checks(&back), ["guard failed"], "{back}");
        assert_eq!(target.indexes(), [] as [&str; 0]);
        let said = target.kaizen(&["show", "r1"]).stdout;
        let why = if blocked {
            "11 requests have been blocked"
        } else {
            "9.1 % of the executions of 0x1"
        };
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_server_that_is_away_while_it_is_watched_costs_no_attempt() {
    let mut target = Target::new(3);
    target.waiting(&[]);
    target.approved();
    target.server.stop();
    for _ in 0..4 {
        let away = target.resumed();
        assert_eq!((&away["status"], &away["attempt"]), (&"sleeping".into(), &1.into()), "{away}");
    }
    target.server.restart();
    target.a_day_of(BETTER, 3);
    assert_eq!(target.resumed()["outcome"], "kept");
}

#[test]
fn an_approval_is_void_on_another_server_and_after_ddl_by_others() {
    let target = Target::new(3);
    target.waiting(&[]);
    target.kaizen(&["approve", "r1", "--reason", "tested"]).exits(0);
    target.server.tamper("CREATE INDEX by_hand ON dbo.Customers (Name)");
    let void = target.kaizen(&["resume", "r1", "--json"]).exits(3).json();
    assert_eq!(
        (&void["status"], target.indexes()),
        (&"waiting_approval".into(), vec!["by_hand".to_owned()])
    );
    let why = target.kaizen(&["why", "r1"]).stdout;
    assert!(why.contains("schema"), "{why}");

    // Made at another time, it is another database, whatever its name.
    target.kaizen(&["approve", "r1", "--reason", "seen again"]).exits(0);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let other = Target::new(3);
    other.server.tamper("CREATE INDEX by_hand ON dbo.Customers (Name)");
    let mut command = target.project.command(&["resume", "r1", "--json"]);
    command.env("KAIZEN_TARGET_SHOP", other.server.connection_string());
    let void = common::ran(&command.output().unwrap()).exits(3).json();
    assert_eq!(void["status"], "waiting_approval", "{void}");
    assert_eq!(other.indexes(), ["by_hand"]);
    let why = target.kaizen(&["why", "r1"]).stdout;
    assert!(why.contains("target"), "{why}");
    // And it is asked about what is there.
    target.kaizen(&["cancel", "r1", "--reason", "enough"]).exits(0);
}

#[test]
fn a_deployed_run_does_not_go_on_with_another_server() {
    let target = Target::new(3);
    target.waiting(&[]);
    target.approved();
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let other = Target::new(3);
    let cancel = ["cancel", "r1", "--reason", "wrong week"];
    let mut command = target.project.command(&cancel);
    command.env("KAIZEN_TARGET_SHOP", other.server.connection_string());
    common::ran(&command.output().unwrap());
    let asks = target.kaizen(&["show", "r1", "--json"]).json();
    assert_eq!(asks["status"], "needs_operator", "{asks}");
    assert_eq!(asks["failure"]["code"], "another_database");
    assert_eq!(other.indexes(), [] as [&str; 0]);
    let end = target.resumed();
    assert_eq!((&end["outcome"], target.indexes()), (&"cancelled".into(), vec![]), "{end}");
}

#[test]
fn a_deployment_waits_for_its_window_and_a_rollback_for_the_end_of_a_freeze() {
    let target = Target::new(3);
    target.edit("windows = [] ", "windows = [\"0 0 29 2 * for 1h\"] ");
    target.waiting(&[]);
    let waits = target.approved();
    assert_eq!((&waits["status"], target.indexes()), (&"sleeping".into(), vec![]), "{waits}");
    let said = target.kaizen(&["show", "r1"]).stdout;
    assert!(said.contains("maintenance window that opens at 2028-02-29T00:00:00"), "{said}");
    target.kaizen(&["cancel", "r1", "--reason", "not that late"]).exits(0);

    target.edit("windows = [\"0 0 29 2 * for 1h\"] ", "windows = [\"* * * * * for 1m\"] ");
    target.waiting(&[]);
    let open = target.kaizen(&["approve", "r2", "--reason", "tested", "--resume", "--json"]).json();
    assert_eq!((&open["status"], target.indexes().len()), (&"sleeping".into(), 1), "{open}");
    target.a_day_of(USUAL, 3);
    target.edit("freeze = false ", "freeze = true ");
    let frozen = target.kaizen(&["resume", "r2", "--json"]).json();
    assert_eq!((&frozen["status"], target.indexes().len()), (&"sleeping".into(), 1), "{frozen}");
    target.edit("freeze = true ", "freeze = false ");
    target.kaizen(&["resume", "r2"]).exits(4);
    assert_eq!(target.indexes(), [] as [&str; 0]);
}

#[test]
fn a_lock_is_waited_for_and_given_up_in_the_end() {
    for edition in [2, 3] {
        let target = Target::new(edition);
        target.waiting(&[]);
        target.server.fault("CREATE NONCLUSTERED INDEX", 1, locked());
        let waits = target.approved();
        assert_eq!((&waits["status"], target.indexes()), (&"sleeping".into(), vec![]), "{waits}");
        let again = target.resumed();
        assert_eq!((&again["status"], target.indexes().len()), (&"sleeping".into(), 1), "{again}");
        // Each process that takes it up says so first, unless it is one transaction.
        let marks = ["up begun", "up begun", "up done"];
        assert_eq!(target.marks(), if edition == 3 { &marks[..] } else { &marks[2..] });

        let target = Target::new(edition);
        target.edit("retry_for = \"1h\" ", "retry_for = \"0s\" ");
        target.waiting(&[]);
        target.server.fault("CREATE NONCLUSTERED INDEX", 1, locked());
        let end = target.approved();
        assert_eq!((&end["outcome"], target.indexes()), (&"failed".into(), vec![]), "{end}");
        assert!(target.head().starts_with("Revert"), "{}", target.head());
    }
}

#[test]
fn whatever_breaks_while_a_script_runs_it_runs_once() {
    use kaizen_stand_in::Fault::{CutAfter, CutBefore};
    const MARK: &str = "INSERT INTO /* kaizen */ kaizen.applied";
    const BUILD: &str = "CREATE NONCLUSTERED INDEX";
    let places = [
        (2, MARK, CutAfter),
        (2, BUILD, CutBefore),
        (2, BUILD, CutAfter),
        (2, "COMMIT TRANSACTION", CutBefore),
        (2, "COMMIT TRANSACTION", CutAfter),
        (3, MARK, CutAfter),
        (3, BUILD, CutBefore),
        (3, BUILD, CutAfter),
    ];
    for (edition, place, fault) in places {
        let target = Target::new(edition);
        target.waiting(&[]);
        target.server.fault(place, 1, fault.clone());
        // A connection that broke is tried again within the command.
        let watched = target.approved();
        assert_eq!(target.server.faults_left(), 0, "{place} was never sent");
        assert_eq!(watched["phase"], "evaluate", "{place} {fault:?}: {watched}");
        assert_eq!(target.indexes(), [INDEX], "{place} {fault:?}");
        // One that was no transaction is told by the catalogue where its second mark is missing.
        let marks = if edition == 2 { vec!["up done"] } else { vec!["up begun", "up done"] };
        let found = target.marks();
        let adopted = edition == 3 && (place, &fault) == (BUILD, &CutAfter);
        assert_eq!(found, marks[..marks.len() - usize::from(adopted)], "{place} {fault:?}");
        target.kaizen(&["cancel", "r1", "--reason", "seen enough"]).exits(0);
        assert_eq!(target.indexes(), [] as [&str; 0], "{place} {fault:?}");
    }
}

/// Two indexes, neither in a transaction.
const TWO: &str = "title = \"Two at once\"\n\
    up = \"CREATE INDEX one ON dbo.Orders (CustomerId) WITH (ONLINE = ON); \
           CREATE INDEX two ON dbo.Orders (Total) WITH (ONLINE = ON, RESUMABLE = ON);\"\n\
    down = \"DROP INDEX two ON dbo.Orders; DROP INDEX one ON dbo.Orders;\"\n";

#[test]
fn what_stands_half_when_a_script_fails_is_taken_back() {
    let target = Target::new(3);
    let file = target.project.change("two.toml", TWO);
    target.waiting(&["--change", &file]);
    let full = "Could not allocate space for object 'dbo.Orders'.".to_owned();
    let full = kaizen_stand_in::Fault::Error { number: 1105, severity: 17, message: full };
    target.server.fault("CREATE INDEX two", 1, full);
    let end = target.approved();
    assert_eq!((&end["outcome"], target.indexes()), (&"failed".into(), vec![]), "{end}");
    assert_eq!(target.marks(), ["up begun", "down begun", "down done"]);
    assert!(target.head().starts_with("Revert"), "{}", target.head());
}

/// Error 1222, after which a script is tried again in two minutes.
fn locked() -> kaizen_stand_in::Fault {
    let message = "Lock request time out period exceeded.".to_owned();
    kaizen_stand_in::Fault::Error { number: 1222, severity: 16, message }
}

/// Leaves the build of `two` paused, as a server does that was restarted.
fn pause(target: &Target) {
    target.server.fault("CREATE INDEX two", 1, locked());
    target.approved();
    assert_eq!(target.indexes(), ["one"]);
    target.server.tamper(
        "INSERT INTO sys.index_resumable_operations SELECT o.object_id, 'two', 'PAUSED', 40.0, \
         'CREATE INDEX two ON dbo.Orders (Total)' FROM sys.tables AS o WHERE o.name = 'Orders'",
    );
}

fn paused(target: &Target) -> usize {
    target.server.query("SELECT r.name FROM sys.index_resumable_operations AS r").len()
}

#[test]
fn a_paused_build_goes_on_where_it_was_and_is_ended_when_the_run_goes_back() {
    let target = Target::new(3);
    let file = target.project.change("two.toml", TWO);
    target.waiting(&["--change", &file]);
    pause(&target);
    let done = target.resumed();
    assert_eq!(done["status"], "sleeping", "{done}");
    assert_eq!((target.indexes(), paused(&target)), (vec!["one".to_owned(), "two".to_owned()], 0));
    let resumed = target.server.statements();
    assert!(resumed.iter().any(|sql| sql == "ALTER INDEX [two] ON [dbo].[Orders] RESUME"));

    let target = Target::new(3);
    let file = target.project.change("two.toml", TWO);
    target.waiting(&["--change", &file]);
    pause(&target);
    target.kaizen(&["cancel", "r1", "--reason", "not now"]).exits(0);
    let end = target.kaizen(&["show", "r1", "--json"]).json();
    assert_eq!(end["outcome"], "cancelled", "{end}");
    assert_eq!((target.indexes(), paused(&target)), (vec![], 0));
    let ended = target.server.statements();
    assert!(ended.iter().any(|sql| sql == "ALTER INDEX [two] ON [dbo].[Orders] ABORT"));
}

#[test]
fn an_index_that_is_there_and_another_is_a_persons_to_judge() {
    let target = Target::new(3);
    target.waiting(&[]);
    target.server.fault("CREATE NONCLUSTERED INDEX", 1, locked());
    target.approved();
    target.server.tamper(&format!("CREATE INDEX {INDEX} ON dbo.Orders (Total)"));
    let asks = target.kaizen(&["resume", "r1", "--json"]).exits(3).json();
    assert_eq!(asks["status"], "needs_operator", "{asks}");
    assert!(asks["failure"]["message"].as_str().unwrap().contains("key columns"), "{asks}");
}

#[test]
fn what_the_limits_do_not_allow_is_refused_and_what_may_pass_is_waited_for() {
    // 1,000,000 rows in 50 MiB, built while the table is blocked.
    let target = Target::new(2);
    target.edit("max_offline_mb = 64 ", "max_offline_mb = 10 ");
    let run = target.kaizen(&["start", WORKFLOW, "--apply", "--json"]).exits(6).json();
    assert_eq!(run["failure"]["code"], "refused_by_preflight", "{run}");
    let why = run["failure"]["message"].as_str().unwrap();
    assert!(why.contains("50 MiB") && why.contains("at most 10"), "{why}");

    let target = Target::new(3);
    target.waiting(&[]);
    target.server.tamper("UPDATE sys.dm_db_log_space_usage SET used_log_space_in_percent = 95.0");
    let waits = target.approved();
    assert_eq!((&waits["status"], target.head()), (&"sleeping".into(), "Set up Kaizen".to_owned()));
    let said = target.kaizen(&["show", "r1"]).stdout;
    assert!(said.contains("the transaction log is 95 % full, at most 70 %"), "{said}");
    target.server.tamper("UPDATE sys.dm_db_log_space_usage SET used_log_space_in_percent = 20.0");
    target.resumed();
    assert_eq!(target.indexes(), [INDEX]);
}

#[test]
fn nothing_is_deployed_that_nobody_could_watch() {
    for (what, told) in [
        (
            "UPDATE sys.database_query_store_options SET actual_state_desc = 'READ_ONLY'",
            "not collect",
        ),
        (
            "UPDATE sys.database_query_store_options SET interval_length_minutes = 1440",
            "1 intervals",
        ),
    ] {
        let target = Target::new(3);
        target.server.tamper(what);
        let run = target.kaizen(&["start", WORKFLOW, "--apply", "--json"]).exits(6).json();
        let why = run["failure"]["message"].as_str().unwrap();
        assert!(why.contains(told), "{why}");
    }
}

#[test]
fn a_change_is_tried_on_a_restored_copy_where_there_is_one() {
    let target = Target::new(3);
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let copy = kaizen_stand_in::StandIn::start();
    live::make_database(&copy);
    let start = |connection: &str, change: &str| {
        let file = target.project.change("change.toml", change);
        let mut command = target.command(&["start", WORKFLOW, "--change", &file, "--json"]);
        command.env("KAIZEN_TARGET_SHOP_COPY", connection);
        common::ran(&command.output().unwrap())
    };
    let fine = start(&copy.connection_string(), TWO).exits(0).json();
    let told = checks(&fine);
    assert!(told.contains(&"applies passed".to_owned()), "{told:?}");
    assert!(told.contains(&"down passed".to_owned()), "{told:?}");
    let half = TWO.replace("DROP INDEX two ON dbo.Orders; ", "");
    let refused = start(&copy.connection_string(), &half).exits(6).json();
    assert_eq!(refused["failure"]["code"], "refused_by_preflight", "{refused}");
    let live = start(&target.server.connection_string(), TWO).json();
    assert_eq!(live["failure"]["code"], "copy_is_live", "{live}");
    assert_eq!(target.indexes(), [] as [&str; 0]);
}

#[test]
fn the_doctor_says_what_a_targets_logins_lack() {
    let target = Target::new(3);
    // A function of the server's: no SQLite has it.
    let without = target.kaizen(&["doctor"]).exits(1).stdout;
    assert!(without.contains("without it no limit on the disks"), "{without}");
    target.server.teach("dm_os_volume_stats", &["50000".to_owned()]);
    let fine = target.kaizen(&["doctor"]).exits(0).stdout;
    assert!(fine.contains("shop: the login to observe"), "{fine}");
    assert!(fine.contains("shop: the login to deploy"), "{fine}");
    target.server.revoke("deployer", "INSERT");
    let lacks = target.kaizen(&["doctor"]).exits(1).stdout;
    assert!(lacks.contains("write its marks") && lacks.contains("grants deploy"), "{lacks}");
    assert_eq!(target.marks(), [] as [&str; 0]);
}

/// Forces the plan that the last day ran with, until a few seconds from now.
fn forcing(target: &Target) -> String {
    target.server.tamper(
        "UPDATE sys.query_store_query SET query_hash = '0x00000000000000A1' WHERE query_id = 1\nGO\n\
         UPDATE sys.query_store_plan SET query_plan_hash = '0x00000000000000B1' WHERE plan_id = 3",
    );
    // No SQLite puts statements together and runs them; what follows of them is done by hand.
    target.server.teach("sp_query_store_force_plan", &[]);
    target.server.teach("sp_query_store_unforce_plan", &[]);
    let forcing = kaizen_steps::sql::forcing::Forcing {
        query: "0x00000000000000A1".to_owned(),
        plan: "0x00000000000000B1".to_owned(),
        until: kaizen_engine::journal::Timestamp((live::now() + 3) * 1_000_000),
    };
    use kaizen_steps::sql::forcing::Way;
    let (up, down) = (forcing.script(Way::Force), forcing.script(Way::Unforce));
    format!("title = \"The earlier plan\"\nup = \"\"\"\n{up}\"\"\"\ndown = \"\"\"\n{down}\"\"\"\n")
}

#[test]
fn a_forced_plan_is_judged_by_its_query_and_taken_back_when_its_time_is_over() {
    let target = Target::new(3);
    let file = target.project.change("plan.toml", &forcing(&target));
    target.waiting(&["--change", &file]);
    let forced = target.approved();
    assert_eq!(
        (&forced["status"], &forced["change"]["kind"]),
        (&"sleeping".into(), &"plan".into())
    );
    let by_hand = |forced: u8| {
        target.server.tamper(&format!(
            "UPDATE sys.query_store_plan SET is_forced_plan = {forced} WHERE plan_id = 3"
        ));
    };
    by_hand(1);
    target.a_day_of(BETTER, 3);
    let kept = target.resumed();
    assert_eq!(kept["outcome"], "kept", "{kept}");
    let pct = kept["evidence"]["improvement_pct"].as_f64().unwrap();
    assert!((89.0..91.0).contains(&pct), "{pct}");
    let learnt = || {
        let show = |name: &str| target.kaizen(&["models", "show", name, "--json"]).exits(0).json();
        (show("ChangeSuccessPredictor"), show("Weights")["features"].clone())
    };
    let (kept_model, kept_weights) = learnt();
    while live::now()
        < kaizen_engine::journal::Timestamp::parse(kept["finished_at"].as_str().unwrap()).unwrap().0
            / 1_000_000
            + 4
    {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    target.kaizen(&["resume", "--all"]).exits(0);
    let over = target.kaizen(&["show", "r1", "--json"]).json();
    assert_eq!(over["outcome"], "rolled_back", "{over}");
    assert!(target.kaizen(&["why", "r1"]).stdout.contains("to be forced until"));
    assert!(target.marks().contains(&"down done".to_owned()), "{:?}", target.marks());
    // Its time was over: it has not failed, and what was learnt from it stays.
    let (model, weights) = learnt();
    assert_eq!((&model["versions"], &weights), (&kept_model["versions"], &kept_weights));
    let trained = target.kaizen(&["models", "train", "--json"]).exits(0).json();
    assert_eq!(trained["models"][0]["known"], true, "the label is the same: {trained}");
    target.kaizen(&["audit", "verify"]).exits(0);
}

#[test]
fn a_plan_is_not_forced_where_the_server_does_so_or_has_it_no_more() {
    let target = Target::new(3);
    let file = target.project.change("plan.toml", &forcing(&target));
    let start =
        || target.kaizen(&["start", WORKFLOW, "--apply", "--change", &file, "--json"]).json();
    target.server.tamper(
        "INSERT INTO sys.database_automatic_tuning_options VALUES ('FORCE_LAST_GOOD_PLAN', 'ON')",
    );
    assert_eq!(start()["failure"]["code"], "automatic_tuning");
    target.server.tamper("DELETE FROM sys.database_automatic_tuning_options WHERE 1 = 1");
    assert_eq!(start()["status"], "waiting_approval");
    target.server.tamper("DELETE FROM sys.query_store_plan WHERE plan_id = 3");
    let gone = target.kaizen(&["approve", "r2", "--reason", "tested", "--resume", "--json"]).json();
    assert_eq!(gone["outcome"], "failed", "{gone}");
    assert!(gone["failure"]["message"].as_str().unwrap().contains("no plan"), "{gone}");
}

#[test]
fn what_stood_there_before_is_not_taken_for_the_runs_own() {
    // In one transaction the server itself refuses a second index of that name.
    let target = Target::new(3);
    let file = target.project.change("two.toml", TWO);
    target.waiting(&["--change", &file]);
    target.kaizen(&["approve", "r1", "--reason", "tested"]).exits(0);
    target.kaizen(&["cancel", "r1", "--reason", "another way"]).exits(0);
    // Somebody makes the very same index by hand, and it is approved as part of the schema.
    target.server.tamper("CREATE INDEX one ON dbo.Orders (CustomerId)");
    target.waiting(&["--change", &file]);
    let end = target.kaizen(&["approve", "r2", "--reason", "tested", "--resume", "--json"]).json();
    assert_eq!(end["outcome"], "failed", "{end}");
    assert_eq!(end["failure"]["code"], "already_there");
    assert_eq!(target.indexes(), ["one"], "it is theirs");
    assert!(target.head().starts_with("Revert"), "{}", target.head());
}

#[test]
fn ddl_between_the_commit_and_the_script_voids_the_script_too() {
    let target = Target::new(3);
    target.waiting(&[]);
    // The commit is made, and the script could not get its lock.
    target.server.fault("CREATE NONCLUSTERED INDEX", 1, locked());
    let waits = target.approved();
    assert!(waits["commit"].is_string() && target.indexes().is_empty(), "{waits}");
    target.server.tamper("CREATE INDEX by_hand ON dbo.Customers (Name)");
    let end = target.resumed();
    assert_eq!(end["outcome"], "failed", "{end}");
    assert_eq!(end["failure"]["code"], "approval_void");
    assert_eq!(target.indexes(), ["by_hand"]);
    assert!(target.head().starts_with("Revert"), "{}", target.head());
}

#[test]
fn a_change_is_not_compared_with_a_time_before_another_on_the_same_table() {
    let target = Target::new(3);
    target.waiting(&[]);
    target.approved();
    target.a_day_of(BETTER, 3);
    assert_eq!(target.resumed()["outcome"], "kept");
    // The next one does nothing, and history from before the first would praise it.
    let next = "title = \"Another\"\nup = \"CREATE INDEX more ON dbo.Orders (Note) WITH (ONLINE = ON)\"\n\
                down = \"DROP INDEX more ON dbo.Orders\"\n";
    let file = target.project.change("next.toml", next);
    target.waiting(&["--change", &file]);
    target.kaizen(&["approve", "r2", "--reason", "tested", "--resume"]);
    let began = live::now() / 3_600 * 3_600 + 27 * 3_600;
    let day: Vec<i64> = (0..25).map(|at| began + at * 3_600).collect();
    target.hours(&day, BETTER, 3);
    target.server.advance(std::time::Duration::from_secs(27 * 3_600));
    let back = target.kaizen(&["resume", "r2", "--json"]).exits(4).json();
    assert_eq!(back["evidence"]["verdict"], "too_small", "{back}");
    assert_eq!(target.indexes(), [INDEX]);
}

#[test]
fn what_a_dry_run_proposed_can_be_deployed() {
    let target = Target::new(3);
    let dry = target.kaizen(&["start", WORKFLOW, "--json"]).exits(0).json();
    assert_eq!((&dry["outcome"], target.indexes()), (&"dry_run".into(), vec![]), "{dry}");
    target.waiting(&["--from", "r1"]);
    let run = target.kaizen(&["approve", "r2", "--reason", "seen", "--resume", "--json"]).json();
    assert_eq!((&run["status"], target.indexes().len()), (&"sleeping".into(), 1), "{run}");
    assert_eq!(run["change"]["digest"], dry["change"]["digest"]);
}
