//! What Analyze saw of a SQL Server database, beside the queries that every target has.

use serde::{Deserialize, Serialize};

/// A SQL Server database as Query Store and the catalogue show it. No literal of a query is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerAnalysis {
    pub version: String,
    pub edition: String,
    pub compatibility_level: u32,
    /// Whether indexes can be built while the table is used.
    pub online_builds: bool,
    /// Whether it came from an exported file: then nothing can be measured.
    pub exported: bool,
    pub query_store: QueryStoreState,
    /// Seconds since 1970: the window that is judged, and the one it is compared with.
    pub window_s: (i64, i64),
    pub baseline_s: (i64, i64),
    /// CPU of the captured queries in percent of all that the server has used since it was started;
    /// `None` with the reason among the absent sources.
    pub captured_cpu_pct: Option<f64>,
    /// The ten with the most time in the window, and every one told of below.
    pub queries: Vec<ServerQuery>,
    pub regressions: Vec<ServerRegression>,
    /// Queries whose most used plan is another than in the baseline.
    pub plan_changes: Vec<PlanChange>,
    pub forcing_failures: Vec<ForcingFailure>,
    pub missing_indexes: Vec<MissingIndexSeen>,
    pub indexes: Vec<IndexSeen>,
    /// Days over which the use of indexes was counted.
    pub observed_days: f64,
    /// Replicas that hold the database; their use of indexes was not seen.
    pub replicas: u32,
    pub recommendations: Vec<Recommendation>,
    pub failed_tests: Vec<(String, i64)>,
    /// Ledger, operation, cost of the last 7 days.
    pub costs: Vec<(String, String, f64)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryStoreState {
    pub size_mb: f64,
    pub max_mb: f64,
    pub interval_minutes: i64,
    pub capture_mode: String,
    /// Whether the server forces the last good plan by itself.
    pub automatic_tuning: bool,
}

/// One query on one replica in the window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerQuery {
    pub hash: String,
    pub replica: i64,
    /// Its text without literals.
    pub shape: String,
    /// The procedure that it stands in.
    pub object: Option<String>,
    pub executions: f64,
    /// One execution, execution-weighted.
    pub mean_ms: f64,
    pub sd_ms: f64,
    pub cpu_ms: f64,
    /// Pages of 8 KiB.
    pub reads: f64,
    pub total_ms: f64,
    /// Plans that it ran with.
    pub plans: usize,
    /// Executions that the client gave up, and that an error ended.
    pub aborted: f64,
    pub failed: f64,
    /// What it waited for most, with milliseconds.
    pub waits: Vec<(String, f64)>,
}

/// A query that takes longer than in the baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerRegression {
    pub hash: String,
    pub replica: i64,
    pub before_ms: f64,
    pub now_ms: f64,
    /// Seconds that it cost in the window.
    pub lost_s: f64,
    /// One-sided, and the share of false discoveries at which it is told.
    pub p: f64,
    pub q: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanChange {
    pub hash: String,
    pub replica: i64,
    pub before: String,
    pub now: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForcingFailure {
    pub hash: String,
    pub plan: String,
    pub failures: i64,
    pub reason: Option<String>,
}

/// An index that the optimizer would have used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MissingIndexSeen {
    pub schema: String,
    pub table: String,
    pub equality: Vec<String>,
    pub inequality: Vec<String>,
    pub included: Vec<String>,
    pub uses: i64,
    pub impact_pct: f64,
    /// Uses × cost × impact: comparable with others of the same server only.
    pub score: f64,
    pub rows: Option<i64>,
}

/// An index that is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndexSeen {
    pub schema: String,
    pub table: String,
    pub name: String,
    pub kind: String,
    pub unique: bool,
    /// Key columns, `true`: descending.
    pub keys: Vec<(String, bool)>,
    pub included: Vec<String>,
    /// The predicate without literals where it has one; not enough to make it again.
    pub filter: Option<String>,
    pub pages: i64,
    pub reads: i64,
    pub writes: i64,
    /// Why it must stay, whatever is counted; empty: nothing holds it.
    pub held_by: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recommendation {
    pub kind: String,
    pub reason: Option<String>,
    pub score: Option<f64>,
    pub state: Option<String>,
}
