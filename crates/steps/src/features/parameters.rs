//! What a feature can be told, checked and quoted, and the one place where it gets into T-SQL.

use super::{Error, Feature};
use crate::provenance::grants::identifier;
use std::collections::BTreeMap;

/// The longest name of SQL Server, in UTF-16 code units.
const LONGEST_NAME: usize = 128;

/// One thing that a feature can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    pub name: &'static str,
    pub what: &'static str,
    pub kind: Kind,
    /// What is taken where it is not given; `None`: it must be given by whoever needs it.
    pub default: Option<&'static str>,
}

/// What a value may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A name of a schema, table or column, as it is, without brackets.
    Name,
    /// Whole years, 1 to 100.
    Years,
    /// `yes` or `no`.
    Flag,
    /// One of these.
    Word(&'static [&'static str]),
    /// A time in UTC: `2026-11-26T14:50:00Z`.
    Time,
    /// A folder on the server, with its separator at the end.
    Folder,
}

const fn parameter(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    what: &'static str,
) -> Parameter {
    Parameter { name, what, kind, default }
}

const SCHEMA: Parameter = parameter("schema", Kind::Name, Some("dbo"), "schema of the table");

const BILLING: &[Parameter] =
    &[parameter("memory", Kind::Flag, Some("yes"), "in memory too, where the server can")];

const COLUMNSTORE: &[Parameter] = &[parameter(
    "method",
    Kind::Word(&["columnstore", "page"]),
    Some("columnstore"),
    "an index by columns, or PAGE compression",
)];

const TEMPORAL: &[Parameter] = &[
    SCHEMA,
    parameter("table", Kind::Name, None, "table whose rows are kept as they were"),
    parameter("history", Kind::Name, None, "table of the history; else TABLE_History"),
    parameter("retention_years", Kind::Years, None, "else 2, and 1 for TensorAtoms"),
    parameter("as_of", Kind::Time, None, "to restore: the time, in UTC"),
    parameter("remove_newer", Kind::Flag, Some("no"), "to restore: take newer rows away"),
];

const FILESTREAM: &[Parameter] = &[
    SCHEMA,
    parameter("table", Kind::Name, None, "table that gets the payloads"),
    parameter("key", Kind::Name, None, "its column that is unique by itself"),
    parameter("locator", Kind::Name, Some("PayloadLocator"), "column that names a file"),
    parameter("payload", Kind::Name, Some("Payload"), "column that gets its bytes"),
    parameter("root", Kind::Folder, None, "to move: the folder that holds all files"),
    parameter("filestream", Kind::Flag, Some("yes"), "FILESTREAM, where the server can"),
];

pub(super) const fn of(feature: Feature) -> &'static [Parameter] {
    match feature {
        Feature::QueryStore | Feature::Predict => &[],
        Feature::Billing => BILLING,
        Feature::Columnstore => COLUMNSTORE,
        Feature::Temporal => TEMPORAL,
        Feature::Filestream => FILESTREAM,
    }
}

/// Values by name, as a user gives them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// With one more; the last of a name counts.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Parameters {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Each value checked, and what was not given set to its default.
    pub(super) fn checked(&self, feature: Feature) -> Result<Checked, Error> {
        let known = of(feature);
        if let Some(name) = self.0.keys().find(|name| known.iter().all(|one| one.name != **name)) {
            let names: Vec<_> = known.iter().map(|one| one.name).collect();
            let why = match &names[..] {
                [] => "is none of its parameters: it takes none".to_owned(),
                _ => format!("is none of its parameters: it takes {}", names.join(", ")),
            };
            return Err(wrong(feature, name, &why));
        }
        let mut values = BTreeMap::new();
        for one in known {
            let given = self.0.get(one.name).map(String::as_str).or(one.default);
            if let Some(value) = given {
                let value = check(one.kind, value).map_err(|why| wrong(feature, one.name, &why))?;
                values.insert(one.name, value);
            }
        }
        if feature == Feature::Temporal {
            derive(&mut values)?;
        }
        Ok(Checked(values))
    }
}

/// What the seed's tables get where nothing else is said: two years of history, one for the atoms.
fn derive(values: &mut BTreeMap<&'static str, String>) -> Result<(), Error> {
    let Some(table) = values.get("table").cloned() else { return Ok(()) };
    let years = if table.eq_ignore_ascii_case("TensorAtoms") { "1" } else { "2" };
    values.entry("retention_years").or_insert_with(|| years.to_owned());
    if !values.contains_key("history") {
        let history = check(Kind::Name, &format!("{table}_History"))
            .map_err(|why| wrong(Feature::Temporal, "history", &why))?;
        values.insert("history", history);
    }
    Ok(())
}

fn wrong(feature: Feature, name: &str, why: &str) -> Error {
    Error::Parameter { feature: feature.name(), name: name.to_owned(), why: why.to_owned() }
}

/// The value as it is kept, or why it cannot be.
fn check(kind: Kind, value: &str) -> Result<String, String> {
    let fine = |value: &str| Ok(value.to_owned());
    match kind {
        Kind::Name if value.is_empty() => Err("is empty".to_owned()),
        Kind::Folder if !value.ends_with(['/', '\\']) => {
            Err("has no separator at its end, as in /data/payloads/".to_owned())
        }
        Kind::Folder if value.contains("..") => Err("leads up".to_owned()),
        // A line break could bring a GO of its own.
        Kind::Name | Kind::Folder if value.contains(char::is_control) => {
            Err("has a control character".to_owned())
        }
        Kind::Name if value.encode_utf16().count() > LONGEST_NAME => {
            Err(format!("is longer than the {LONGEST_NAME} characters of a name"))
        }
        Kind::Name | Kind::Folder => fine(value),
        Kind::Years => match value.parse::<u32>() {
            Ok(years @ 1..=100) => Ok(years.to_string()),
            Ok(_) | Err(_) => Err(format!("is {value}, not whole years from 1 to 100")),
        },
        Kind::Flag => match value {
            "yes" | "no" => fine(value),
            _ => Err(format!("is {value}, neither yes nor no")),
        },
        Kind::Word(words) if words.contains(&value) => fine(value),
        Kind::Word(words) => Err(format!("is {value}, none of {}", words.join(", "))),
        Kind::Time => time(value)
            .ok_or_else(|| format!("is {value}, no time in UTC like 2026-11-26T14:50:00Z")),
    }
}

/// As `datetime2(7)` reads it in style 126.
fn time(value: &str) -> Option<String> {
    use chrono::{Datelike as _, NaiveDateTime, Timelike as _};
    let at =
        NaiveDateTime::parse_from_str(value.strip_suffix('Z')?, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
    // A leap second is none to SQL Server.
    let valid = (1..=9999).contains(&at.year()) && at.nanosecond() < 1_000_000_000;
    let ticks = at.nanosecond() / 100;
    valid.then(|| format!("{}.{ticks:07}", at.format("%Y-%m-%dT%H:%M:%S")))
}

/// Values that were checked.
#[derive(Debug, Clone)]
pub(super) struct Checked(BTreeMap<&'static str, String>);

impl Checked {
    /// The value of a parameter; empty where there is none.
    pub(super) fn value(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A script with its placeholders filled, in one pass: a value that looks like a placeholder
    /// stays what it is. Of a name `x` there are `{{x}}` in brackets, `{{x_text}}` for within a
    /// string literal, and `{{x_code}}` for in brackets within one.
    pub(super) fn fill(&self, feature: Feature, template: &str) -> Result<String, Error> {
        let mut filled = String::with_capacity(template.len());
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("{{") {
            filled += before;
            let Some((placeholder, after)) = after.split_once("}}") else {
                let placeholder = after.chars().take(20).collect();
                return Err(Error::Placeholder { feature: feature.name(), placeholder });
            };
            filled += &self.filling(feature, placeholder)?;
            rest = after;
        }
        Ok(filled + rest)
    }

    fn filling(&self, feature: Feature, placeholder: &str) -> Result<String, Error> {
        let stray =
            || Error::Placeholder { feature: feature.name(), placeholder: placeholder.to_owned() };
        let one = |name: &str| of(feature).iter().find(|one| one.name == name);
        let suffix = ["_text", "_code"].into_iter().find(|suffix| {
            placeholder.strip_suffix(suffix).is_some_and(|name| one(name).is_some())
        });
        let name =
            suffix.and_then(|suffix| placeholder.strip_suffix(suffix)).unwrap_or(placeholder);
        let one = one(name).ok_or_else(stray)?;
        let value = self.0.get(name).ok_or_else(|| wrong(feature, name, "is not given"))?;
        match (one.kind, suffix) {
            (Kind::Name, None) => Ok(identifier(value)),
            (Kind::Name, Some("_code")) => Ok(text(&identifier(value))),
            (Kind::Name | Kind::Folder, Some("_text")) => Ok(text(value)),
            (Kind::Flag, None) => Ok(if value == "yes" { "1" } else { "0" }.to_owned()),
            (Kind::Years | Kind::Time, None) => Ok(value.clone()),
            (
                Kind::Name | Kind::Folder | Kind::Flag | Kind::Years | Kind::Time | Kind::Word(_),
                _,
            ) => Err(stray()),
        }
    }
}

/// What stands between the quotes of a string literal.
fn text(value: &str) -> String {
    value.replace('\'', "''")
}
