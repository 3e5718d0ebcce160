//! The trail's schema: numbered migrations, each in a transaction of its own, through `refinery`.
//!
//! Its drivers know tiberius 0.12 alone; these are its traits over the version that is used here,
//! aware of `GO`, and with every answer read to its end: an error may come after the first result.

use crate::adapters::mssql::{self, Row, Session, ValueResult};
use refinery::{Migration, Runner, Target};
use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use time::OffsetDateTime;

/// The table that says which migrations were applied.
const TABLE: &str = "kaizen.schema_history";

/// How it is made, before the first of them.
pub(super) const PREPARE: &str = include_str!("sql/prepare.sql");

mod server {
    refinery::embed_migrations!("../../sql/server/migrations");
}

/// Why the schema could not be looked at or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Server(#[from] mssql::Error),
    /// Another schema than this Kaizen's: newer, or edited.
    #[error("the trail's schema is not as its migrations make it: {0}")]
    Divergent(String),
}

impl kaizen_engine::error::Classified for Error {
    fn class(&self) -> kaizen_engine::error::Class {
        match self {
            Error::Server(error) => error.class(),
            Error::Divergent(_) => kaizen_engine::error::Class::Operator,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Server(error) => error.code(),
            Error::Divergent(_) => "sqlserver_divergent_trail",
        }
    }
}

/// One step that `apply` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// `V1__trail`.
    pub name: String,
    /// What is run, batches separated by `GO`.
    pub sql: String,
    /// Whether it can be taken back by dropping what it makes.
    pub reversible: bool,
    pub applied: bool,
}

/// Every migration, and whether the database has it.
///
/// # Errors
/// Where the server does not answer, or has others than these.
pub async fn steps(session: &mut Session) -> Result<Vec<Step>, Error> {
    let applied = match super::installed(session).await? {
        super::Installed::Nothing => Vec::new(),
        _ => applied(session).await?,
    };
    let runner = server::migrations::runner();
    let known = runner.get_migrations();
    if let Some(strange) = applied.iter().find(|found| !known.contains(found)) {
        return Err(Error::Divergent(divergence(strange, known)));
    }
    let step = |migration: &Migration| {
        let sql = migration.sql().unwrap_or_default().to_owned();
        let reversible = !sql.contains("-- PERMANENT");
        let applied = applied.contains(migration);
        Step { name: migration.to_string(), sql, reversible, applied }
    };
    let mut steps: Vec<_> = known.iter().map(step).collect();
    steps.sort_by(|a, b| a.name.cmp(&b.name));
    if applied.is_empty() {
        let (name, sql) = ("V0__schema".to_owned(), PREPARE.to_owned());
        steps.insert(0, Step { name, sql, reversible: true, applied: false });
    }
    Ok(steps)
}

/// Applies what is not there yet; answers the names.
///
/// # Errors
/// Where the server refuses one: it is taken back whole, and those before it stay.
pub async fn apply(session: &mut Session) -> Result<Vec<String>, Error> {
    steps(session).await?;
    let mut database = Database { session, failed: None };
    let mut runner: Runner = server::migrations::runner().set_target(Target::Latest);
    runner.set_migration_table_name(TABLE);
    let report = runner.run_async(&mut database).await;
    match (report, database.failed) {
        (Ok(report), _) => {
            Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
        }
        (Err(_), Some(error)) => Err(error.into()),
        (Err(error), None) => Err(Error::Divergent(error.to_string())),
    }
}

/// Batches of a script, as `GO` separates them: on a line of its own.
pub fn batches(script: &str) -> impl Iterator<Item = String> + '_ {
    let mut lines = script.lines().peekable();
    std::iter::from_fn(move || {
        lines.peek()?;
        let batch: Vec<_> =
            lines.by_ref().take_while(|line| !line.trim().eq_ignore_ascii_case("go")).collect();
        Some(batch.join("\n"))
    })
    .filter(|batch| !batch.trim().is_empty())
}

fn divergence(found: &Migration, known: &[Migration]) -> String {
    match known.iter().find(|known| known.version() == found.version()) {
        Some(known) => format!("{found} was applied with another text than this kaizen's {known}"),
        None => format!("it has {found}, which this kaizen does not know: take a newer one"),
    }
}

async fn applied(session: &mut Session) -> Result<Vec<Migration>, mssql::Error> {
    let mut database = Database { session, failed: None };
    let sql = Database::get_applied_migrations_query(TABLE);
    AsyncQuery::query(&mut database, &sql).await
}

/// A connection as refinery sees it.
struct Database<'a> {
    session: &'a mut Session,
    /// What the server said, which refinery wraps in its own words.
    failed: Option<mssql::Error>,
}

impl Database<'_> {
    async fn transaction(&mut self, scripts: &[&str]) -> Result<usize, mssql::Error> {
        if scripts == [PREPARE] {
            // Makes only what is missing, so that it needs none; and not every server makes a schema
            // within one.
            for batch in batches(PREPARE) {
                self.session.run(&batch).await?;
            }
            return Ok(1);
        }
        self.session.run("BEGIN TRANSACTION").await?;
        for script in scripts {
            for batch in batches(script) {
                if let Err(error) = self.session.run(&batch).await {
                    // XACT_ABORT has done it already where the error was the server's.
                    let _ = self.session.run("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION").await;
                    return Err(error);
                }
            }
        }
        self.session.run("COMMIT TRANSACTION").await?;
        Ok(scripts.len())
    }
}

impl AsyncTransaction for Database<'_> {
    type Error = mssql::Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &'a mut self,
        queries: T,
    ) -> Result<usize, mssql::Error> {
        let scripts: Vec<&str> = queries.collect();
        let done = self.transaction(&scripts).await;
        if let Err(error) = &done {
            self.failed = Some(error.clone());
        }
        done
    }
}

impl AsyncQuery<Vec<Migration>> for Database<'_> {
    async fn query<'a>(&'a mut self, query: &'a str) -> Result<Vec<Migration>, mssql::Error> {
        let migration = |row: &Row| -> ValueResult<Migration> {
            let version: i32 = super::rows::needed(row, "version")?;
            let name: &str = super::rows::needed(row, "name")?;
            let checksum: &str = super::rows::needed(row, "checksum")?;
            // What cannot be read as a number is nobody's checksum.
            let checksum = checksum.parse().unwrap_or(0);
            // When it was applied is nothing that anything is decided by.
            let on = OffsetDateTime::UNIX_EPOCH;
            Ok(Migration::applied(version, name.to_owned(), on, checksum))
        };
        self.session.rows(query, &[], migration).await
    }
}

impl AsyncMigrate for Database<'_> {
    fn assert_migrations_table_query(_: &str) -> String {
        PREPARE.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::batches;

    #[test]
    fn go_separates_batches_on_a_line_of_its_own() {
        let script = "SELECT 'GO';\nGO\n\n  go  \nSELECT 1 AS go_on;\nSELECT 2\nGO\n";
        let found: Vec<_> = batches(script).collect();
        assert_eq!(found, ["SELECT 'GO';", "SELECT 1 AS go_on;\nSELECT 2"]);
    }
}
