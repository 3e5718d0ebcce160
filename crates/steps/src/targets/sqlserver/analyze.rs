//! From what was seen to what it means: each query's share, what got slower, what is missing.
//!
//! Pure: the same document gives the same analysis.

use super::{
    document::{Document, Index, MissingIndex, QueryStore, Runtime, Server},
    stats::{Pooled, discoveries, welch_slower},
};
use crate::payload::{
    Analysis, QueryProfile, QueryStatus, Regression, SourceAbsent,
    server::{
        ForcingFailure, IndexSeen, MissingIndexSeen, PlanChange, QueryStoreState, Recommendation,
        ServerAnalysis, ServerQuery, ServerRegression,
    },
};
use kaizen_engine::{
    digest::Digest,
    error::{Class, Classified},
};
use std::collections::{BTreeMap, BTreeSet};

/// What is judged, and compared with what.
#[derive(Debug, Clone)]
pub struct Options {
    /// What was looked at, for people.
    pub target: String,
    /// Whether it came from a file.
    pub exported: bool,
    /// Percent by which a query must be slower to count as a regression.
    pub regression_pct: f64,
}

/// The window that is judged, and what came before it, in seconds.
const WINDOW: i64 = 24 * 3_600;
const BASELINE: i64 = 7 * 24 * 3_600;

/// Seconds in the window that a regression must cost to be told.
const FLOOR_S: f64 = 10.0;

/// The share of regressions told that may come by chance.
const FALSE_DISCOVERIES: f64 = 0.05;

/// Queries shown, by total time.
const TOP: usize = 10;

/// Query Store says so of itself where it collects.
const COLLECTS: &str = "READ_WRITE";

/// Why nothing can be told.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    #[error("Query Store of {database} does not collect: its state is {state} ({why})")]
    NotCollecting { database: String, state: String, why: String },
    #[error("Query Store of {database} has seen no query in the last 24 hours")]
    Empty { database: String },
}

impl Classified for Error {
    fn class(&self) -> Class {
        Class::Operator
    }

    fn code(&self) -> &'static str {
        match self {
            Error::NotCollecting { .. } => "query_store_off",
            Error::Empty { .. } => "query_store_empty",
        }
    }
}

type Key = (String, i64);

/// One query on one replica.
#[derive(Debug, Clone, Default)]
struct Seen {
    duration: Pooled,
    cpu: Pooled,
    reads: Pooled,
    plans: BTreeMap<String, f64>,
    aborted: f64,
    failed: f64,
}

impl Seen {
    fn add(&mut self, one: &Runtime) {
        self.duration =
            self.duration.and(Pooled::of(one.executions, one.duration_us, one.duration_sd_us));
        self.cpu = self.cpu.and(Pooled::of(one.executions, one.cpu_us, 0.0));
        self.reads = self.reads.and(Pooled::of(one.executions, one.reads_pages, 0.0));
        *self.plans.entry(one.plan_hash.clone()).or_default() += one.executions;
        match one.execution_type {
            3 => self.aborted += one.executions,
            4 => self.failed += one.executions,
            _ => {}
        }
    }

    fn main_plan(&self) -> Option<&str> {
        let most = self.plans.iter().max_by(|a, b| a.1.total_cmp(b.1));
        most.map(|(plan, _)| plan.as_str())
    }
}

/// Analyzes a document that has a server and a state of Query Store, as [`Document::parse`] asks.
///
/// # Errors
/// Where Query Store does not collect, or has seen nothing.
pub fn analyze(document: &Document, options: &Options) -> Result<Analysis, Error> {
    let (Some(server), Some(store)) = (&document.server, &document.query_store) else {
        return Err(Error::Empty { database: options.target.clone() });
    };
    collects(server, store)?;
    let own: BTreeSet<&str> = document
        .queries
        .values()
        .filter(|query| query.own)
        .map(|query| query.query_hash.as_str())
        .collect();
    let end = server.now_s;
    let (window, baseline) = ((end - WINDOW, end), (end - WINDOW - BASELINE, end - WINDOW));
    let (mut now, mut before) = (BTreeMap::<Key, Seen>::new(), BTreeMap::<Key, Seen>::new());
    for one in document.runtime.iter().filter(|one| !own.contains(one.query_hash.as_str())) {
        let key = (one.query_hash.clone(), one.replica);
        // An interval belongs to where it ends.
        if window.0 < one.to_s && one.from_s <= window.1 {
            now.entry(key).or_default().add(one);
        } else if baseline.0 < one.to_s && one.to_s <= baseline.1 {
            before.entry(key).or_default().add(one);
        }
    }
    if now.is_empty() {
        return Err(Error::Empty { database: server.database_name.clone() });
    }
    let regressions = regressions(&before, &now, options.regression_pct);
    let plan_changes = plan_changes(&before, &now);
    let (captured_cpu_pct, mut absent) = captured(document, server);
    absent.extend(document.absent.iter().map(|absent| SourceAbsent {
        source: absent.source.clone(),
        reason: absent.reason.clone(),
    }));
    let shown = shown(&now, &regressions, &plan_changes);
    let server_queries = shown.iter().map(|key| query(document, key, &now[key])).collect();
    let analysis = ServerAnalysis {
        version: server.version.clone(),
        edition: server.edition.clone(),
        compatibility_level: server.compatibility_level,
        online_builds: matches!(server.engine_edition, 3 | 5 | 8),
        exported: options.exported,
        query_store: QueryStoreState {
            size_mb: store.current_storage_size_mb,
            max_mb: store.max_storage_size_mb,
            interval_minutes: store.interval_length_minutes,
            capture_mode: store.capture_mode.clone(),
            automatic_tuning: store.force_last_good_plan.as_deref() == Some("ON"),
        },
        window_s: window,
        baseline_s: baseline,
        captured_cpu_pct,
        queries: server_queries,
        regressions,
        plan_changes,
        forcing_failures: forcing_failures(document),
        missing_indexes: missing(&document.missing_indexes),
        indexes: document.indexes.iter().map(|index| seen(index, document)).collect(),
        observed_days: server.uptime_s as f64 / 86_400.0,
        replicas: server.replicas,
        recommendations: recommendations(document),
        failed_tests: document.failed_tests.iter().map(|t| (t.name.clone(), t.failures)).collect(),
        costs: document
            .costs
            .iter()
            .map(|cost| {
                let operation = cost.operation.clone().unwrap_or_default();
                (cost.ledger.clone(), operation, cost.cost.unwrap_or(0.0))
            })
            .collect(),
    };
    Ok(Analysis {
        target: options.target.clone(),
        schema_digest: schema_digest(&analysis.indexes),
        size_bytes: analysis.indexes.iter().map(|index| index.pages.unsigned_abs() * 8_192).sum(),
        queries: profiles(&analysis.queries, &now),
        regressions: analysis
            .regressions
            .iter()
            .map(|r| Regression { query: r.hash.clone(), before_ms: r.before_ms, now_ms: r.now_ms })
            .collect(),
        baseline: None,
        success_by_kind: Vec::new(),
        absent,
        server: Some(analysis),
        command: None,
    })
}

fn collects(server: &Server, store: &QueryStore) -> Result<(), Error> {
    if store.actual_state == COLLECTS {
        return Ok(());
    }
    // "sys.database_query_store_options", readonly_reason: a bit map.
    let reasons = [
        (1, "the database is read-only"),
        (2, "the database is in single-user mode"),
        (4, "the database is in emergency mode"),
        (8, "it is a secondary replica"),
        (65_536, "it has reached its maximum size: raise MAX_STORAGE_SIZE_MB or let it clean up"),
        (131_072, "it holds more statements than its memory allows"),
        (262_144, "what is not written yet has reached the limit of its memory"),
        (524_288, "the database has reached its disk size"),
    ];
    let why: Vec<&str> = reasons
        .iter()
        .filter(|(bit, _)| store.readonly_reason & bit != 0)
        .map(|(_, why)| *why)
        .collect();
    let why = match (why.is_empty(), store.actual_state == store.desired_state) {
        (false, _) => why.join("; "),
        (true, true) => "it is set so: ALTER DATABASE … SET QUERY_STORE = ON".to_owned(),
        (true, false) => format!("{} is asked of it", store.desired_state),
    };
    let (database, state) = (server.database_name.clone(), store.actual_state.clone());
    Err(Error::NotCollecting { database, state, why })
}

fn regressions(
    before: &BTreeMap<Key, Seen>,
    now: &BTreeMap<Key, Seen>,
    least_pct: f64,
) -> Vec<ServerRegression> {
    let mut tested = Vec::new();
    for ((hash, replica), now) in now {
        let Some(before) = before.get(&(hash.clone(), *replica)) else { continue };
        let Some(p) = welch_slower(before.duration, now.duration) else { continue };
        let (before, now) = (before.duration, now.duration);
        tested.push(ServerRegression {
            hash: hash.clone(),
            replica: *replica,
            before_ms: before.mean / 1_000.0,
            now_ms: now.mean / 1_000.0,
            lost_s: (now.mean - before.mean) * now.count / 1e6,
            p,
            q: 1.0,
        });
    }
    let p: Vec<f64> = tested.iter().map(|tested| tested.p).collect();
    for (tested, q) in tested.iter_mut().zip(discoveries(&p)) {
        tested.q = q;
    }
    tested.retain(|one| {
        let slower = one.now_ms > one.before_ms * (1.0 + least_pct / 100.0);
        one.q <= FALSE_DISCOVERIES && one.lost_s >= FLOOR_S && slower
    });
    tested.sort_by(|a, b| b.lost_s.total_cmp(&a.lost_s));
    tested
}

fn plan_changes(before: &BTreeMap<Key, Seen>, now: &BTreeMap<Key, Seen>) -> Vec<PlanChange> {
    let changed = now.iter().filter_map(|(key, now)| {
        let (before, now) = (before.get(key)?.main_plan()?, now.main_plan()?);
        (before != now).then(|| PlanChange {
            hash: key.0.clone(),
            replica: key.1,
            before: before.to_owned(),
            now: now.to_owned(),
        })
    });
    changed.collect()
}

fn forcing_failures(document: &Document) -> Vec<ForcingFailure> {
    let failed = document.plans.iter().filter(|plan| plan.force_failures > 0);
    failed
        .map(|plan| ForcingFailure {
            hash: plan.query_hash.clone(),
            plan: plan.plan_hash.clone(),
            failures: plan.force_failures,
            reason: plan.failure_reason.clone(),
        })
        .collect()
}

fn recommendations(document: &Document) -> Vec<Recommendation> {
    let all = document.tuning.iter().map(|tuning| Recommendation {
        kind: tuning.kind.clone(),
        // It names numbers that are measured, and no values of rows.
        reason: tuning.reason.clone(),
        score: tuning.score,
        state: tuning.state.clone(),
    });
    all.collect()
}

/// CPU of captured queries beside what the server has used. Only where Query Store goes back to the
/// server's start: before that nobody knows.
fn captured(document: &Document, server: &Server) -> (Option<f64>, Vec<SourceAbsent>) {
    let absent = |reason: &str| {
        let (source, reason) = ("captured_cpu".to_owned(), reason.to_owned());
        (None, vec![SourceAbsent { source, reason }])
    };
    let started = server.now_s - server.uptime_s;
    let Some(used) = server.cpu_used_ms.filter(|used| *used > 0.0) else {
        return absent("the server does not tell the CPU that it has used");
    };
    let oldest = document.runtime.iter().map(|one| one.from_s).min().unwrap_or(i64::MAX);
    if oldest > started {
        return absent("Query Store does not go back to the server's start");
    }
    let since = document.runtime.iter().filter(|one| one.from_s >= started);
    let captured: f64 = since.map(|one| one.executions * one.cpu_us / 1_000.0).sum();
    (Some(100.0 * captured / used), Vec::new())
}

/// The slowest in total, and each that something is told of.
fn shown(
    now: &BTreeMap<Key, Seen>,
    regressions: &[ServerRegression],
    changes: &[PlanChange],
) -> Vec<Key> {
    let mut order: Vec<&Key> = now.keys().collect();
    order.sort_by(|a, b| now[*b].duration.total().total_cmp(&now[*a].duration.total()));
    let told: BTreeSet<Key> = regressions
        .iter()
        .map(|one| (one.hash.clone(), one.replica))
        .chain(changes.iter().map(|one| (one.hash.clone(), one.replica)))
        .collect();
    let shown = order.into_iter().enumerate();
    shown.filter(|(at, key)| *at < TOP || told.contains(*key)).map(|(_, key)| key.clone()).collect()
}

fn query(document: &Document, key: &Key, seen: &Seen) -> ServerQuery {
    let text = document.queries.get(&key.0);
    let mut waits: Vec<(String, f64)> = document
        .waits
        .iter()
        .filter(|wait| wait.query_hash == key.0)
        .map(|wait| (wait.category.clone(), wait.total_ms))
        .collect();
    waits.sort_by(|a, b| b.1.total_cmp(&a.1));
    waits.truncate(3);
    let object = text.and_then(|text| {
        let name = text.object_name.as_ref()?;
        Some(text.object_schema.as_ref().map_or(name.clone(), |schema| format!("{schema}.{name}")))
    });
    ServerQuery {
        hash: key.0.clone(),
        replica: key.1,
        shape: text.map_or_else(|| "?".to_owned(), |text| text.text.clone()),
        object,
        executions: seen.duration.count,
        mean_ms: seen.duration.mean / 1_000.0,
        sd_ms: seen.duration.variance.sqrt() / 1_000.0,
        cpu_ms: seen.cpu.mean / 1_000.0,
        reads: seen.reads.mean,
        total_ms: seen.duration.total() / 1_000.0,
        plans: seen.plans.len(),
        aborted: seen.aborted,
        failed: seen.failed,
        waits,
    }
}

/// The same as every target has them.
fn profiles(queries: &[ServerQuery], now: &BTreeMap<Key, Seen>) -> Vec<QueryProfile> {
    let all: f64 = now.values().map(|seen| seen.duration.total() / 1_000.0).sum();
    let profile = |query: &ServerQuery| QueryProfile {
        name: match query.replica {
            1 => query.hash.clone(),
            replica => format!("{}@{replica}", query.hash),
        },
        weight: query.executions,
        shape: query.shape.clone(),
        median_ms: Some(query.mean_ms),
        share: if all > 0.0 { query.total_ms / all } else { 0.0 },
        counters: None,
        plan: Vec::new(),
        status: QueryStatus::Unstable("results on a live server are not compared".to_owned()),
        rows: None,
        result_digest: None,
    };
    queries.iter().map(profile).collect()
}

fn missing(indexes: &[MissingIndex]) -> Vec<MissingIndexSeen> {
    let of = |index: &MissingIndex, usage: &str| -> Vec<String> {
        let columns = index.columns.iter().filter(|column| column.usage == usage);
        columns.map(|column| column.name.clone()).collect()
    };
    let seen = |index: &MissingIndex| MissingIndexSeen {
        schema: index.schema_name.clone(),
        table: index.table_name.clone(),
        equality: of(index, "EQUALITY"),
        inequality: of(index, "INEQUALITY"),
        included: of(index, "INCLUDE"),
        uses: index.uses,
        impact_pct: index.impact_pct,
        score: index.uses as f64 * index.cost * index.impact_pct / 100.0,
        rows: index.row_count,
    };
    let mut all: Vec<_> = indexes.iter().map(seen).collect();
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    all
}

fn seen(index: &Index, document: &Document) -> IndexSeen {
    let hinted = || {
        let name = index.index_name.to_lowercase();
        document.queries.values().any(|query| {
            let text = query.text.to_lowercase();
            // INDEX(name), INDEX = name, FORCESEEK(name(…)): wherever a hint can name it.
            text.contains("with") && text.contains(&name)
        })
    };
    let holds = [
        (index.is_unique == 1, "it is unique"),
        (index.is_constraint == 1, "a constraint rests on it"),
        (index.is_referenced == 1, "a foreign key refers to it"),
        (index.is_forced == 1, "a forced plan uses it"),
        (index.is_disabled == 1, "it is disabled"),
        (index.filter.is_some(), "it has a filter"),
        (index.is_special == 1, "it is compressed, partitioned or has options of its own"),
        (index.kind != "NONCLUSTERED", "it is the table itself, or no plain index"),
    ];
    let mut held_by: Vec<String> =
        holds.iter().filter(|(holds, _)| *holds).map(|(_, why)| (*why).to_owned()).collect();
    if held_by.is_empty() && hinted() {
        held_by.push("the text of a query names it".to_owned());
    }
    let key = |column: &&super::document::IndexColumn| column.included == 0;
    let keys = index.columns.iter().filter(key);
    IndexSeen {
        schema: index.schema_name.clone(),
        table: index.table_name.clone(),
        name: index.index_name.clone(),
        kind: index.kind.clone(),
        unique: index.is_unique == 1,
        keys: keys.map(|column| (column.name.clone(), column.descending == 1)).collect(),
        included: index
            .columns
            .iter()
            .filter(|column| column.included == 1)
            .map(|column| column.name.clone())
            .collect(),
        filter: index.filter.clone(),
        pages: index.pages.unwrap_or(0),
        reads: index.reads.unwrap_or(0),
        writes: index.writes.unwrap_or(0),
        held_by,
    }
}

/// Over the definitions of all indexes, in the order of their names: what their use or size is does
/// not count.
fn schema_digest(indexes: &[IndexSeen]) -> Digest {
    let mut definitions: Vec<_> = indexes
        .iter()
        .map(|i| (&i.schema, &i.table, &i.name, &i.kind, i.unique, &i.keys, &i.included, &i.filter))
        .collect();
    definitions.sort();
    Digest::of_json(&definitions).unwrap_or(Digest::ZERO)
}
