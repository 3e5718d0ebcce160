//! What a connection string gives: its keywords checked against the known ones, each at most once,
//! and their values read as the few types there are. How they hang together is for the settings.
//!
//! No message repeats a value or an unknown name: either may be a piece of a password whose quotes
//! were forgotten.

use super::{
    error::Error,
    keywords::{self, Keyword, Use},
    syntax,
};
use std::time::Duration;

/// SQL Server's limit for the names in a login record, in UTF-16 units (MS-TDS 2.2.6.4).
const NAME_LIMIT: usize = 128;

/// The keywords of one connection string, to be taken out one by one.
pub(super) struct Given<'a> {
    source: &'a str,
    values: Vec<(Keyword, String)>,
}

impl<'a> Given<'a> {
    pub(super) fn read(source: &'a str, ado: &str) -> Result<Given<'a>, Error> {
        let refuse = |keyword: String, why: String| Error::setting(source, keyword, why);
        let pairs = syntax::pairs(ado)
            .map_err(|flaw| refuse(format!("keyword {}", flaw.pair), flaw.why.to_owned()))?;
        let mut given = Given { source, values: Vec::new() };
        let mut seen: Vec<&str> = Vec::new();
        for (at, pair) in pairs.into_iter().enumerate() {
            let Some(entry) = keywords::find(&pair.name) else {
                return Err(refuse(format!("keyword {}", at + 1), unknown(&pair.name, &seen)));
            };
            if seen.contains(&entry.name) {
                let why = "is given twice, perhaps under two of its names. Keep one";
                return Err(refuse(entry.name.to_owned(), why.to_owned()));
            }
            seen.push(entry.name);
            match entry.used {
                Use::Read(keyword) => given.values.push((keyword, pair.value)),
                Use::AlwaysFalse(_) if flag(&pair.value) == Some(false) => {}
                Use::AlwaysFalse(why) => {
                    let why = format!("can only be false: {why}");
                    return Err(refuse(entry.name.to_owned(), why));
                }
                Use::Refused(why) => return Err(refuse(entry.name.to_owned(), why.to_owned())),
            }
        }
        Ok(given)
    }

    pub(super) fn source(&self) -> &'a str {
        self.source
    }

    pub(super) fn refuse(&self, keyword: Keyword, why: impl Into<String>) -> Error {
        Error::setting(self.source, keyword.name(), why)
    }

    /// The value as it stands, which may be empty.
    pub(super) fn take(&mut self, keyword: Keyword) -> Option<String> {
        let at = self.values.iter().position(|(given, _)| *given == keyword)?;
        Some(self.values.swap_remove(at).1)
    }

    pub(super) fn text(&mut self, keyword: Keyword) -> Result<Option<String>, Error> {
        match self.take(keyword) {
            Some(value) if value.is_empty() => Err(self.refuse(keyword, "is empty. Remove it")),
            value => Ok(value),
        }
    }

    /// A text that goes into the login record.
    pub(super) fn named(&mut self, keyword: Keyword) -> Result<Option<String>, Error> {
        let value = self.text(keyword)?;
        if value.as_ref().is_some_and(|value| value.encode_utf16().count() > NAME_LIMIT) {
            let why = format!("is longer than the {NAME_LIMIT} characters that a login can carry");
            return Err(self.refuse(keyword, why));
        }
        Ok(value)
    }

    /// A yes or no; no where it is not given.
    pub(super) fn flag(&mut self, keyword: Keyword) -> Result<bool, Error> {
        let Some(value) = self.take(keyword) else { return Ok(false) };
        flag(&value).ok_or_else(|| self.refuse(keyword, "is either true or false (or yes, no)"))
    }

    pub(super) fn number(&mut self, keyword: Keyword) -> Result<Option<u32>, Error> {
        let Some(value) = self.take(keyword) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| self.refuse(keyword, "is not a whole number"))
    }

    pub(super) fn seconds(&mut self, keyword: Keyword) -> Result<Option<Duration>, Error> {
        Ok(self.number(keyword)?.map(|seconds| Duration::from_secs(seconds.into())))
    }
}

/// `true`, `false`, `yes` or `no`, as Microsoft's drivers take them.
pub(super) fn flag(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" => Some(true),
        "false" | "no" => Some(false),
        _ => None,
    }
}

fn unknown(name: &str, before: &[&str]) -> String {
    let place = before.last().map_or(String::new(), |last| format!(" (the one after {last})"));
    match keywords::nearest(name) {
        Some(near) => format!("is not a known keyword{place}: did you mean {near}?"),
        None => format!(
            "is not a known keyword{place}; where it belongs to a value, that value has a `;` in \
             it and needs quotes"
        ),
    }
}
