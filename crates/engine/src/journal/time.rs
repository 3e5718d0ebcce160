//! A point in time as the journal keeps it: UTC, to the microsecond. Nothing here reads a clock.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, time::Duration};

/// Microseconds since 1970-01-01T00:00:00Z, written as RFC 3339 with six decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

/// The first and the last microsecond that RFC 3339 can say: of the years 0 and 9999.
const FIRST: i64 = -62_167_219_200_000_000;
const LAST: i64 = 253_402_300_799_999_999;

impl Timestamp {
    /// A point in time that can be written down; `None` for another.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Option<Timestamp> {
        if FIRST <= micros && micros <= LAST { Some(Timestamp(micros)) } else { None }
    }

    /// This point plus a duration, saturating at the end of what can be written down.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Timestamp {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Timestamp(self.0.saturating_add(micros).min(LAST))
    }

    /// How long after `earlier` this is; zero where it is not after it.
    #[must_use]
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339; `None` where the text is none, or says a time that UTC cannot.
    #[must_use]
    pub fn parse(text: &str) -> Option<Timestamp> {
        let at = DateTime::parse_from_rfc3339(text).ok()?;
        Timestamp::from_micros(at.timestamp_micros())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = DateTime::<Utc>::from_timestamp_micros(self.0).unwrap_or_default();
        f.write_str(&at.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(deserializer)?;
        Timestamp::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("not an RFC 3339 time: {text:?}")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{FIRST, LAST, Timestamp};
    use std::time::Duration;

    #[test]
    fn no_time_is_beyond_what_can_be_written_down() {
        let last = Timestamp(1).plus(Duration::MAX);
        assert_eq!(last.to_string(), "9999-12-31T23:59:59.999999Z");
        assert_eq!(Timestamp::parse(&last.to_string()), Some(last));
        assert_eq!(Timestamp::from_micros(LAST), Some(last));
        assert_eq!([LAST + 1, FIRST - 1].map(Timestamp::from_micros), [None, None]);
        let first = Timestamp::from_micros(FIRST).unwrap();
        assert_eq!(first.to_string(), "0000-01-01T00:00:00.000000Z");
        for text in ["0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_survives_its_text_to_the_microsecond() {
        let at = Timestamp(1_795_000_000_123_456);
        assert_eq!(at.to_string(), "2026-11-18T11:06:40.123456Z");
        assert_eq!(Timestamp::parse(&at.to_string()), Some(at));
    }
}
