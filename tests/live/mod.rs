//! A SQL Server database as a target, on a stand-in: what it says of itself is made up here, what
//! Kaizen does to it is done.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use super::common::{Project, Ran, ran};
use kaizen_stand_in::StandIn;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    process::Command,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub const WORKFLOW: &str = "workflows/sqlserver-index-tuning.toml";

/// The index that the rules propose, as the stand-in holds it.
pub const INDEX: &str = "kz_Orders_CustomerId";

const HOUR: i64 = 3_600;

/// A project whose target is a database on a stand-in.
pub struct Target {
    pub project: Project,
    pub server: StandIn,
}

/// Seconds since 1970 of this machine.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// A little up and down, the same in every run.
fn noise(at: i64, of: i64) -> f64 {
    let x = ((at * 31 + of * 17) % 97) as f64 / 97.0;
    1.0 + 0.04 * (x - 0.5)
}

/// What stands in one hour of Query Store.
#[derive(Debug, Clone, Copy)]
pub struct Hour {
    pub executions: i64,
    /// Milliseconds of one execution of the query on Orders.
    pub ms: f64,
    /// Executions of it that failed.
    pub failed: i64,
    /// Milliseconds of the statement that writes to Orders.
    pub write_ms: f64,
}

pub const USUAL: Hour = Hour { executions: 100, ms: 40.0, failed: 0, write_ms: 2.0 };

impl Target {
    /// With a history of four weeks, and everything that a deployment needs. `edition`: 3 builds
    /// indexes online, 2 does not.
    pub fn new(edition: i64) -> Target {
        let target = Target { project: Project::empty(), server: StandIn::start() };
        target.project.kaizen(&["init", "--sqlserver", "shop", "--database", "kaizen"]).exits(0);
        target.project.git(&["add", "-A"]);
        target.project.git(&["commit", "-qm", "Set up Kaizen"]);
        make_database(&target.server);
        target.learn(edition);
        let began = now() / HOUR * HOUR;
        let weeks = (1..=4).flat_map(|back| {
            let from = began - back * 7 * 24 * HOUR;
            (0..28).map(move |hour| from + hour * HOUR)
        });
        let history: Vec<i64> = weeks.chain((1..=28).map(|hour| began - hour * HOUR)).collect();
        target.hours(&history, USUAL, 1);
        target
    }

    /// Replaces text in the workflow; it must be there.
    pub fn workflow(&self, from: &str, to: &str) {
        let text = self.project.read(WORKFLOW);
        assert!(text.contains(from), "{from:?} is not in {text}");
        self.project.write(WORKFLOW, &text.replace(from, to));
    }

    /// The same, committed.
    pub fn edit(&self, from: &str, to: &str) {
        self.workflow(from, to);
        self.project.git(&["commit", "-qam", "Change the workflow"]);
    }

    /// What the statements of an analysis answer: they are of a kind that no stand-in runs.
    fn learn(&self, edition: i64) {
        let at = now();
        let runtime = |hash: &str, ms: f64, ago: i64| {
            json!({
                "section": "runtime", "query_hash": hash, "plan_hash": "0xA", "replica": 1,
                "from_s": at - (ago + 1) * HOUR, "to_s": at - ago * HOUR, "execution_type": 0,
                "executions": 100.0, "duration_us": ms * 1_000.0, "duration_sd_us": ms * 100.0,
                "cpu_us": ms * 900.0, "reads_pages": 50.0,
            })
        };
        let query = |hash: &str, text: &str| {
            json!({ "section": "query", "query_hash": hash, "text": text,
                "object_schema": null, "object_name": null })
        };
        let sections = [
            json!({
                "section": "server", "format": 1, "version": "16.0.0.0", "edition": "stand-in",
                "engine_edition": edition, "server_name": "stand-in", "database_name": "kaizen",
                "compatibility_level": 160, "collation_name": "Latin1_General_CI_AS", "now_s": at,
                "uptime_s": 40 * 86_400, "cpu_used_ms": 1e9, "replicas": 0,
            }),
            json!({
                "section": "query_store", "actual_state": "READ_WRITE",
                "desired_state": "READ_WRITE", "readonly_reason": 0,
                "current_storage_size_mb": 100.0, "max_storage_size_mb": 1000.0,
                "interval_length_minutes": 60, "capture_mode": "AUTO",
                "force_last_good_plan": "OFF",
            }),
            runtime("0x1", 40.0, 1),
            runtime("0x2", 5.0, 1),
            query("0x1", "SELECT * FROM Orders WHERE CustomerId = 4711"),
            query("0x2", "SELECT * FROM Customers WHERE Id = 1"),
            json!({
                "section": "missing_index", "schema_name": "dbo", "table_name": "Orders",
                "columns": [{ "name": "CustomerId", "usage": "EQUALITY" },
                            { "name": "Total", "usage": "INCLUDE" }],
                "uses": 5_000, "cost": 12.5, "impact_pct": 80.0, "row_count": 1_000,
            }),
        ];
        for section in [
            "server",
            "query_store",
            "runtime",
            "query",
            "plan",
            "wait",
            "missing_index",
            "index",
            "tuning",
            "failed_test",
            "cost",
        ] {
            let lines = sections.iter().filter(|line| line["section"] == section);
            let lines: Vec<String> = lines.map(Value::to_string).collect();
            let named = match section {
                "failed_test" => "dbo.TestResults".to_owned(),
                "cost" => "there is no billing ledger".to_owned(),
                _ => format!("N'{section}' AS section"),
            };
            self.server.teach(&named, &lines);
        }
    }

    /// Hours of Query Store, all like this, with this plan of the query on Orders.
    pub fn hours(&self, from_s: &[i64], hour: Hour, plan: i64) {
        let (mut intervals, mut rows) = (Vec::new(), Vec::new());
        for from_s in from_s.iter().copied() {
            let (from, to) = (text(from_s), text(from_s + HOUR));
            intervals.push(format!("({from_s}, '{from}', '{to}')"));
            let mut row = |plan: i64, kind: i64, executions: i64, ms: f64| {
                let us = ms * 1_000.0 * noise(from_s / HOUR, plan);
                let reads = us / 10.0;
                rows.push(format!(
                    "({plan}, {from_s}, {kind}, 1, {executions}, {us}, {us}, {reads})"
                ));
            };
            row(plan, 0, hour.executions, hour.ms);
            row(2, 0, 100, 5.0);
            row(5, 0, 60, 12.0);
            row(6, 0, 30, 80.0);
            row(4, 0, 50, hour.write_ms);
            if hour.failed > 0 {
                row(plan, 4, hour.failed, hour.ms);
            }
        }
        self.server.tamper(&format!(
            "INSERT INTO sys.query_store_runtime_stats_interval VALUES {};\nGO\n\
             INSERT INTO sys.query_store_runtime_stats VALUES {};",
            intervals.join(", "),
            rows.join(", ")
        ));
    }

    /// A day and two hours go by on the server, each like this, with this plan.
    pub fn a_day_of(&self, hour: Hour, plan: i64) {
        let began = now() / HOUR * HOUR + HOUR;
        let day: Vec<i64> = (0..25).map(|at| began + at * HOUR).collect();
        self.hours(&day, hour, plan);
        self.server.advance(Duration::from_secs(26 * 3_600));
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.project.command(args);
        command.env(
            "KAIZEN_TARGET_SHOP",
            self.server.connection_string_for("observer", self.server.port()),
        );
        command.env(
            "KAIZEN_TARGET_SHOP_DEPLOY",
            self.server.connection_string_for("deployer", self.server.port()),
        );
        command
    }

    pub fn kaizen(&self, args: &[&str]) -> Ran {
        ran(&self.command(args).output().unwrap())
    }

    /// A run that waits for its approval.
    pub fn waiting(&self, more: &[&str]) {
        self.kaizen(&[&["start", WORKFLOW, "--apply"], more].concat()).exits(3);
    }

    /// Approves and goes on; the run as it stands then.
    pub fn approved(&self) -> Value {
        self.kaizen(&["approve", "r1", "--reason", "tested", "--resume", "--json"]).json()
    }

    pub fn resumed(&self) -> Value {
        self.kaizen(&["resume", "r1", "--json"]).json()
    }

    /// As the journal says: sleeping runs go on when their time has come.
    pub fn resume_until(&self, status: &str) -> Value {
        for _ in 0..40 {
            let run = self.resumed();
            if run["status"] == status {
                return run;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        panic!("never {status}: {}", self.resumed());
    }

    /// Names of the indexes on Orders.
    pub fn indexes(&self) -> Vec<String> {
        let sql = "SELECT x.name FROM sys.indexes AS x ORDER BY x.name";
        self.server.query(sql).into_iter().map(|row| row[0].clone()).collect()
    }

    /// Effects and states of the marker rows.
    pub fn marks(&self) -> Vec<String> {
        let sql =
            "SELECT a.effect, a.state FROM kaizen.applied AS a ORDER BY a.applied_at, a.state";
        self.server.query(sql).into_iter().map(|row| row.join(" ")).collect()
    }

    pub fn head(&self) -> String {
        self.project.git(&["log", "-1", "--format=%s"]).trim().to_owned()
    }
}

/// For `.ci/tsql`, which parses all that was sent.
static SENT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

impl Drop for Target {
    fn drop(&mut self) {
        let mut sent = SENT.lock().unwrap_or_else(PoisonError::into_inner);
        sent.extend(self.server.statements());
        let to = concat!(env!("CARGO_TARGET_TMPDIR"), "/tsql_sent_target.json");
        std::fs::write(to, serde_json::to_string(&*sent).unwrap()).unwrap();
    }
}

/// The tables, the marker table, and an empty Query Store.
pub fn make_database(server: &StandIn) {
    server.tamper(
        "CREATE SCHEMA kaizen\nGO\n\
         CREATE TABLE kaizen.applied (run_id uniqueidentifier NOT NULL, effect nvarchar(40) NOT NULL, \
           state nvarchar(10) NOT NULL, epoch bigint NOT NULL, digest char(64) NOT NULL, \
           applied_at datetime2(6) NOT NULL DEFAULT SYSUTCDATETIME(), \
           CONSTRAINT applied_key PRIMARY KEY (run_id, effect, state, epoch))\nGO\n\
         CREATE TABLE dbo.Orders (Id int NOT NULL PRIMARY KEY, CustomerId int NOT NULL, \
           Total int NOT NULL, Note nvarchar(200) NULL)\nGO\n\
         CREATE TABLE dbo.Customers (Id int NOT NULL PRIMARY KEY, Name nvarchar(100) NOT NULL)\nGO\n\
         INSERT INTO sys.dm_db_partition_stats SELECT o.object_id, 1, 1000000, 6400 FROM sys.tables AS o\nGO\n\
         INSERT INTO sys.dm_db_log_space_usage VALUES (12.0)\nGO\n\
         INSERT INTO sys.dm_hadr_database_replica_states VALUES (5, 1024, 2048)\nGO\n\
         INSERT INTO sys.database_query_store_options VALUES ('READ_WRITE', 60)\nGO\n\
         INSERT INTO sys.query_store_query_text VALUES (1, 'SELECT * FROM Orders'), \
           (2, 'SELECT * FROM Customers'), (3, 'INSERT INTO Orders')\nGO\n\
         INSERT INTO sys.query_store_query VALUES (1, '0x1', 1, 0), (2, '0x2', 2, 0), (3, '0x3', 3, 0), \
           (5, '0x5', 2, 0), (6, '0x6', 2, 0)\nGO\n\
         INSERT INTO sys.query_store_plan VALUES \
           (1, 1, '0xA', '<S StatementType=\"SELECT\"><Object Schema=\"[dbo]\" Table=\"[Orders]\"/></S>', 0), \
           (3, 1, '0xB', '<S StatementType=\"SELECT\"><Object Schema=\"[dbo]\" Table=\"[Orders]\"/></S>', 0), \
           (5, 5, '0xE', '<S StatementType=\"SELECT\"><Object Schema=\"[dbo]\" Table=\"[Customers]\"/></S>', 0), \
           (6, 6, '0xF', '<S StatementType=\"SELECT\"><Object Schema=\"[dbo]\" Table=\"[Customers]\"/></S>', 0), \
           (2, 2, '0xC', '<S StatementType=\"SELECT\"><Object Schema=\"[dbo]\" Table=\"[Customers]\"/></S>', 0), \
           (4, 3, '0xD', '<S StatementType=\"INSERT\"><Object Schema=\"[dbo]\" Table=\"[Orders]\"/></S>', 0)",
    );
}

/// `2026-11-20 12:00:00.000000`
fn text(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Civil from days, by Howard Hinnant.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.000000")
}
