//! What was seen of a SQL Server database: one JSON object a line, each of a section.
//!
//! The same statements make it on a live connection and in the script that `kaizen sql export` prints,
//! so that an analysis of an exported file takes the road of a live one. Nothing here is stored as it
//! is: texts of queries still hold their literals.

use crate::sql::{strip_literals, tsql::without_comments};
use kaizen_engine::error::{Class, Classified};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The version of this form.
pub const FORMAT: u32 = 1;

/// Everything that was seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    pub server: Option<Server>,
    pub query_store: Option<QueryStore>,
    pub runtime: Vec<Runtime>,
    pub queries: BTreeMap<String, QueryText>,
    pub plans: Vec<Plan>,
    pub waits: Vec<Wait>,
    pub missing_indexes: Vec<MissingIndex>,
    pub indexes: Vec<Index>,
    pub tuning: Vec<Tuning>,
    pub failed_tests: Vec<FailedTest>,
    pub costs: Vec<Cost>,
    pub absent: Vec<Absent>,
}

/// One line. An unknown section is refused: a newer script made it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "section", rename_all = "snake_case")]
enum Line {
    Server(Server),
    QueryStore(QueryStore),
    Runtime(Runtime),
    Query(QueryText),
    Plan(Plan),
    Wait(Wait),
    MissingIndex(MissingIndex),
    Index(Index),
    Tuning(Tuning),
    FailedTest(FailedTest),
    Cost(Cost),
    Absent(Absent),
}

/// The server and the database.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Server {
    pub format: u32,
    pub version: String,
    pub edition: String,
    /// 3: Enterprise and Developer, 5: Azure SQL Database, 8: Managed Instance.
    pub engine_edition: i32,
    pub server_name: Option<String>,
    pub database_name: String,
    pub compatibility_level: u32,
    pub collation_name: Option<String>,
    /// Seconds since 1970, UTC, by the server's clock.
    pub now_s: i64,
    /// Seconds since the server was started.
    pub uptime_s: i64,
    /// Milliseconds of CPU that its schedulers have used since; null where that is not told.
    pub cpu_used_ms: Option<f64>,
    /// Replicas of an availability group that hold the database; 0: there is none.
    pub replicas: u32,
}

/// What Query Store does here.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct QueryStore {
    pub actual_state: String,
    pub desired_state: String,
    /// Bits of the reason why it is read-only.
    pub readonly_reason: i64,
    pub current_storage_size_mb: f64,
    pub max_storage_size_mb: f64,
    pub interval_length_minutes: i64,
    pub capture_mode: String,
    /// `ON` where the server forces plans by itself.
    pub force_last_good_plan: Option<String>,
}

/// How a plan fared in one interval. Times in microseconds, reads in pages of 8 KiB.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Runtime {
    /// `0x` and 16 hexadecimal digits.
    pub query_hash: String,
    pub plan_hash: String,
    /// 1: the primary.
    pub replica: i64,
    pub from_s: i64,
    pub to_s: i64,
    /// 0: regular, 3: aborted by the client, 4: ended by an error.
    pub execution_type: i32,
    pub executions: f64,
    pub duration_us: f64,
    pub duration_sd_us: f64,
    pub cpu_us: f64,
    pub reads_pages: f64,
}

/// The text of a query, literals and all.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct QueryText {
    pub query_hash: String,
    pub text: String,
    /// The procedure or function that it stands in.
    pub object_schema: Option<String>,
    pub object_name: Option<String>,
    /// Whether Kaizen sent it. Told before comments and literals are taken out.
    #[serde(default)]
    pub own: bool,
}

/// A plan that is forced, or failed to be.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Plan {
    pub query_hash: String,
    pub plan_hash: String,
    pub forced: i32,
    pub force_failures: i64,
    pub failure_reason: Option<String>,
}

/// What a query waited for in the last day.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Wait {
    pub query_hash: String,
    pub category: String,
    pub total_ms: f64,
}

/// An index that the optimizer would have used.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct MissingIndex {
    pub schema_name: String,
    pub table_name: String,
    pub columns: Vec<MissingColumn>,
    /// Seeks and scans that would have used it, since the server was started.
    pub uses: i64,
    /// The optimizer's own unit.
    pub cost: f64,
    pub impact_pct: f64,
    pub row_count: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct MissingColumn {
    pub name: String,
    /// `EQUALITY`, `INEQUALITY` or `INCLUDE`.
    pub usage: String,
}

/// An index that is there.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Index {
    pub schema_name: String,
    pub table_name: String,
    pub index_name: String,
    /// `CLUSTERED`, `NONCLUSTERED`, `CLUSTERED COLUMNSTORE`, …
    #[serde(rename = "type")]
    pub kind: String,
    pub is_unique: i32,
    /// Of a primary key or a unique constraint.
    pub is_constraint: i32,
    pub is_disabled: i32,
    pub filter: Option<String>,
    /// Whether it is compressed, partitioned or has options of its own.
    #[serde(default)]
    pub is_special: i32,
    pub columns: Vec<IndexColumn>,
    pub pages: Option<i64>,
    /// Seeks, scans and lookups since the server was started; null: none at all.
    pub reads: Option<i64>,
    pub writes: Option<i64>,
    /// Whether a foreign key refers to it.
    pub is_referenced: i32,
    /// Whether a forced plan uses it.
    pub is_forced: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct IndexColumn {
    pub name: String,
    pub descending: i32,
    pub included: i32,
}

/// What the server itself recommends.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Tuning {
    #[serde(rename = "type")]
    pub kind: String,
    pub reason: Option<String>,
    pub score: Option<f64>,
    pub state: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FailedTest {
    pub name: String,
    pub failures: i64,
}

/// What an operation has cost in the last 7 days, by one of the two ledgers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Cost {
    /// `disk` or `memory`.
    pub ledger: String,
    pub operation: Option<String>,
    pub cost: Option<f64>,
}

/// A source that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Absent {
    pub source: String,
    pub reason: String,
}

/// Why the lines are no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("line {line} is no line of an exported Query Store: {why}")]
    Line { line: usize, why: String },
    #[error("it was exported in form {0}; this kaizen reads form {FORMAT}")]
    Format(u32),
    #[error("it has no {0}: the export was cut off, or its login may not see that")]
    Missing(&'static str),
    #[error("{0} stands there twice: these are two exports in one")]
    Twice(&'static str),
}

/// What stands inside the statements that Kaizen sends: comments before a statement are dropped.
const OWN: &str = "/* kaizen";

/// The same lines as they may be stored and shown: without comments and literals of queries, which may
/// hold values of people's rows.
///
/// # Errors
/// A line that is no JSON object.
pub fn stripped(text: &str) -> Result<String, Error> {
    let mut out = String::with_capacity(text.len());
    // Windows' tools write a byte order mark.
    for (number, line) in text.trim_start_matches('\u{FEFF}').lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let at = |e: serde_json::Error| Error::Line { line: number + 1, why: e.to_string() };
        let mut value: Map<String, Value> = serde_json::from_str(line).map_err(at)?;
        let own = value.get("text").and_then(Value::as_str).is_some_and(|t| t.contains(OWN));
        for key in ["text", "filter"] {
            if let Some(Value::String(text)) = value.get_mut(key) {
                *text = strip_literals(&without_comments(text));
            }
        }
        if own {
            value.insert("own".to_owned(), Value::Bool(true));
        }
        out += &serde_json::to_string(&value).map_err(at)?;
        out.push('\n');
    }
    Ok(out)
}

impl Classified for Error {
    fn class(&self) -> Class {
        Class::Operator
    }

    fn code(&self) -> &'static str {
        "export_unreadable"
    }
}

impl Document {
    /// Reads lines as [`stripped`] leaves them.
    ///
    /// # Errors
    /// A line that is no JSON object of a known section; a missing or a second server.
    pub fn parse(text: &str) -> Result<Document, Error> {
        let mut document = Document::default();
        for (number, line) in text.lines().enumerate() {
            let at = |e: serde_json::Error| Error::Line { line: number + 1, why: e.to_string() };
            document.add(serde_json::from_str(line).map_err(at)?)?;
        }
        match &document.server {
            None => return Err(Error::Missing("server")),
            Some(server) if server.format != FORMAT => return Err(Error::Format(server.format)),
            Some(_) => (),
        }
        if document.query_store.is_none() {
            return Err(Error::Missing("state of Query Store"));
        }
        Ok(document)
    }

    fn add(&mut self, line: Line) -> Result<(), Error> {
        match line {
            Line::Server(server) => {
                if self.server.replace(server).is_some() {
                    return Err(Error::Twice("the server"));
                }
            }
            Line::QueryStore(state) => {
                if self.query_store.replace(state).is_some() {
                    return Err(Error::Twice("the state of Query Store"));
                }
            }
            Line::Runtime(runtime) => self.runtime.push(runtime),
            Line::Query(query) => {
                self.queries.entry(query.query_hash.clone()).or_insert(query);
            }
            Line::Plan(plan) => self.plans.push(plan),
            Line::Wait(wait) => self.waits.push(wait),
            Line::MissingIndex(index) => self.missing_indexes.push(index),
            Line::Index(index) => self.indexes.push(index),
            Line::Tuning(tuning) => self.tuning.push(tuning),
            Line::FailedTest(test) => self.failed_tests.push(test),
            Line::Cost(cost) => self.costs.push(cost),
            Line::Absent(absent) => self.absent.push(absent),
        }
        Ok(())
    }
}
