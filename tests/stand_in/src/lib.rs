//! A stand-in for SQL Server in tests: speaks TDS 7.4 on a loopback port and runs a small, portable
//! subset of T-SQL on a SQLite file, so that a client of SQL Server can be tested with real sockets,
//! transactions, bulk loads, errors, and connections that break when the test says so.
//!
//! What it is not: SQL Server, or any proof of how SQL Server behaves. What passes here may fail
//! there. In particular
//!
//! - statements are translated as text (`translate`, `tables`, `modules`); what SQLite happens to
//!   accept passes, whether or not it is T-SQL;
//! - text compares by code point with trailing blanks, in every collation; a lone surrogate becomes
//!   U+FFFD; varchar is Latin-1; datetime2 has six digits at most;
//! - a decimal is text: it prints and rounds as it must, and compares as text; a decimal column keeps
//!   its digits only where CAST put them;
//! - transactions are serial (BEGIN takes the only lock for writing), so there are no deadlocks, and
//!   readers see what was last committed;
//! - every error rolls back, as under XACT_ABORT ON, which is taken for granted;
//! - bulk loads check constraints and fire triggers;
//! - all databases are one, and permissions are those of `permissions`;
//! - no TLS, no MARS, no prepared statements, no cursors, no procedures.
//!
//! Some rules of SQL Server that a client easily breaks are kept on purpose (`scope`): a temporary table
//! made in a call of sp_executesql ends with it; a call that opens a transaction and leaves it open is
//! error 266; CREATE VIEW, TRIGGER and SCHEMA begin a batch (111); a call has 2,100 parameters at most
//! (8003), INSERT … VALUES 1,000 rows (10738). And one that is reported, not documented: a column that
//! INSERT BULK declares as `max` and COLMETADATA does not, or the reverse, is error 4816; the client
//! tiberius does so for nvarchar(2001) to nvarchar(4000).

mod answer;
mod batch;
mod bulk;
mod cast;
mod catalogue;
mod control;
mod engine;
mod error;
mod fault;
mod functions;
mod grants;
mod lexer;
mod login;
mod modules;
mod names;
mod permissions;
mod proxy;
mod results;
mod scope;
mod server;
mod session;
mod syntax;
mod tables;
mod time;
mod transactions;
mod translate;
mod types;
mod values;
mod wire;
mod wire_type;

pub use error::SqlError;
pub use fault::Fault;
pub use proxy::{Direction, Proxy};

use engine::{Engine, Outcome, Reply, Variables};
use permissions::{ADMIN, Access, EVERYTHING};
use server::{Listening, Shared};
use std::{path::Path, sync::Arc};
use tempfile::TempDir;

/// A server of one test. Its data last as long as it, or as the file that it was started at.
pub struct StandIn {
    port: u16,
    listening: Option<Listening>,
    shared: Arc<Shared>,
    /// Removes the data when dropped; after the connections are closed.
    _folder: Option<TempDir>,
}

#[allow(clippy::expect_used, reason = "a test that has no server cannot go on")]
impl StandIn {
    /// Starts on a free port with an empty database.
    ///
    /// # Panics
    ///
    /// If there is no port or no room for a temporary file.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the stand-in");
        let path = folder.path().join("stand_in.db");
        Self::listening(&path, Some(folder))
    }

    /// Starts with the database at `path`, a file that is made if it is missing.
    ///
    /// # Panics
    ///
    /// If the file cannot be opened.
    pub fn start_at(path: &Path) -> Self {
        Self::listening(path, None)
    }

    fn listening(path: &Path, folder: Option<TempDir>) -> Self {
        let shared = Arc::new(Shared::new(path).expect("the stand-in's database"));
        let listening = Listening::start(0, shared.clone()).expect("a port for the stand-in");
        Self { port: listening.port, listening: Some(listening), shared, _folder: folder }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// For user `prov`, in ADO's form.
    pub fn connection_string(&self) -> String {
        self.connection_string_for("prov", self.port)
    }

    /// For any user, through any port (a [`Proxy`]'s).
    pub fn connection_string_for(&self, user: &str, port: u16) -> String {
        format!(
            "Server=tcp:127.0.0.1,{port};Database=kaizen;User Id={user};Password=secret;\
             Encrypt=DANGER_PLAINTEXT"
        )
    }

    /// Runs batches (a line `GO` parts them) as the administrator, past the wire and the faults, and
    /// returns the number of rows changed.
    ///
    /// # Panics
    ///
    /// If a statement fails.
    pub fn tamper(&self, sql: &str) -> usize {
        self.try_tamper(sql).unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    /// As [`StandIn::tamper`], with the error returned.
    ///
    /// # Errors
    ///
    /// The first error of a statement.
    pub fn try_tamper(&self, sql: &str) -> Result<usize, SqlError> {
        let mut engine = self.engine();
        let mut changed = 0;
        for batch in batches(sql) {
            let reply = engine.run(&batch, Variables::new());
            changed += reply.outcomes.iter().map(changed_by).sum::<usize>();
            reply.error.map_or(Ok(()), Err)?;
        }
        Ok(changed)
    }

    /// The rows of every result of a batch, as text; NULL is `NULL`.
    ///
    /// # Panics
    ///
    /// If a statement fails.
    pub fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let Reply { outcomes, error } = self.engine().run(sql, Variables::new());
        if let Some(error) = error {
            panic!("{error}\n{sql}");
        }
        let rows = outcomes.into_iter().flat_map(|outcome| match outcome {
            Outcome::Rows { rows, .. } => rows,
            _ => Vec::new(),
        });
        rows.map(|row| row.iter().map(shown).collect()).collect()
    }

    fn engine(&self) -> Engine {
        self.shared.open(ADMIN, "kaizen").expect("the stand-in's database")
    }

    /// From here on a batch or call whose T-SQL contains `when` is not run: it answers one column,
    /// `line`, with these rows. For what no SQLite can say: FOR JSON, dynamic management views.
    pub fn teach(&self, when: &str, lines: &[String]) {
        self.shared.teach(when, lines.to_vec());
    }

    /// Moves the server's clock ahead of the machine's.
    pub fn advance(&self, by: std::time::Duration) {
        let seconds = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
        self.shared.clock.fetch_add(seconds, std::sync::atomic::Ordering::SeqCst);
    }

    /// Refuses connections and cuts those there are; what was not committed is rolled back.
    pub fn stop(&mut self) {
        self.listening = None;
    }

    /// Listens again, on the same port and with the same data.
    ///
    /// # Panics
    ///
    /// If another process took the port.
    pub fn restart(&mut self) {
        self.stop();
        let again = Listening::start(self.port, self.shared.clone());
        self.listening = Some(again.expect("the stand-in's port again"));
    }

    /// Closes every connection; new ones are taken.
    pub fn cut_connections(&self) {
        self.shared.cut_all();
    }

    /// Orders a fault for the `nth` message from now (from one) whose T-SQL contains `when`: a batch, a
    /// call, INSERT BULK; `BEGIN`, `COMMIT` or `ROLLBACK TRANSACTION` of the transaction manager; and
    /// `LOGIN7`, a login.
    pub fn fault(&self, when: &str, nth: usize, what: Fault) {
        self.shared.faults.order(when, nth, what);
    }

    /// Faults that were ordered and have not fired.
    pub fn faults_left(&self) -> usize {
        self.shared.faults.waiting()
    }

    /// Every distinct text of a batch or call, as sent, in order.
    pub fn statements(&self) -> Vec<String> {
        self.shared.statements()
    }

    /// Logins that were let in.
    pub fn logins(&self) -> usize {
        self.shared.logins()
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// From here on `user` has the rights of Kaizen's provenance login: it reads the trail and adds to
    /// journals, events, artifacts and history. GRANT and DENY of an administrator come on top.
    pub fn restrict(&self, user: &str) {
        let permissions = &self.shared.permissions;
        permissions.restrict(user);
        permissions.grant(user, Access::Select, "kaizen.*");
        permissions.grant(user, Access::Select, "dbo.AutonomousImprovementHistory");
        for table in ["journals", "events", "artifacts", "history"] {
            permissions.grant(user, Access::Insert, &format!("kaizen.{table}"));
        }
    }

    /// Denies `user` a permission (`INSERT`, `SELECT`, …) on everything outside tempdb.
    ///
    /// # Panics
    ///
    /// If the double has no such permission.
    pub fn revoke(&self, user: &str, permission: &str) {
        let access = Access::named(permission).expect("a permission of the stand-in");
        self.shared.permissions.deny(user, access, EVERYTHING);
    }

    /// Takes back what [`StandIn::revoke`] did.
    ///
    /// # Panics
    ///
    /// If the double has no such permission.
    pub fn grant(&self, user: &str, permission: &str) {
        let access = Access::named(permission).expect("a permission of the stand-in");
        self.shared.permissions.revoke(user, access, EVERYTHING);
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Batches between lines `GO`.
pub fn batches(sql: &str) -> Vec<String> {
    let mut batches = vec![String::new()];
    for line in sql.lines() {
        if line.trim().eq_ignore_ascii_case("GO") {
            batches.push(String::new());
        } else if let Some(batch) = batches.last_mut() {
            batch.push_str(line);
            batch.push('\n');
        }
    }
    batches.retain(|batch| !batch.trim().is_empty());
    batches
}

fn changed_by(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Done { count, .. } => usize::try_from(count.unwrap_or(0)).unwrap_or(usize::MAX),
        _ => 0,
    }
}

fn shown(value: &rusqlite::types::Value) -> String {
    match value {
        rusqlite::types::Value::Null => "NULL".to_owned(),
        value => values::text(value),
    }
}
