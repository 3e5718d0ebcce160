//! How a target is reached: a login that looks, one that changes, and a restored copy to try on.

use super::values::text;
use crate::adapters::mssql::{self, Connector, Session};
use kaizen_engine::{
    error::{Class, Classified},
    workflow::{Target, variable},
};
use std::time::Duration;

/// How long a server that is away is tried, before the run sleeps.
const PATIENCE: Duration = Duration::from_secs(15);

const DATABASE: &str = "SELECT /* kaizen */ DB_NAME() AS database_name";

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `KAIZEN_TARGET_<NAME>`: reads Query Store and the catalogue.
    Observe,
    /// `KAIZEN_TARGET_<NAME>_DEPLOY`, or the same as for looking where that is not set.
    Deploy,
    /// `KAIZEN_TARGET_<NAME>_COPY`: a restored copy, on which a change is tried before.
    Copy,
}

/// Why a target has no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{variable} is not set: it says how the target is reached")]
    NotConfigured { variable: String },
    #[error("the workflow's database is {database}, and {variable} names {found}")]
    OtherDatabase { variable: String, database: String, found: String },
    #[error(transparent)]
    Server(#[from] mssql::Error),
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::Server(error) => error.class(),
            Error::NotConfigured { .. } | Error::OtherDatabase { .. } => Class::Operator,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::NotConfigured { .. } => "sqlserver_not_configured",
            Error::OtherDatabase { .. } => "sqlserver_other_database",
            Error::Server(error) => error.code(),
        }
    }
}

/// What it takes to connect to a target as `role`; `None`: no copy is configured.
///
/// # Errors
/// Where the environment says nothing, something else, or what cannot be read.
pub fn connector(target: &Target, role: Role) -> Result<Option<Connector>, Error> {
    let Target::Sqlserver { name, database } = target else { return Ok(None) };
    let observe = variable(name);
    let (variable, found) = match role {
        Role::Observe => (observe.clone(), Connector::from_env(&observe)?),
        Role::Deploy => {
            let deploy = format!("{observe}_DEPLOY");
            match Connector::from_env(&deploy)? {
                Some(found) => (deploy, Some(found)),
                None => (observe.clone(), Connector::from_env(&observe)?),
            }
        }
        Role::Copy => {
            let copy = format!("{observe}_COPY");
            let found = Connector::from_env(&copy)?;
            // A copy may have another name.
            return Ok(found);
        }
    };
    let Some(connector) = found else { return Err(Error::NotConfigured { variable }) };
    match connector.database() {
        Some(found) if !found.eq_ignore_ascii_case(database) => {
            let (database, found) = (database.clone(), found.to_owned());
            Err(Error::OtherDatabase { variable, database, found })
        }
        _ => Ok(Some(connector)),
    }
}

/// A session on a target.
///
/// # Errors
/// As [`connector`], and where the server cannot be reached.
pub async fn session(target: &Target, role: Role) -> Result<Session, Error> {
    let Some(connector) = connector(target, role)? else {
        return Err(Error::NotConfigured { variable: "the copy's connection".to_owned() });
    };
    checked(connector.with_patience(patience(role)).session_within(PATIENCE).await?, target, role)
        .await
}

/// How long an answer may take: an index is built for as long as it takes, and Query Store may be large.
const fn patience(role: Role) -> Option<Duration> {
    match role {
        Role::Observe => Some(Duration::from_secs(600)),
        Role::Deploy | Role::Copy => None,
    }
}

/// A login's default database may be another than the workflow's.
async fn checked(mut session: Session, target: &Target, role: Role) -> Result<Session, Error> {
    let Target::Sqlserver { name, database } = target else { return Ok(session) };
    let found = session.rows(DATABASE, &[], |row| text(row, "database_name")).await?;
    match found.into_iter().next() {
        Some(found) if role != Role::Copy && !found.eq_ignore_ascii_case(database) => {
            let (variable, database) = (variable(name), database.clone());
            Err(Error::OtherDatabase { variable, database, found })
        }
        _ => Ok(session),
    }
}
