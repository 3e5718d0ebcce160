//! Analyze's output: how the target performs now.

use super::server::ServerAnalysis;
use crate::targets::command::Metric;
use kaizen_engine::{
    digest::Digest,
    journal::{Facts, Phase},
    step::Output,
};
use serde::{Deserialize, Serialize};

/// How a target performs, query by query. Rows are ordered by total time, slowest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// What was looked at, for people: `sqlite app.db`.
    pub target: String,
    /// SHA-256 over the target's schema as it was read.
    pub schema_digest: Digest,
    /// Size of the database in bytes (pages × page size).
    pub size_bytes: u64,
    /// Every query of the workload, slowest total first.
    pub queries: Vec<QueryProfile>,
    /// Queries that got slower since the last kept analysis.
    pub regressions: Vec<Regression>,
    /// The analysis compared with, where there is one.
    pub baseline: Option<Baseline>,
    /// How changes of each kind fared over the last 30 days, where there were 3 or more.
    #[serde(default)]
    pub success_by_kind: Vec<KindSuccess>,
    /// Sources that could not be read, each with its reason. Never guessed.
    pub absent: Vec<SourceAbsent>,
    /// What only SQL Server tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerAnalysis>,
    /// What only commands tell of a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandAnalysis>,
}

/// How a repository does by its own commands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandAnalysis {
    /// The commit that was looked at.
    pub commit: String,
    /// Its tree: the same files have the same, whatever their history.
    pub tree: String,
    /// The median of some runs of the benchmark, by name.
    pub metrics: Vec<Metric>,
    /// Why the tests fail as it stands; `None`: they pass.
    pub failing_tests: Option<String>,
    /// What the workflow's `analyze` command printed, without secrets.
    pub report: Option<String>,
    /// What held of the commands' confinement.
    pub confinement: String,
}

/// One query of the workload on a copy of the database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryProfile {
    /// Its name: unique in the workload.
    pub name: String,
    /// Relative frequency; 1.0 unless the workload says otherwise.
    pub weight: f64,
    /// The statement with its literals replaced by `?`.
    pub shape: String,
    /// Median time of one execution in milliseconds, `None` where it never ended.
    pub median_ms: Option<f64>,
    /// `weight × median_ms` as a share of the workload's total, 0 to 1.
    pub share: f64,
    /// What `sqlite3_stmt_status` counted in one execution.
    pub counters: Option<Counters>,
    /// `EXPLAIN QUERY PLAN`, one line per node, indented by depth.
    pub plan: Vec<String>,
    /// Whether its result can be compared before and after.
    pub status: QueryStatus,
    /// Rows returned.
    pub rows: Option<u64>,
    /// SHA-256 over the result: of the rows in order where the query orders them completely, else
    /// of the multiset of row hashes. `None` where the result is not stable.
    pub result_digest: Option<Digest>,
}

/// What one execution cost, as counted by SQLite itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Virtual machine steps (`SQLITE_STMTSTATUS_VM_STEP`).
    pub vm_steps: u64,
    /// Steps forward in full table scans (`SQLITE_STMTSTATUS_FULLSCAN_STEP`).
    pub full_scan_steps: u64,
    /// Sort operations (`SQLITE_STMTSTATUS_SORT`).
    pub sorts: u64,
    /// Rows inserted into automatic indexes (`SQLITE_STMTSTATUS_AUTOINDEX`).
    pub auto_index_rows: u64,
}

/// Whether a query's result can be compared before and after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status", content = "reason")]
pub enum QueryStatus {
    /// The same result however SQLite scans.
    Stable,
    /// The result depends on the order of the scan; excluded from correctness by name.
    Unstable(String),
    /// It did not end within its timeout (milliseconds).
    TimedOut(u64),
}

/// A query that got slower since the baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Regression {
    pub query: String,
    pub before_ms: f64,
    pub now_ms: f64,
}

/// The analysis that this one was compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// The kept run it belongs to: `r12`.
    pub run: String,
}

/// A source of evidence that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceAbsent {
    pub source: String,
    pub reason: String,
}

/// How changes of one kind fared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindSuccess {
    pub kind: String,
    pub kept: u32,
    pub attempts: u32,
}

impl Output for Analysis {
    const PHASE: Phase = Phase::Analyze;

    fn facts(&self) -> Facts {
        Facts::Plain
    }
}
