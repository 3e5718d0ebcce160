//! Runs batches on one connection's SQLite: each query or change is translated, permitted, run, and
//! answered. Not here: the wire (`session`), the translation (`translate`), other statements
//! (`control`).
//!
//! As under XACT_ABORT ON: an error ends the batch and rolls the whole transaction back.

use crate::{
    bulk::Bulk,
    catalogue,
    error::SqlError,
    functions,
    lexer::{Token, render},
    permissions::{Access, Permissions},
    results,
    scope::check_values,
    translate::{Context, Translator},
    types::{Column, SqlType},
};
use rusqlite::{Connection, OptionalExtension, config::DbConfig, types::Value};
use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How long a statement waits for another's lock where SET LOCK_TIMEOUT says nothing; SQL Server would
/// wait for ever.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// What one statement answers.
#[derive(Debug)]
pub enum Outcome {
    Rows {
        columns: Vec<Column>,
        rows: Vec<Vec<Value>>,
    },
    /// The command's code in DONE (MS-TDS 2.2.7.6), and the rows it touched.
    Done {
        command: u16,
        count: Option<u64>,
    },
    Began,
    Committed,
    RolledBack,
    Database(String),
}

/// The outcomes of a batch up to its first error.
#[derive(Debug, Default)]
pub struct Reply {
    pub outcomes: Vec<Outcome>,
    pub error: Option<SqlError>,
}

/// One column of texts.
pub fn lines(lines: Vec<String>) -> Reply {
    let ty = SqlType::NVarChar(None);
    let columns = vec![Column { name: "line".to_owned(), ty, nullable: true, identity: false }];
    let rows = lines.into_iter().map(|line| vec![Value::Text(line)]).collect();
    Reply { outcomes: vec![Outcome::Rows { columns, rows }], error: None }
}

/// A parameter or a variable of T-SQL.
pub type Variables = HashMap<String, (SqlType, Value)>;

pub struct Engine {
    pub(crate) db: Connection,
    pub(crate) user: String,
    pub(crate) permissions: Arc<Permissions>,
    pub(crate) database: String,
    pub(crate) stopping: Arc<AtomicBool>,
    /// @@TRANCOUNT
    pub(crate) transactions: u32,
    /// The name of the outermost transaction, if it has one.
    pub(crate) transaction_name: Option<String>,
    pub(crate) lock_timeout: Duration,
    last_count: u64,
    pub(crate) variables: Variables,
    /// The batch that runs: what sys.sql_modules tells of a view or trigger made in it.
    pub(crate) source: String,
    /// Set by INSERT BULK, until its data come.
    pub(crate) bulk: Option<Bulk>,
    pub(crate) outcomes: Vec<Outcome>,
}

impl Engine {
    pub fn open(
        path: &Path,
        user: &str,
        database: &str,
        permissions: Arc<Permissions>,
        stopping: Arc<AtomicBool>,
    ) -> rusqlite::Result<Self> {
        let db = Connection::open(path)?;
        // Waiting is done in `waiting`, which also sees that the stand-in stops.
        db.busy_timeout(Duration::from_millis(20))?;
        // A quoted name that is none would be a string otherwise.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        // Nothing here has to survive the machine.
        db.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY; \
             PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536;",
        )?;
        functions::install_pure(&db)?;
        functions::install_session(&db, user, database, permissions.clone())?;
        Ok(Self {
            db,
            user: user.to_owned(),
            permissions,
            database: database.to_owned(),
            stopping,
            transactions: 0,
            transaction_name: None,
            lock_timeout: LOCK_TIMEOUT,
            last_count: 0,
            variables: Variables::new(),
            source: String::new(),
            bulk: None,
            outcomes: Vec::new(),
        })
    }

    /// Runs a batch, with its parameters.
    pub fn run(&mut self, sql: &str, variables: Variables) -> Reply {
        self.variables = variables;
        self.run_one(|engine| engine.batch(sql))
    }

    /// Runs one message's work; its error, if any, rolls back.
    pub fn run_one(&mut self, work: impl FnOnce(&mut Self) -> Result<(), SqlError>) -> Reply {
        self.outcomes.clear();
        let error = work(self).err().map(|error| self.explained(error));
        if error.is_some() && self.transactions > 0 {
            self.transactions = 0;
            self.undo();
            self.outcomes.push(Outcome::RolledBack);
        }
        Reply { outcomes: std::mem::take(&mut self.outcomes), error }
    }

    /// An error of a fault: rolls back like one of a statement.
    pub fn fail(&mut self, error: SqlError) -> Reply {
        self.run_one(|_| Err(error))
    }

    pub(crate) fn undo(&self) {
        if !self.db.is_autocommit() {
            // It fails only where SQLite has rolled back itself.
            self.db.execute_batch("ROLLBACK").ok();
        }
    }

    /// With the name of the key that was violated.
    fn explained(&self, error: SqlError) -> SqlError {
        let columns = error.message.split(['(', ')']).nth(1).filter(|_| error.number == 2627);
        let Some(columns) = columns else { return error };
        let find = "SELECT kind, name FROM \"~keys\" WHERE columns = ?1 AND name <> ''";
        let found: Option<(String, String)> = self
            .db
            .query_row(find, [columns], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .unwrap_or_default();
        let Some((kind, name)) = found else { return error };
        let object =
            columns.split(", ").next().and_then(|c| c.rsplit_once('.')).map_or("", |c| c.0);
        let message = format!(
            "Violation of {kind} constraint '{name}'. Cannot insert duplicate key in object \
             '{object}'."
        );
        SqlError { message, ..error }
    }

    pub(crate) fn done(&mut self, command: u16, count: Option<u64>) -> Result<(), SqlError> {
        self.outcomes.push(Outcome::Done { command, count });
        Ok(())
    }

    /// Work with a translator of this session's names.
    pub(crate) fn translated<T>(
        &self,
        work: impl FnOnce(&mut Translator<'_>) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        let is_schema = |name: &str| {
            let find = "SELECT 1 FROM \"~schemas\" WHERE name = ?1";
            self.db
                .prepare(find)
                .and_then(|mut statement| statement.exists([name]))
                .unwrap_or(false)
        };
        let variables = |name: &str| match name {
            "@@TRANCOUNT" => Some(self.transactions.to_string()),
            "@@ROWCOUNT" => Some(self.last_count.to_string()),
            "@@SPID" => Some("51".to_owned()),
            "@@ERROR" => Some("0".to_owned()),
            "@@VERSION" => Some(catalogue::text(functions::VERSION)),
            "@@SERVERNAME" => Some("'stand-in'".to_owned()),
            _ => None,
        };
        work(&mut Translator::new(&Context { is_schema: &is_schema, variables: &variables }))
    }

    /// Tries again while another connection holds the lock.
    pub(crate) fn waiting<T>(
        &self,
        mut work: impl FnMut() -> rusqlite::Result<T>,
    ) -> Result<T, SqlError> {
        let start = Instant::now();
        loop {
            match work() {
                Err(error)
                    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy)
                        && start.elapsed() < self.lock_timeout
                        && !self.stopping.load(Ordering::SeqCst) =>
                {
                    std::thread::sleep(Duration::from_millis(1));
                }
                other => return Ok(other?),
            }
        }
    }

    pub(crate) fn query(&mut self, tokens: &[Token]) -> Result<(), SqlError> {
        check_values(tokens)?;
        let (sql, named) = self.translated(|translator| {
            let sql = render(&translator.translate(tokens)?);
            Ok((sql, std::mem::take(&mut translator.tables)))
        })?;
        let action = Access::named(&tokens[0].as_name().unwrap_or_default().to_ascii_uppercase());
        let action = action.unwrap_or(Access::Select);
        let changes = matches!(action, Access::Insert | Access::Update | Access::Delete);
        for (at, table) in named.iter().enumerate() {
            let access = if changes && at == 0 { action } else { Access::Select };
            self.permissions.check(&self.user, access, table)?;
        }
        let found = self.waiting(|| results::run(&self.db, &sql, &self.variables))?;
        let Some((declared, rows)) = found.rows else {
            let command = match action {
                Access::Insert => 0xC3,
                Access::Update => 0xC5,
                Access::Delete => 0xC4,
                Access::Select | Access::Alter => 0xC1,
            };
            if found.changed == 0 {
                self.fire_without_rows(action, named.first().map_or("", String::as_str))?;
            }
            self.last_count = found.changed;
            return self.done(command, Some(found.changed));
        };
        let columns = self.described(tokens, &declared, &rows)?;
        self.last_count = rows.len() as u64;
        self.outcomes.push(Outcome::Rows { columns, rows });
        Ok(())
    }

    fn described(
        &self,
        tokens: &[Token],
        declared: &[results::Declared],
        rows: &[Vec<Value>],
    ) -> Result<Vec<Column>, SqlError> {
        // The type of an expression over columns is that of the columns: SQLite tells if asked.
        let probe = |query: &[Token]| -> Vec<Option<String>> {
            self.translated(|translator| Ok(render(&translator.level(query)?)))
                .and_then(|sql| Ok(results::declared(&self.db.prepare(&sql)?)))
                .map(|columns| columns.into_iter().map(|column| column.ty).collect())
                .unwrap_or_default()
        };
        let known = |name: &str| self.variables.get(name).map(|(ty, _)| *ty);
        Ok(results::columns(tokens, declared, rows, &known, &probe))
    }

    /// A trigger of T-SQL fires for a statement that touches no row too.
    fn fire_without_rows(&self, action: Access, table: &str) -> Result<(), SqlError> {
        let event = match action {
            Access::Update => "UPDATE",
            Access::Delete => "DELETE",
            Access::Insert | Access::Select | Access::Alter => return Ok(()),
        };
        let find = "SELECT t.throws FROM \"~objects\" AS t INNER JOIN \"~objects\" AS o \
             ON o.object_id = t.parent_object_id WHERE o.whole = ?1 AND t.is_disabled = 0 \
             AND instr(t.events, ?2) > 0 AND t.throws IS NOT NULL";
        let thrown: Option<String> =
            self.db.query_row(find, [table, event], |row| row.get(0)).optional()?;
        match thrown {
            Some(marked) => Err(rusqlite::Error::UserFunctionError(marked.into()).into()),
            None => Ok(()),
        }
    }
}
