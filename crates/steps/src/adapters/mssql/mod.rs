//! The only user of tiberius: from a connection string to a connection that is logged in, encrypted
//! as asked and set up alike everywhere, and every failure on the way explained.
//!
//! Deliberately not here: a pool (a run needs one connection at a time), SQL other than the
//! session's options, and any retry of work: only connecting is repeated, which changes nothing.
//! Unlike the other adapters this one is asynchronous, as tiberius is.

mod backoff;
mod connect;
mod error;
mod given;
mod keywords;
mod mend;
mod numbers;
mod secret;
mod session;
mod settings;
mod syntax;
#[cfg(test)]
mod tests;
mod token;

pub use backoff::retry_within;
pub use error::Error;
use error::from_tiberius;
pub use numbers::is_transient;
pub use session::Session;
/// Values and rows are the driver's own.
pub use tiberius::{
    ColumnData, FromSql, IntoSql, Result as ValueResult, Row, ToSql, TokenRow, Uuid,
    error::Error as ValueError, time,
};

use settings::Settings;
use std::{env::VarError, time::Duration};
use token::TokenCommand;

/// A connection, logged in.
type Client = tiberius::Client<tokio_util::compat::Compat<tokio::net::TcpStream>>;

/// What it takes to connect, checked. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Connector {
    source: String,
    settings: Settings,
}

impl Connector {
    /// What the environment variable `var` says; `None` where it is unset or blank. With
    /// `<var>_TOKEN_COMMAND` set (a JSON array of a program and its arguments), that command's
    /// output is the access token to log in with.
    ///
    /// # Errors
    /// [`Error::Setting`], naming the variable and the keyword.
    pub fn from_env(var: &str) -> Result<Option<Connector>, Error> {
        Connector::from_lookup(var, |name| std::env::var(name))
    }

    fn from_lookup(
        var: &str,
        lookup: impl Fn(&str) -> Result<String, VarError>,
    ) -> Result<Option<Connector>, Error> {
        let read = |name: &str| match lookup(name) {
            Ok(value) if value.trim().is_empty() => Ok(None),
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => {
                Err(Error::setting(name, "the value", "is not valid UTF-8"))
            }
        };
        let Some(ado) = read(var)? else { return Ok(None) };
        let variable = format!("{var}_TOKEN_COMMAND");
        let token = match read(&variable)? {
            Some(json) => Some(TokenCommand::parse(&variable, &json)?),
            None => None,
        };
        let settings = Settings::parse(var, &ado, token)?;
        Ok(Some(Connector { source: var.to_owned(), settings }))
    }

    /// An ADO.NET connection string. `source` is what errors call it: its place, never its text.
    ///
    /// # Errors
    /// [`Error::Setting`], naming `source` and the keyword.
    pub fn parse(source: &str, ado: &str) -> Result<Connector, Error> {
        let settings = Settings::parse(source, ado, None)?;
        Ok(Connector { source: source.to_owned(), settings })
    }

    /// One connection: TCP, TLS, login, redirections followed, session options set; all within the
    /// string's `Connect Timeout`. Its answers are bounded by the string's `Command Timeout`, after
    /// which a connection is of no further use.
    ///
    /// # Errors
    /// See [`Error`]; nothing is tried twice.
    async fn connect(&self) -> Result<Client, Error> {
        connect::open(&self.settings, &self.source).await
    }

    /// The same as a session.
    ///
    /// # Errors
    /// See [`Error`]; nothing is tried twice.
    pub async fn session(&self) -> Result<Session, Error> {
        Ok(Session::new(self.connect().await?, self.place(), self.limit()))
    }

    /// A session, tried again and again while the failure may pass, within `patience` in all.
    ///
    /// # Errors
    /// The last attempt's.
    pub async fn session_within(&self, patience: Duration) -> Result<Session, Error> {
        Ok(Session::new(self.connect_within(patience).await?, self.place(), self.limit()))
    }

    /// Connects, again and again while the failure may pass, within `patience` in all.
    ///
    /// # Errors
    /// The last attempt's.
    async fn connect_within(&self, patience: Duration) -> Result<Client, Error> {
        retry_within(patience, |left| {
            let connector = self.clone().with_timeout(left);
            async move {
                // Signing in for a token is outside the connect time-out, but not outside this one.
                let late = || Error::Unreachable {
                    place: connector.place(),
                    why: format!("no connection within {patience:?}"),
                };
                let connected = tokio::time::timeout(left, connector.connect()).await;
                connected.unwrap_or_else(|_| Err(late()))
            }
        })
        .await
    }

    /// The same with a connect time-out of at most `connect`.
    #[must_use]
    pub fn with_timeout(mut self, connect: Duration) -> Connector {
        self.settings.connect_timeout = self.settings.connect_timeout.min(connect);
        self
    }

    /// The same with calls that may take at most that long.
    #[must_use]
    pub fn with_answers_within(mut self, limit: Duration) -> Connector {
        let own = self.settings.command_timeout;
        self.settings.command_timeout = Some(own.map_or(limit, |own| own.min(limit)));
        self
    }

    /// The same with calls that may take that long instead, whatever the string says; `None`: as long as
    /// they take.
    #[must_use]
    pub fn with_patience(mut self, limit: Option<Duration>) -> Connector {
        self.settings.command_timeout = limit;
        self
    }

    fn limit(&self) -> Option<Duration> {
        self.settings.command_timeout
    }

    /// Where it leads, without secrets, as in `tcp:host,1433/database`: for people, and for what an
    /// approval binds to.
    pub fn place(&self) -> String {
        let Settings { host, port, database, .. } = &self.settings;
        connect::place(host, *port, database.as_deref())
    }

    /// The database named; without one, the login's default applies.
    pub fn database(&self) -> Option<&str> {
        self.settings.database.as_deref()
    }
}
