//! What an exported Query Store says, by documents made for one thing each.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::{
    Document,
    analyze::{Error, Options, analyze},
    document, observe,
};
use crate::payload::{Analysis, server::ServerAnalysis};
use serde_json::{Value, json};

/// The moment of the export: 2026-11-20T12:00:00Z.
pub const NOW: i64 = 1_795_176_000;
const HOUR: i64 = 3_600;

/// An export, line by line.
pub struct Export(Vec<Value>);

impl Export {
    pub fn new() -> Export {
        Export(vec![
            json!({
                "section": "server", "format": 1, "version": "16.0.4135.4",
                "edition": "Developer Edition (64-bit)", "engine_edition": 3, "server_name": "db1",
                "database_name": "Shop", "compatibility_level": 160, "collation_name": "Latin1_General_CI_AS",
                "now_s": NOW, "uptime_s": 40 * 86_400, "cpu_used_ms": 1e9, "replicas": 0,
            }),
            json!({
                "section": "query_store", "actual_state": "READ_WRITE", "desired_state": "READ_WRITE",
                "readonly_reason": 0, "current_storage_size_mb": 120.0, "max_storage_size_mb": 1000.0,
                "interval_length_minutes": 60, "capture_mode": "AUTO", "force_last_good_plan": "OFF",
            }),
        ])
    }

    pub fn with(mut self, line: Value) -> Export {
        self.0.push(line);
        self
    }

    /// Changes a key of the first line of a section.
    pub fn set(mut self, section: &str, key: &str, value: Value) -> Export {
        let line = self.0.iter_mut().find(|line| line["section"] == section).unwrap();
        line[key] = value;
        self
    }

    pub fn query(self, hash: &str, text: &str) -> Export {
        self.with(json!({
            "section": "query", "query_hash": hash, "text": text, "object_schema": null, "object_name": null,
        }))
    }

    /// One interval of an hour that ended so many hours ago.
    pub fn ran(self, hash: &str, plan: &str, hours_ago: i64, executions: f64, ms: f64) -> Export {
        let to = NOW - hours_ago * HOUR;
        self.with(json!({
            "section": "runtime", "query_hash": hash, "plan_hash": plan, "replica": 1,
            "from_s": to - HOUR, "to_s": to, "execution_type": 0, "executions": executions,
            "duration_us": ms * 1_000.0, "duration_sd_us": ms * 200.0, "cpu_us": ms * 900.0,
            "reads_pages": 50.0,
        }))
    }

    pub fn text(&self) -> String {
        self.0.iter().map(|line| format!("{line}\n")).collect()
    }

    pub fn analyzed(&self) -> Result<Analysis, Error> {
        let stripped = document::stripped(&self.text()).unwrap();
        let document = Document::parse(&stripped).unwrap();
        let target = "sqlserver:shop/Shop@main".to_owned();
        analyze(&document, &Options { target, exported: true, regression_pct: 25.0 })
    }

    pub fn server(&self) -> ServerAnalysis {
        self.analyzed().unwrap().server.unwrap()
    }
}

#[test]
fn a_query_is_aggregated_over_its_plans_and_intervals() {
    let export = Export::new()
        .query("0x1", "SELECT * FROM Orders WHERE CustomerId = 4711")
        .ran("0x1", "0xA", 1, 100.0, 10.0)
        .ran("0x1", "0xA", 5, 300.0, 20.0)
        .ran("0x1", "0xB", 5, 100.0, 40.0)
        .ran("0x2", "0xC", 3, 10.0, 5.0);
    let analysis = export.analyzed().unwrap();
    let server = analysis.server.as_ref().unwrap();
    let first = &server.queries[0];
    // (100 × 10 + 300 × 20 + 100 × 40) / 500
    assert_eq!((first.hash.as_str(), first.executions, first.mean_ms), ("0x1", 500.0, 22.0));
    assert_eq!((first.total_ms, first.plans), (11_000.0, 2));
    assert_eq!(first.shape, "SELECT * FROM Orders WHERE CustomerId = ?");
    assert!((analysis.queries[0].share - 11_000.0 / 11_050.0).abs() < 1e-9);
    assert_eq!(server.queries.len(), 2, "one row a query, not one a plan and interval");
}

#[test]
fn no_literal_and_no_comment_of_a_query_is_kept() {
    let export = Export::new()
        .query("0x1", "SELECT /* for 'ada' /* nested 'x' */ */ 1 WHERE m = $12.50 AND n = N'Lovelace' -- 'mallory'")
        .ran("0x1", "0xA", 1, 1.0, 1.0)
        .with(json!({
            "section": "index", "schema_name": "dbo", "table_name": "T", "index_name": "i",
            "type": "NONCLUSTERED", "is_unique": 0, "is_constraint": 0, "is_disabled": 0,
            "filter": "([name]='Lovelace')", "columns": [{ "name": "a", "descending": 0, "included": 0 }],
            "pages": 1, "reads": null, "writes": null, "is_referenced": 0, "is_forced": 0,
        }));
    let stripped = document::stripped(&export.text()).unwrap();
    for secret in ["ada", "nested", "12.50", "Lovelace", "mallory"] {
        assert!(!stripped.contains(secret), "{secret} is in {stripped}");
    }
    assert!(serde_json::to_string(&export.analyzed().unwrap()).unwrap().contains("0x1"));
}

#[test]
fn what_kaizen_sent_itself_is_left_out() {
    let export = Export::new()
        .query("0x1", "SELECT 1")
        .query("0x2", "SELECT /* kaizen */ (SELECT 1) AS line")
        .ran("0x1", "0xA", 1, 1.0, 1.0)
        .ran("0x2", "0xB", 1, 1e6, 1e6);
    let hashes: Vec<String> = export.server().queries.into_iter().map(|query| query.hash).collect();
    assert_eq!(hashes, ["0x1"]);
    let script = observe::script("Sh]op", 16);
    assert!(script.contains("USE [Sh]]op];") && !script.contains("{{"), "{script}");
    let selects = script.matches("AS line").count();
    assert!(script.matches("/* kaizen */").count() + 2 >= selects, "each is tagged");
}

#[test]
fn a_query_store_that_does_not_collect_is_refused_with_its_reason() {
    let full = Export::new().set("query_store", "actual_state", json!("READ_ONLY")).set(
        "query_store",
        "readonly_reason",
        json!(65_536),
    );
    let told = full.analyzed().unwrap_err().to_string();
    assert!(told.contains("READ_ONLY") && told.contains("maximum size"), "{told}");
    let off = Export::new().set("query_store", "actual_state", json!("OFF")).set(
        "query_store",
        "desired_state",
        json!("OFF"),
    );
    assert!(off.analyzed().unwrap_err().to_string().contains("SET QUERY_STORE = ON"));
    assert!(matches!(Export::new().analyzed(), Err(Error::Empty { .. })));
    let old = Export::new().ran("0x1", "0xA", 100, 10.0, 1.0);
    assert!(matches!(old.analyzed(), Err(Error::Empty { .. })), "seen last week only");
}

/// So many queries, of which one is slower now and the others only noisy.
fn noisy(queries: usize, slower: f64) -> Export {
    let mut export = Export::new();
    for number in 0..queries {
        let hash = format!("0x{number}");
        // A few percent up and down, as it comes.
        let noise = 1.0 + ((number * 37) % 11) as f64 / 200.0 - 0.025;
        let now = if number == 0 { slower } else { 100.0 * noise };
        export = export.ran(&hash, "0xA", 30, 200.0, 100.0).ran(&hash, "0xA", 1, 200.0, now);
    }
    export
}

#[test]
fn a_regression_must_be_large_sure_and_cost_something() {
    let found = |export: &Export| -> Vec<String> {
        export.server().regressions.into_iter().map(|one| one.hash).collect()
    };
    assert_eq!(found(&noisy(200, 200.0)), ["0x0"]);
    assert_eq!(found(&noisy(200, 110.0)), Vec::<String>::new(), "less than 25 % slower");
    let cheap = Export::new().ran("0x1", "0xA", 30, 200.0, 1.0).ran("0x1", "0xA", 1, 200.0, 3.0);
    assert_eq!(found(&cheap), Vec::<String>::new(), "0.4 s in a day");
    let rare = Export::new().ran("0x1", "0xA", 30, 1.0, 1e3).ran("0x1", "0xA", 1, 1.0, 1e5);
    assert_eq!(found(&rare), Vec::<String>::new(), "one execution tells nothing");
    let one = &noisy(50, 300.0).server().regressions[0];
    assert_eq!((one.before_ms, one.now_ms, one.lost_s), (100.0, 300.0, 40.0));
    assert!(one.p < 1e-6 && one.q >= one.p);
}

#[test]
fn plans_errors_waits_and_forcing_are_told() {
    let aborted = json!({
        "section": "runtime", "query_hash": "0x1", "plan_hash": "0xB", "replica": 1,
        "from_s": NOW - HOUR, "to_s": NOW, "execution_type": 3, "executions": 7.0,
        "duration_us": 1e6, "duration_sd_us": 0.0, "cpu_us": 1.0, "reads_pages": 1.0,
    });
    let wait = |category: &str, ms: f64| json!({ "section": "wait", "query_hash": "0x1", "category": category, "total_ms": ms });
    let server = Export::new()
        .ran("0x1", "0xA", 48, 100.0, 10.0)
        .ran("0x1", "0xB", 1, 100.0, 10.0)
        .with(aborted)
        .with(wait("CPU", 5.0))
        .with(wait("Lock", 50.0))
        .with(json!({
            "section": "plan", "query_hash": "0x1", "plan_hash": "0xA", "forced": 1,
            "force_failures": 3, "failure_reason": "NO_INDEX",
        }))
        .server();
    let change = &server.plan_changes[0];
    assert_eq!((&*change.before, &*change.now), ("0xA", "0xB"));
    assert_eq!(server.queries[0].aborted, 7.0);
    assert_eq!(server.queries[0].waits[0], ("Lock".to_owned(), 50.0));
    assert_eq!(server.forcing_failures[0].reason.as_deref(), Some("NO_INDEX"));
}

#[test]
fn the_share_of_the_load_is_told_only_where_it_is_known() {
    let young = Export::new().set("server", "uptime_s", json!(10 * HOUR));
    let reaching = young.ran("0x1", "0xA", 20, 1.0, 1.0).ran("0x1", "0xA", 1, 1_000.0, 1_000.0);
    let share = reaching.server().captured_cpu_pct.unwrap();
    // 1,000 × 900 ms of 1e9 ms.
    assert!((share - 0.09).abs() < 1e-9, "{share}");
    let short = Export::new().ran("0x1", "0xA", 1, 1.0, 1.0);
    assert_eq!(short.server().captured_cpu_pct, None);
    let absent = short.analyzed().unwrap().absent;
    assert!(absent.iter().any(|absent| absent.source == "captured_cpu"), "{absent:?}");
}

#[test]
fn what_is_no_export_is_refused_with_its_line() {
    let parse = |text: &str| {
        document::stripped(text).and_then(|lines| Document::parse(&lines).map(drop)).unwrap_err()
    };
    let good = Export::new().text();
    let cut = &good[..good.len() - 20];
    assert!(parse(cut).to_string().starts_with("line 2 is no line"), "{}", parse(cut));
    assert!(parse("(11 rows affected)").to_string().starts_with("line 1"));
    assert!(parse("").to_string().contains("no server"));
    assert!(parse(&format!("{good}{good}")).to_string().contains("twice"));
    assert!(parse(&good.replace("\"format\":1", "\"format\":2")).to_string().contains("form 2"));
    assert!(parse(&format!("{good}{{\"section\":\"later\"}}")).to_string().contains("line 3"));
    let marked = format!("\u{FEFF}\n{good}");
    assert!(document::stripped(&marked).is_ok(), "Windows' byte order mark");
}
