//! A TOML text with the position of every key: syntax, unknown keys, shapes.
//!
//! It knows no key by name (that is `schema`) and no rule between two keys (that is `rules`).

use super::error::{Error, Place, Position};
use super::schema::{Key, Schema};
use super::suggest;
use serde::de::DeserializeOwned;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A parsed text that agrees with its schema, key by key.
pub(super) struct Document<'t> {
    text: &'t str,
    root: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    /// Parses and checks `text`; the first thing wrong, in the order of the text, is the error.
    pub(super) fn parse(text: &'t str, schema: &Schema) -> Result<Document<'t>, Error> {
        let root = DeTable::parse(text).map_err(|error| syntax(text, &error))?;
        let document = Document { text, root };
        let mut errors = Vec::new();
        document.check_table(document.root.get_ref(), None, schema, &mut errors);
        errors.sort_by_key(|(offset, _)| *offset);
        match errors.into_iter().next() {
            Some((_, error)) => Err(error),
            None => document.check_required(schema).map(|()| document),
        }
    }

    /// The typed value. The schema has been checked, so an error here is rare; it has a position
    /// all the same.
    pub(super) fn typed<T: DeserializeOwned>(&self) -> Result<T, Error> {
        toml::from_str(self.text).map_err(|error| syntax(self.text, &error))
    }

    /// An [`Error::Invalid`] at `section.name`, or at the section, or at the top.
    pub(super) fn invalid(&self, section: &str, name: &str, reason: String) -> Error {
        let key = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
        let span = self.span(section, name);
        Error::Invalid { at: position(self.text, span.start), key, reason }
    }

    /// An [`Error::Missing`] of a key that this kind of section must have.
    pub(super) fn missing(&self, section: &'static str, key: &'static str) -> Error {
        let at = position(self.text, self.span("", section).start);
        Error::Missing { at, key, place: Place::Section(section) }
    }

    /// Whether the key is there.
    pub(super) fn has(&self, section: &str, name: &str) -> bool {
        self.value(section, name).is_some()
    }

    /// Whether the section is there.
    pub(super) fn has_section(&self, section: &str) -> bool {
        find(self.root.get_ref(), section).is_some()
    }

    /// The key's text, where it is one.
    pub(super) fn text(&self, section: &str, name: &str) -> Option<&str> {
        self.value(section, name)?.as_str()
    }

    fn value(&self, section: &str, name: &str) -> Option<&DeValue<'t>> {
        let (_, table) = find(self.root.get_ref(), section)?;
        let (_, value) = find(table_of(table)?, name)?;
        Some(value.get_ref())
    }

    fn span(&self, section: &str, name: &str) -> Range<usize> {
        let table = match section {
            "" => Some(self.root.get_ref()),
            _ => find(self.root.get_ref(), section).and_then(|(_, value)| table_of(value)),
        };
        table
            .and_then(|table| find(table, name))
            .or_else(|| find(self.root.get_ref(), section))
            .map_or(0..0, |(span, _)| span)
    }

    fn check_table(
        &self,
        table: &DeTable<'_>,
        section: Option<&'static str>,
        schema: &Schema,
        errors: &mut Vec<(usize, Error)>,
    ) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            let offset = key.span().start;
            let at = position(self.text, offset);
            if let Some(known) = schema.find(section, name) {
                if let Err(error) = check_value(known, value.get_ref(), at) {
                    errors.push((offset, error));
                }
            } else if let (None, Some(inner)) = (section, schema.section(name)) {
                match value.get_ref() {
                    DeValue::Table(table) => self.check_table(table, Some(inner), schema, errors),
                    _ => errors.push((offset, not_a_section(inner, at))),
                }
            } else {
                errors.push((offset, unknown_key(name, section, schema, at)));
            }
        }
    }

    fn check_required(&self, schema: &Schema) -> Result<(), Error> {
        for key in schema.required() {
            let found = match key.section {
                None => find(self.root.get_ref(), key.name).is_some(),
                Some(section) => find(self.root.get_ref(), section)
                    .and_then(|(_, value)| table_of(value))
                    .is_some_and(|table| find(table, key.name).is_some()),
            };
            if !found {
                let place = key.section.map_or(Place::TopLevel, Place::Section);
                let offset = self.span("", key.section.unwrap_or_default()).start;
                let at = position(self.text, offset);
                return Err(Error::Missing { at, key: key.name, place });
            }
        }
        Ok(())
    }
}

fn check_value(key: &Key, value: &DeValue<'_>, at: Position) -> Result<(), Error> {
    use super::schema::Fault;
    key.shape.check(value).map_err(|fault| match fault {
        Fault::Unknown { what, name, known } => {
            let hint = suggest::hint(&name, known);
            Error::UnknownName { at, key: key.path(), what, name, hint }
        }
        Fault::Reason(reason) => Error::Invalid { at, key: key.path(), reason },
    })
}

fn unknown_key(name: &str, section: Option<&'static str>, schema: &Schema, at: Position) -> Error {
    let siblings = schema.names(section);
    let elsewhere = schema.keys().find(|key| key.name == name).map(|key| match key.section {
        Some(section) => format!("it belongs in [{section}]"),
        None => "it belongs at the top level".to_owned(),
    });
    let hint = elsewhere.unwrap_or_else(|| suggest::hint(name, &siblings));
    let place = section.map_or(Place::TopLevel, Place::Section);
    Error::UnknownKey { at, key: name.to_owned(), place, hint }
}

fn not_a_section(name: &str, at: Position) -> Error {
    let reason = format!("this is a section: write it as [{name}]");
    Error::Invalid { at, key: name.to_owned(), reason }
}

fn find<'a, 't>(
    table: &'a DeTable<'t>,
    name: &str,
) -> Option<(Range<usize>, &'a Spanned<DeValue<'t>>)> {
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    Some((key.span(), value))
}

fn table_of<'a, 't>(value: &'a Spanned<DeValue<'t>>) -> Option<&'a DeTable<'t>> {
    value.get_ref().as_table()
}

fn syntax(text: &str, error: &toml::de::Error) -> Error {
    let offset = error.span().map_or(0, |span| span.start);
    Error::Syntax { at: position(text, offset), message: error.message().replace('\n', ", ") }
}

fn position(text: &str, offset: usize) -> Position {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Position {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}
