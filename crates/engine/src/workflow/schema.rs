//! What a value may be: the shape of each key, as a table that the types are tested against.
//!
//! The types deny unknown fields by themselves; this table is there for the messages, which name
//! the key, the line and the way to write it. Rules between two keys live in `rules`.

use super::{duration, window::Window};
use std::time::Duration;
use toml::de::DeValue;

/// Every key of one kind of file.
pub(super) struct Schema(pub(super) &'static [Key]);

/// One key: where it stands, what it may hold, whether it must be there.
pub(super) struct Key {
    pub(super) section: Option<&'static str>,
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) required: bool,
}

/// What a value may be. Bounds are inclusive.
pub(super) enum Shape {
    /// Any text.
    Text,
    /// Text that is not blank.
    Filled,
    /// `[a-z0-9-]+`.
    Slug,
    /// A path inside the project: relative, without `..`.
    Inside,
    /// A glob pattern inside the project.
    Glob,
    Choice {
        what: &'static str,
        known: &'static [&'static str],
    },
    Number {
        what: &'static str,
        min: f64,
        max: f64,
    },
    Whole {
        min: i64,
        max: i64,
    },
    /// From `min` to a year.
    Time {
        min: Duration,
    },
    Flag,
    /// An array of values, none of them twice.
    Set(&'static Shape),
    /// An array of arguments, the program first.
    Command,
    /// An array of commands.
    Commands,
    /// `0 22 * * Sat for 6h`.
    Window,
}

/// Why a value does not fit; the caller adds key and position.
pub(super) enum Fault {
    Unknown { what: &'static str, name: String, known: &'static [&'static str] },
    Reason(String),
}

/// No time-out or budget that somebody means is longer.
const YEAR: Duration = Duration::from_secs(366 * 86_400);

/// Percentages that may exceed 100: something can get 250 % slower.
pub(super) const PERCENT: Shape =
    Shape::Number { what: "a percentage of 0 or more", min: 0.0, max: 1_000_000.0 };
pub(super) const PROBABILITY: Shape =
    Shape::Number { what: "a probability from 0 to 1", min: 0.0, max: 1.0 };

/// A time from `min_ms` up to a year.
pub(super) const fn time(min_ms: u64) -> Shape {
    Shape::Time { min: Duration::from_millis(min_ms) }
}

/// An optional key.
pub(super) const fn key(section: &'static str, name: &'static str, shape: Shape) -> Key {
    Key { section: Some(section), name, shape, required: false }
}

impl Key {
    /// `evaluate.tests`, or `name`.
    pub(super) fn path(&self) -> String {
        self.section.map_or(self.name.to_owned(), |section| format!("{section}.{}", self.name))
    }
}

impl Schema {
    pub(super) fn keys(&self) -> impl Iterator<Item = &'static Key> {
        self.0.iter()
    }

    pub(super) fn required(&self) -> impl Iterator<Item = &'static Key> {
        self.keys().filter(|key| key.required)
    }

    pub(super) fn find(&self, section: Option<&str>, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.section == section && key.name == name)
    }

    pub(super) fn section(&self, name: &str) -> Option<&'static str> {
        self.keys().filter_map(|key| key.section).find(|section| *section == name)
    }

    /// The keys of a section; at the top level the sections too.
    pub(super) fn names(&self, section: Option<&str>) -> Vec<&'static str> {
        let own = self.keys().filter(|key| key.section == section).map(|key| key.name);
        let mut names: Vec<_> = own.collect();
        if section.is_none() {
            names.extend(self.keys().filter_map(|key| key.section));
            names.dedup();
        }
        names
    }
}

impl Shape {
    pub(super) fn check(&self, value: &DeValue<'_>) -> Result<(), Fault> {
        match self {
            Shape::Text => text(value).map(drop),
            Shape::Filled => filled(value).map(drop),
            Shape::Slug => slug(text(value)?),
            Shape::Inside => inside(filled(value)?),
            Shape::Glob => glob(filled(value)?),
            Shape::Choice { what, known } => choice(text(value)?, what, known),
            Shape::Number { what, min, max } => number(value, what, *min, *max),
            Shape::Whole { min, max } => whole(value, *min, *max),
            Shape::Time { min } => time_from(value, *min),
            Shape::Flag => match value {
                DeValue::Boolean(_) => Ok(()),
                _ => Err(expected("true or false", value)),
            },
            Shape::Set(shape) => set(value, shape),
            Shape::Command => command(value),
            Shape::Commands => commands(value),
            Shape::Window => filled(value)?.parse::<Window>().map(drop).map_err(Fault::Reason),
        }
    }
}

fn expected(what: &str, value: &DeValue<'_>) -> Fault {
    Fault::Reason(format!("expected {what}, found {} {}", value.type_str(), show(value)))
}

/// The value as it was written, for messages; arrays and tables are named by their type only.
fn show(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("`{text}`"),
        DeValue::Integer(number) => format!("`{number}`"),
        DeValue::Float(number) => format!("`{}`", number.as_str()),
        DeValue::Boolean(flag) => format!("`{flag}`"),
        DeValue::Datetime(time) => format!("`{time}`"),
        DeValue::Array(_) | DeValue::Table(_) => String::new(),
    }
}

fn text<'a>(value: &'a DeValue<'_>) -> Result<&'a str, Fault> {
    value.as_str().ok_or_else(|| expected("a text in quotes", value))
}

fn filled<'a>(value: &'a DeValue<'_>) -> Result<&'a str, Fault> {
    match text(value)? {
        blank if blank.trim().is_empty() => Err(Fault::Reason("must not be empty".to_owned())),
        filled => Ok(filled),
    }
}

fn slug(text: &str) -> Result<(), Fault> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !text.is_empty() && text.len() <= 64 && text.chars().all(fits) {
        return Ok(());
    }
    let written = if text.is_empty() { "an empty text".to_owned() } else { format!("`{text}`") };
    let rule = "1 to 64 of the characters a-z, 0-9 and -";
    Err(Fault::Reason(format!("{written} is no name: write {rule}")))
}

fn inside(path: &str) -> Result<(), Fault> {
    let reason = if path.starts_with(['/', '\\', '~']) || path.contains(':') {
        "is not relative to the project"
    } else if path.contains('\\') {
        "contains a backslash: write /"
    } else if path.split('/').any(|part| part == "..") {
        "leads out of the project"
    } else {
        return Ok(());
    };
    Err(Fault::Reason(format!("the path `{path}` {reason}")))
}

fn glob(pattern: &str) -> Result<(), Fault> {
    inside(pattern)?;
    glob::Pattern::new(pattern)
        .map(drop)
        .map_err(|error| Fault::Reason(format!("`{pattern}` is no glob pattern: {}", error.msg)))
}

fn choice(name: &str, what: &'static str, known: &'static [&'static str]) -> Result<(), Fault> {
    if known.contains(&name) {
        return Ok(());
    }
    Err(Fault::Unknown { what, name: name.to_owned(), known })
}

fn number(value: &DeValue<'_>, what: &str, min: f64, max: f64) -> Result<(), Fault> {
    let parsed = match value {
        DeValue::Integer(_) => integer(value).map(|whole| whole as f64),
        DeValue::Float(float) => float.as_str().parse().ok(),
        _ => None,
    };
    match parsed {
        Some(number) if (min..=max).contains(&number) => Ok(()),
        _ => Err(expected(what, value)),
    }
}

fn whole(value: &DeValue<'_>, min: i64, max: i64) -> Result<(), Fault> {
    match integer(value) {
        Some(number) if (min..=max).contains(&number) => Ok(()),
        _ => Err(expected(&format!("a whole number from {min} to {max}"), value)),
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn time_from(value: &DeValue<'_>, min: Duration) -> Result<(), Fault> {
    let DeValue::String(text) = value else {
        let written = show(value);
        let reason = format!("{written} is no duration: write \"30s\", \"5m\", \"2h\", \"7d\"");
        return Err(Fault::Reason(reason.trim_start().to_owned()));
    };
    let time = duration::parse(text).map_err(Fault::Reason)?;
    if (min..=YEAR).contains(&time) {
        return Ok(());
    }
    let min = duration::format(min);
    Err(Fault::Reason(format!("`{text}` is out of range: from {min} to a year")))
}

fn set(value: &DeValue<'_>, shape: &Shape) -> Result<(), Fault> {
    let items = value.as_array().ok_or_else(|| expected("an array: [\"…\"]", value))?;
    let mut seen = Vec::new();
    for item in items {
        shape.check(item.get_ref())?;
        let shown = show(item.get_ref());
        if seen.contains(&shown) {
            return Err(Fault::Reason(format!("{shown} stands there twice")));
        }
        seen.push(shown);
    }
    Ok(())
}

fn command(value: &DeValue<'_>) -> Result<(), Fault> {
    let form = "an array of arguments, the program first: [\"./bench.sh\", \"--fast\"]";
    let arguments = value.as_array().ok_or_else(|| expected(form, value))?;
    let Some(program) = arguments.first() else {
        return Err(Fault::Reason("a command without a program: []".to_owned()));
    };
    filled(program.get_ref())?;
    arguments.iter().try_for_each(|argument| text(argument.get_ref()).map(drop))
}

fn commands(value: &DeValue<'_>) -> Result<(), Fault> {
    let form = "an array of commands, each an array of arguments: [[\"./check.sh\", \"--fast\"]]";
    let commands = value.as_array().ok_or_else(|| expected(form, value))?;
    commands.iter().try_for_each(|one| match one.get_ref() {
        DeValue::Array(_) => command(one.get_ref()),
        other => Err(expected(form, other)),
    })
}
