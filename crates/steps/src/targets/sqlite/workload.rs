//! The workload: which queries count, how often, read from the user's `.sql` files.
//!
//! Only reading queries pass; anything that could change or reach outside of the database is
//! refused by name and line before it runs. Running and measuring is [`super::measure`]'s work.

use super::{message, text};
use kaizen_engine::digest::Digest;
use kaizen_engine::error::{Class, Classified};
use rusqlite::{Connection, config::DbConfig};
use sqlparser::{ast::Statement, dialect::SQLiteDialect, parser::Parser};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One query of the workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Unique in the workload.
    pub name: String,
    /// Relative frequency, finite and above 0; 1.0 unless the file says otherwise.
    pub weight: f64,
    /// The statement, without the `;`.
    pub sql: String,
    /// Whether its outermost query has an ORDER BY, so that the order of rows counts.
    pub ordered: bool,
    /// `file:line` of its first word.
    pub origin: String,
}

/// The queries by which a target is judged, in the order of files and lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    pub queries: Vec<Query>,
}

/// Why a workload cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no file matches {}", globs.join(", "))]
    NoFiles { globs: Vec<String> },
    #[error("{glob:?} is not a usable file pattern: {reason}")]
    Glob { glob: String, reason: String },
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("the workload is empty: there is no query in {}", files.join(", "))]
    Empty { files: Vec<String> },
    #[error(
        "{origin}: this is the sample that `init` wrote, marked `-- sample`; it says nothing about your database: put your own queries in and remove that line"
    )]
    Sample { origin: String },
    #[error("{origin}: cannot be read as SQL: {reason}")]
    Syntax { origin: String, reason: String },
    #[error("{origin}: {what} must be a number above 0, and this is not: {value:?}")]
    BadWeight { origin: String, what: String, value: String },
    #[error("{origin}: the name of the query is empty")]
    EmptyName { origin: String },
    #[error("{second}: a query named {name:?} stands already at {first}")]
    DuplicateName { name: String, first: String, second: String },
    #[error("{origin}: query {name:?} may not be in a workload: {reason}")]
    Forbidden { name: String, origin: String, reason: String },
    #[error(
        "{origin}: query {name:?} has {count} parameter(s) ({first}) without a value: write the values that your application uses into the query"
    )]
    Parameters { name: String, origin: String, count: usize, first: String },
    #[error("{origin}: query {name:?}: SQLite says: {reason}")]
    Sql { name: String, origin: String, reason: String },
    #[error(
        "{origin}: query {name:?} could not be checked because the database is locked: {reason}"
    )]
    Busy { name: String, origin: String, reason: String },
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::Busy { .. } => Class::Retry,
            _ => Class::Operator,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::NoFiles { .. } => "workload_no_files",
            Error::Glob { .. } => "workload_bad_glob",
            Error::Unreadable { .. } => "workload_unreadable",
            Error::Empty { .. } => "workload_empty",
            Error::Sample { .. } => "workload_is_sample",
            Error::Syntax { .. } | Error::Sql { .. } => "workload_syntax",
            Error::BadWeight { .. } => "workload_bad_weight",
            Error::EmptyName { .. } => "workload_bad_name",
            Error::DuplicateName { .. } => "workload_duplicate_name",
            Error::Forbidden { .. } => "workload_forbidden_statement",
            Error::Parameters { .. } => "workload_unbound_parameter",
            Error::Busy { .. } => "database_locked",
        }
    }
}

impl Workload {
    /// Reads every file that matches `globs` (relative to `root`), in sorted order.
    ///
    /// A file holds statements separated by `;`. Comment lines before a statement say
    /// `-- name: top customers` and `-- weight: 10` (or `-- frequency: 10`).
    ///
    /// # Errors
    /// Where nothing matches, a file cannot be read, or a name or weight makes no sense.
    pub fn load(root: &Path, globs: &[String]) -> Result<Workload, Error> {
        let files = files(root, globs)?;
        let mut queries = Vec::new();
        let mut names = Vec::new();
        for path in &files {
            let source = std::fs::read_to_string(path)
                .map_err(|source| Error::Unreadable { path: path.clone(), source })?;
            let shown = path.strip_prefix(root).unwrap_or(path).display().to_string();
            let stem = path.file_stem().map_or("query".into(), |stem| stem.to_string_lossy());
            queries.extend(read(&source, &shown, &stem)?);
            names.push(shown);
        }
        Workload::of(queries, names)
    }

    fn of(queries: Vec<Query>, files: Vec<String>) -> Result<Workload, Error> {
        let mut seen = BTreeMap::new();
        for query in &queries {
            if let Some(first) = seen.insert(query.name.to_lowercase(), &query.origin) {
                let (name, first, second) =
                    (query.name.clone(), first.clone(), query.origin.clone());
                return Err(Error::DuplicateName { name, first, second });
            }
        }
        if queries.is_empty() { Err(Error::Empty { files }) } else { Ok(Workload { queries }) }
    }

    /// SHA-256 over names, weights and statements in their order; where they stand does not count.
    pub fn digest(&self) -> Digest {
        let fields: Vec<Vec<u8>> = self
            .queries
            .iter()
            .flat_map(|q| {
                [q.name.as_bytes().to_vec(), q.weight.to_le_bytes().to_vec(), q.sql.clone().into()]
            })
            .flat_map(|field| [(field.len() as u64).to_le_bytes().to_vec(), field])
            .collect();
        Digest::of(&fields.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    /// The query of that name.
    pub fn query(&self, name: &str) -> Option<&Query> {
        self.queries.iter().find(|query| query.name == name)
    }

    /// Prepares every query on `db` (nothing runs) and refuses what is not a plain reading query.
    ///
    /// Double-quoted strings are switched off on `db`: they would make names and literals look
    /// alike, and literals never leave the host.
    ///
    /// # Errors
    /// The first query that may not run or does not fit the schema, with SQLite's own message.
    pub fn check(&self, db: &Connection) -> Result<(), Error> {
        self.queries.iter().try_for_each(|query| check(query, db))
    }
}

fn files(root: &Path, globs: &[String]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for glob in globs {
        let bad = |reason: String| Error::Glob { glob: glob.clone(), reason };
        let base = glob::Pattern::escape(&root.to_string_lossy());
        let pattern = Path::new(&base).join(glob);
        for entry in glob::glob(&pattern.to_string_lossy()).map_err(|e| bad(e.to_string()))? {
            let path = entry.map_err(|e| bad(e.to_string()))?;
            if path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    files.dedup();
    if files.is_empty() { Err(Error::NoFiles { globs: globs.to_vec() }) } else { Ok(files) }
}

/// What the comments before a statement say about it.
#[derive(Default)]
struct Annotations {
    name: Option<String>,
    weight: Option<f64>,
}

fn read(source: &str, file: &str, stem: &str) -> Result<Vec<Query>, Error> {
    let pieces = text::split(source.trim_start_matches('\u{feff}')).map_err(|error| {
        let origin = format!("{file}:{}", error.location.line);
        Error::Syntax { origin, reason: error.message }
    })?;
    let mut queries = Vec::new();
    for piece in pieces {
        let said = annotations(&piece.comments, file)?;
        if piece.sql.is_empty() {
            continue;
        }
        let name = said.name.unwrap_or_else(|| match queries.len() {
            0 => stem.to_owned(),
            before => format!("{stem}#{}", before + 1),
        });
        queries.push(Query {
            name,
            weight: said.weight.unwrap_or(1.0),
            ordered: is_ordered(&piece.sql),
            sql: piece.sql,
            origin: format!("{file}:{}", piece.line),
        });
    }
    Ok(queries)
}

fn annotations(comments: &[(u64, String)], file: &str) -> Result<Annotations, Error> {
    let mut said = Annotations::default();
    for (line, comment) in comments {
        let origin = format!("{file}:{line}");
        if comment.eq_ignore_ascii_case("sample") {
            return Err(Error::Sample { origin });
        }
        let Some((key, value)) = comment.split_once(':') else { continue };
        let value = value.trim();
        match key.trim().to_lowercase().as_str() {
            "name" if value.is_empty() => return Err(Error::EmptyName { origin }),
            "name" => said.name = Some(value.to_owned()),
            what @ ("weight" | "frequency") => {
                said.weight = Some(weight(value).ok_or_else(|| Error::BadWeight {
                    origin,
                    what: what.to_owned(),
                    value: value.to_owned(),
                })?);
            }
            _ => {}
        }
    }
    Ok(said)
}

fn weight(value: &str) -> Option<f64> {
    value.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight > 0.0)
}

/// Whether the outermost query has an ORDER BY. What cannot be parsed counts as unordered, the
/// laxer comparison: it still sees every wrong row.
fn is_ordered(sql: &str) -> bool {
    match Parser::parse_sql(&SQLiteDialect {}, sql).as_deref() {
        Ok([Statement::Query(query)]) => query.order_by.is_some(),
        _ => false,
    }
}

fn check(query: &Query, db: &Connection) -> Result<(), Error> {
    let (name, origin) = (query.name.clone(), query.origin.clone());
    let first = query.sql.split(|c: char| !c.is_alphanumeric() && c != '_').next();
    let first = first.unwrap_or_default().to_uppercase();
    if !["SELECT", "WITH", "VALUES"].contains(&first.as_str()) {
        let reason = format!("it begins with {first:?}; only SELECT, WITH and VALUES may run");
        return Err(Error::Forbidden { name, origin, reason });
    }
    if let Some(function) = text::forbidden_call(&query.sql) {
        let reason = format!("it uses {function}, which reaches outside of the database");
        return Err(Error::Forbidden { name, origin, reason });
    }
    let refuse = |error: rusqlite::Error| {
        let (name, origin, reason) = (name.clone(), origin.clone(), message(&error));
        if super::is_busy(&error) {
            return Error::Busy { name, origin, reason };
        }
        match error {
            rusqlite::Error::MultipleStatement => {
                let reason = "it holds more than one statement".to_owned();
                Error::Forbidden { name, origin, reason }
            }
            _ => Error::Sql { name, origin, reason },
        }
    };
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false).map_err(refuse)?;
    let statement = db.prepare(&query.sql).map_err(refuse)?;
    if !statement.readonly() || statement.column_count() == 0 {
        let reason = "it would change the database".to_owned();
        return Err(Error::Forbidden { name, origin, reason });
    }
    match statement.parameter_count() {
        0 => Ok(()),
        count => {
            let first = statement.parameter_name(1).unwrap_or("?").to_owned();
            Err(Error::Parameters { name, origin, count, first })
        }
    }
}

#[cfg(test)]
mod tests;
