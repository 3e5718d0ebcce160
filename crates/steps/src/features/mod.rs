//! The database features of SQL Server that a user can opt into: what each is made of, whether a
//! server can have it, and how it is turned on, off and looked at.
//!
//! The T-SQL is in `sql/server/features` and `sql/server/reports`; each script can be run twice, and
//! says in its first line whether it is reversible or PERMANENT. Deliberately not here: anything that
//! turns a feature on without being asked, and any feature's tables in the schema `kaizen`, which is
//! the trail's alone.

mod error;
mod parameters;
mod payloads;
mod reports;
mod scoring;
mod scripts;
#[cfg(test)]
mod tests;
mod weights;

pub use error::Error;
pub use parameters::{Kind, Parameter, Parameters};
pub use payloads::{Moved, move_payloads};
pub use reports::{Report, Source, reports};
pub use scoring::scoring_function;
pub use weights::restore;

use crate::{
    adapters::mssql::{FromSql, Row, Session, ValueError, ValueResult},
    provenance::schema::batches,
};

/// A feature of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// What Kaizen's analysis of a target reads.
    QueryStore,
    /// A ledger of what was used, in memory where the server can.
    Billing,
    /// Compression of the history and of the ledger.
    Columnstore,
    /// Versions of the rows of a table that the user names.
    Temporal,
    /// Payloads from files into a table that the user names.
    Filestream,
    /// A catalogue of models, and functions that score.
    Predict,
}

impl Feature {
    pub const ALL: [Feature; 6] = [
        Feature::QueryStore,
        Feature::Billing,
        Feature::Columnstore,
        Feature::Temporal,
        Feature::Filestream,
        Feature::Predict,
    ];

    /// As users write it; its folder in `sql/server/features`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Feature::QueryStore => "query_store",
            Feature::Billing => "billing",
            Feature::Columnstore => "columnstore",
            Feature::Temporal => "temporal",
            Feature::Filestream => "filestream",
            Feature::Predict => "predict",
        }
    }

    /// The feature of a name.
    ///
    /// # Errors
    /// [`Error::Unknown`], with the names that there are.
    pub fn parse(name: &str) -> Result<Feature, Error> {
        let found = Feature::ALL.into_iter().find(|feature| feature.name() == name);
        found.ok_or_else(|| Error::Unknown { name: name.to_owned() })
    }

    /// What it can be told.
    #[must_use]
    pub const fn parameters(self) -> &'static [Parameter] {
        parameters::of(self)
    }
}

/// T-SQL that does one thing, batches separated by `GO`. It can be run twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// `billing/memory`.
    pub name: String,
    pub sql: String,
    /// Why it cannot be taken back; `None`: it can.
    pub permanent: Option<String>,
    /// How it is taken back, where it can be.
    pub undo: Option<String>,
    /// Run only where this statement says that it is supported, as [`detect`]'s does; elsewhere the
    /// feature works without.
    pub only_where: Option<&'static str>,
}

/// Whether a server can have a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Support {
    pub supported: bool,
    /// What is missing, if anything, and which server it is.
    pub why: String,
}

/// One thing that a status tells of.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Item {
    pub item: String,
    pub state: String,
    pub detail: String,
}

/// Whether this server and database can have a feature.
///
/// # Errors
/// Where the server does not answer.
pub async fn detect(
    session: &mut Session,
    feature: Feature,
) -> Result<Support, crate::adapters::mssql::Error> {
    support(session, scripts::of(feature).detect).await
}

/// What turning it on would run, in order.
///
/// # Errors
/// [`Error::Parameter`].
pub fn plan(feature: Feature, parameters: &Parameters) -> Result<Vec<Script>, Error> {
    let given = parameters.checked(feature)?;
    scripts::of(feature)
        .enable
        .iter()
        .filter(|part| part.is_chosen(&given))
        .map(|part| part.script(feature, &given))
        .collect()
}

/// What turning it off would run. It takes no data away.
///
/// # Errors
/// [`Error::Parameter`].
pub fn undo_plan(feature: Feature, parameters: &Parameters) -> Result<Script, Error> {
    let given = parameters.checked(feature)?;
    let sql = given.fill(feature, scripts::of(feature).disable)?;
    let name = format!("{}/disable", feature.name());
    Ok(Script { name, sql, permanent: None, undo: Some("enable it".to_owned()), only_where: None })
}

/// Turns it on; answers the names of the scripts that were run. Once more it changes nothing.
///
/// Run it on a connection without a command time-out where tables are large.
///
/// # Errors
/// [`Error::Unsupported`] and [`Error::Permanent`] before anything is run; what the server says:
/// batches before that one stay done, and all can be run again.
pub async fn enable(
    session: &mut Session,
    feature: Feature,
    parameters: &Parameters,
    accept_permanent: bool,
) -> Result<Vec<String>, Error> {
    let planned = plan(feature, parameters)?;
    let found = detect(session, feature).await?;
    if !found.supported {
        return Err(Error::Unsupported { feature: feature.name(), why: found.why });
    }
    let mut chosen = Vec::new();
    for script in planned {
        let supported = match script.only_where {
            Some(sql) => support(session, sql).await?.supported,
            None => true,
        };
        if supported {
            chosen.push(script);
        }
    }
    refuse_permanent(&chosen, accept_permanent)?;
    for script in &chosen {
        run(session, script).await?;
    }
    Ok(chosen.into_iter().map(|script| script.name).collect())
}

/// Turns it off.
///
/// # Errors
/// As [`enable`].
pub async fn disable(
    session: &mut Session,
    feature: Feature,
    parameters: &Parameters,
) -> Result<(), Error> {
    run(session, &undo_plan(feature, parameters)?).await
}

/// What there is of it.
///
/// # Errors
/// [`Error::Parameter`], or what the server says.
pub async fn status(
    session: &mut Session,
    feature: Feature,
    parameters: &Parameters,
) -> Result<Vec<Item>, Error> {
    let sql = parameters.checked(feature)?.fill(feature, scripts::of(feature).status)?;
    Ok(session.rows(&sql, &[], item).await?)
}

fn refuse_permanent(scripts: &[Script], accept_permanent: bool) -> Result<(), Error> {
    let permanent = scripts.iter().find_map(|script| Some((script, script.permanent.as_ref()?)));
    match permanent {
        Some((script, why)) if !accept_permanent => {
            Err(Error::Permanent { script: script.name.clone(), why: why.clone() })
        }
        Some(_) | None => Ok(()),
    }
}

async fn run(session: &mut Session, script: &Script) -> Result<(), Error> {
    for batch in batches(&script.sql) {
        session.run(&batch).await?;
    }
    Ok(())
}

async fn support(
    session: &mut Session,
    sql: &str,
) -> Result<Support, crate::adapters::mssql::Error> {
    let found = session.rows(sql, &[], |row| {
        let supported: i32 = needed(row, "supported")?;
        let why: &str = needed(row, "why")?;
        Ok(Support { supported: supported == 1, why: why.to_owned() })
    });
    let silent = || Support { supported: false, why: "the server does not say".to_owned() };
    Ok(found.await?.into_iter().next().unwrap_or_else(silent))
}

fn item(row: &Row) -> ValueResult<Item> {
    let text = |column| needed::<&str>(row, column).map(str::to_owned);
    Ok(Item { item: text("item")?, state: text("state")?, detail: text("detail")? })
}

fn needed<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> ValueResult<T> {
    row.try_get(column)?.ok_or_else(|| ValueError::Conversion(format!("{column} is NULL").into()))
}
