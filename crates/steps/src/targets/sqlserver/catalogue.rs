//! What the catalogue of a live database says: which database it is, its schema table by table, and one
//! index as it stands.

use super::values::{flag, int, number, text, whole};
use crate::{
    adapters::mssql::{Error, Session, ToSql},
    sql::{forcing::Forcing, tsql::IndexDefinition},
};
use kaizen_engine::digest::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const SCHEMA: [&str; 6] = [
    include_str!("../../../../../sql/server/deploy/schema/columns.sql"),
    include_str!("../../../../../sql/server/deploy/schema/indexes.sql"),
    include_str!("../../../../../sql/server/deploy/schema/checks.sql"),
    include_str!("../../../../../sql/server/deploy/schema/defaults.sql"),
    include_str!("../../../../../sql/server/deploy/schema/foreign_keys.sql"),
    include_str!("../../../../../sql/server/deploy/schema/modules.sql"),
];
const IDENTITY: &str = include_str!("../../../../../sql/server/deploy/identity.sql");
const CLOCK: &str = include_str!("../../../../../sql/server/deploy/clock.sql");
const INDEX: &str = include_str!("../../../../../sql/server/deploy/index.sql");
const FORCED: &str = include_str!("../../../../../sql/server/deploy/forced.sql");
const AUTOMATIC_TUNING: &str =
    include_str!("../../../../../sql/server/deploy/automatic_tuning.sql");
const RESUMABLE: &str = include_str!("../../../../../sql/server/deploy/resumable.sql");

/// Which database this is: part of what an approval binds to.
///
/// # Errors
/// What the server says, or that it is gone.
pub async fn identity(session: &mut Session) -> Result<String, Error> {
    let read = session.rows(IDENTITY, &[], |row| {
        let (server, database) = (text(row, "server_name")?, text(row, "database_name")?);
        let group = text(row, "group_id")?;
        Ok(match group.as_str() {
            "" => format!("{server}/{database}, made at {}", whole(row, "created_s")?),
            group => format!("{database} of the availability group database {group}"),
        })
    });
    Ok(read.await?.into_iter().next().unwrap_or_default())
}

/// Seconds since 1970, UTC, by the server's clock.
///
/// # Errors
/// What the server says, or that it is gone.
pub async fn clock(session: &mut Session) -> Result<i64, Error> {
    Ok(session.one(CLOCK, &[]).await?.unwrap_or(0))
}

/// The definitions of everything in a database: how it is used or how large it is does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    pub digest: Digest,
    /// `schema.object`, lower case: the digest of what stands under it.
    pub objects: BTreeMap<String, Digest>,
}

/// Reads the whole schema, Kaizen's own apart.
///
/// # Errors
/// What the server says, or that it is gone.
pub async fn schema(session: &mut Session) -> Result<Schema, Error> {
    let mut objects: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (part, statement) in SCHEMA.iter().enumerate() {
        let (_, rows) = session.table(statement).await?;
        for row in rows {
            let [schema, object, rest @ ..] = row.as_slice() else { continue };
            // Names hold no control characters that people can type.
            let line = format!("{part}\u{1F}{}", rest.join("\u{1F}"));
            objects.entry(format!("{schema}.{object}").to_lowercase()).or_default().push(line);
        }
    }
    let objects: BTreeMap<String, Digest> = objects
        .into_iter()
        .map(|(name, mut lines)| {
            lines.sort();
            let lines: Vec<&[u8]> =
                lines.iter().flat_map(|line| [line.as_bytes(), b"\0"]).collect();
            (name, Digest::of(&lines))
        })
        .collect();
    let whole: Vec<&[u8]> =
        objects.iter().flat_map(|(name, digest)| [name.as_bytes(), &digest.0]).collect();
    Ok(Schema { digest: Digest::of(&whole), objects })
}

/// How an index stands, beside how it should.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    Absent,
    /// It is there, as defined.
    Same,
    /// An index of that name is there, and is another; what differs.
    Other(String),
    /// Its resumable build was paused so far.
    Paused(f64),
    /// Its resumable build is under way, in another session.
    Building(f64),
}

/// What kind of index stands under a name, and whether it is unique; `None`: none does.
///
/// # Errors
/// What the server says, or that it is gone.
pub async fn nature(
    session: &mut Session,
    schema: &str,
    table: &str,
    name: &str,
) -> Result<Option<(String, bool)>, Error> {
    let which: [&dyn ToSql; 3] = [&schema, &table, &name];
    let read =
        session.rows(INDEX, &which, |row| Ok((text(row, "type_desc")?, flag(row, "is_unique")?)));
    Ok(read.await?.into_iter().next())
}

/// How many plans of that query with that hash are forced, and how many there are.
///
/// # Errors
/// What the server says, or that it is gone.
pub async fn forced(session: &mut Session, forcing: &Forcing) -> Result<(i32, i32), Error> {
    let (query, plan) = (forcing.query.as_str(), forcing.plan.as_str());
    let which: [&dyn ToSql; 2] = [&query, &plan];
    let read = session.rows(FORCED, &which, |row| Ok((int(row, "forced")?, int(row, "there")?)));
    Ok(read.await?.into_iter().next().unwrap_or_default())
}

/// Whether the server forces plans by itself, which ours would be in the way of.
///
/// # Errors
/// What the server says, or that it is gone.
pub async fn tunes_itself(session: &mut Session) -> Result<bool, Error> {
    Ok(session.one::<i32>(AUTOMATIC_TUNING, &[]).await?.unwrap_or(0) > 0)
}

/// One column of an index.
struct Part {
    kind: String,
    unique: bool,
    disabled: bool,
    filtered: bool,
    column: String,
    descending: bool,
    included: bool,
}

/// How an index stands. `resumable`: whether a build of it may have been paused.
///
/// # Errors
/// What the server says, or that it is gone.
pub async fn index(
    session: &mut Session,
    wanted: &IndexDefinition,
    resumable: bool,
) -> Result<Found, Error> {
    let (schema, table, name) =
        (wanted.schema.as_str(), wanted.table.as_str(), wanted.name.as_str());
    let which: [&dyn ToSql; 3] = [&schema, &table, &name];
    if resumable {
        let build = session.rows(RESUMABLE, &which, |row| {
            Ok((text(row, "state_desc")?, number(row, "percent_complete")?))
        });
        if let Some((state, percent)) = build.await?.into_iter().next() {
            let paused = state.eq_ignore_ascii_case("PAUSED");
            return Ok(if paused { Found::Paused(percent) } else { Found::Building(percent) });
        }
    }
    let parts = session.rows(INDEX, &which, |row| {
        Ok(Part {
            kind: text(row, "type_desc")?,
            unique: flag(row, "is_unique")?,
            disabled: flag(row, "is_disabled")?,
            filtered: row.try_get::<&str, _>("filter_definition")?.is_some(),
            column: text(row, "column_name")?,
            descending: flag(row, "is_descending_key")?,
            included: flag(row, "is_included_column")?,
        })
    });
    Ok(compared(&parts.await?, wanted))
}

fn compared(parts: &[Part], wanted: &IndexDefinition) -> Found {
    let Some(first) = parts.first() else { return Found::Absent };
    let same = |one: &str, other: &str| one.eq_ignore_ascii_case(other);
    let keys: Vec<&Part> = parts.iter().filter(|part| !part.included).collect();
    let mut included: Vec<String> =
        parts.iter().filter(|part| part.included).map(|part| part.column.to_lowercase()).collect();
    let mut wants: Vec<String> = wanted.included.iter().map(|name| name.to_lowercase()).collect();
    included.sort();
    wants.sort();
    let kind = if wanted.clustered { "CLUSTERED" } else { "NONCLUSTERED" };
    let differs = if !same(&first.kind, kind) {
        Some(format!("it is {}", first.kind))
    } else if first.unique != wanted.unique {
        Some(format!("it is {}unique", if first.unique { "" } else { "not " }))
    } else if first.disabled {
        Some("it is disabled".to_owned())
    } else if first.filtered {
        Some("it has a filter".to_owned())
    } else if keys.len() != wanted.keys.len()
        || !keys.iter().zip(&wanted.keys).all(|(part, (name, descending))| {
            same(&part.column, name) && part.descending == *descending
        })
    {
        Some("its key columns are others".to_owned())
    } else if included != wants {
        Some("its included columns are others".to_owned())
    } else {
        None
    };
    differs.map_or(Found::Same, Found::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> IndexDefinition {
        IndexDefinition {
            schema: "dbo".to_owned(),
            table: "Orders".to_owned(),
            name: "ix".to_owned(),
            unique: false,
            clustered: false,
            keys: vec![("CustomerId".to_owned(), false), ("Placed".to_owned(), true)],
            included: vec!["Total".to_owned(), "Note".to_owned()],
        }
    }

    fn part(column: &str, descending: bool, included: bool) -> Part {
        Part {
            kind: "NONCLUSTERED".to_owned(),
            unique: false,
            disabled: false,
            filtered: false,
            column: column.to_owned(),
            descending,
            included,
        }
    }

    fn there() -> Vec<Part> {
        vec![
            part("customerid", false, false),
            part("Placed", true, false),
            part("Note", false, true),
            part("Total", false, true),
        ]
    }

    #[test]
    fn an_index_is_the_same_only_where_all_of_it_is() {
        assert_eq!(compared(&[], &wanted()), Found::Absent);
        assert_eq!(compared(&there(), &wanted()), Found::Same);
        let mut others = Vec::new();
        for change in 0..7 {
            let mut parts = there();
            match change {
                0 => parts[0].kind = "CLUSTERED".to_owned(),
                1 => parts[0].unique = true,
                2 => parts[0].disabled = true,
                3 => parts[0].filtered = true,
                4 => parts[1].descending = false,
                5 => drop(parts.pop()),
                _ => parts.swap(0, 1),
            }
            let Found::Other(why) = compared(&parts, &wanted()) else { panic!("{change}") };
            others.push(why);
        }
        assert_eq!(others.len(), 7, "{others:?}");
    }
}
