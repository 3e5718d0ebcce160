//! Reports for people: one SELECT each, with columns that explain themselves.

/// Where a report is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// In the database of the trail.
    Trail,
    /// In any database, about that one or its server.
    Database,
}

/// A SELECT, and what it tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report {
    pub name: &'static str,
    pub title: &'static str,
    pub source: Source,
    pub sql: &'static str,
}

macro_rules! report {
    ($name:literal, $source:ident, $title:literal) => {
        Report {
            name: $name,
            title: $title,
            source: Source::$source,
            sql: include_str!(concat!("../../../../sql/server/reports/", $name, ".sql")),
        }
    };
}

const REPORTS: &[Report] = &[
    report!("top_regressed_queries", Database, "Queries that became slower within a day"),
    report!("latch_waits", Database, "Waits for latches, of the whole server"),
    report!("compression_ratios", Database, "What columnstore and PAGE compression save"),
    report!("critical_query_coverage", Database, "How much of the load Query Store has"),
    report!("alerts_of_the_database", Database, "Query Store and FILESTREAM against their limits"),
    report!("success_by_outcome", Trail, "How runs ended within 30 days"),
    report!("alerts_of_the_loop", Trail, "The loop against its thresholds"),
];

/// Every report.
#[must_use]
pub const fn reports() -> &'static [Report] {
    REPORTS
}
