//! Maintenance windows: `"0 22 * * Sat for 6h"`, a cron expression of when each begins (five fields,
//! UTC) and how long it lasts. Times of day are UTC, so that no window is skipped or doubled when clocks
//! are changed.

use super::duration;
use crate::journal::Timestamp;
use chrono::{DateTime, Utc};
use cron::Schedule;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{str::FromStr, time::Duration};

/// Times in which a deployment may begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    begins: Schedule,
    lasts: Duration,
    /// As it was written.
    text: String,
}

impl Eq for Window {}

/// The longest that a window may last: a longer one would overlap its like.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

impl FromStr for Window {
    type Err = String;

    fn from_str(text: &str) -> Result<Window, String> {
        let form = "write \"0 22 * * Sat for 6h\": minute, hour, day of the month, month, day of the \
                    week (UTC), and how long";
        let (begins, lasts) = text
            .split_once(" for ")
            .ok_or_else(|| format!("`{text}` does not say for how long: {form}"))?;
        let fields = begins.split_whitespace().count();
        if fields != 5 {
            return Err(format!("`{begins}` has {fields} fields instead of 5: {form}"));
        }
        let (day, weekday) = (begins.split_whitespace().nth(2), begins.split_whitespace().nth(4));
        // Numbers of weekdays begin at 0 in some crons and at 1 in this one; names are names.
        if weekday.is_some_and(|field| field.contains(|c: char| c.is_ascii_digit())) {
            return Err(format!("`{begins}` numbers a weekday: write Mon, Tue, … or Mon-Fri"));
        }
        if day != Some("*") && weekday != Some("*") {
            return Err(format!(
                "`{begins}` names a day of the month and a weekday: write one of them"
            ));
        }
        // The crate's first field is seconds.
        let begins = Schedule::from_str(&format!("0 {}", begins.trim()))
            .map_err(|error| format!("`{begins}` is no cron expression ({error}): {form}"))?;
        let lasts = duration::parse(lasts)?;
        if lasts < Duration::from_secs(60) || lasts > LONGEST {
            return Err(format!("`{text}`: a window lasts from a minute to 7 days"));
        }
        Ok(Window { begins, lasts, text: text.to_owned() })
    }
}

impl Window {
    /// `None` while it is open; else when it opens next, where it ever does.
    fn opens(&self, now: Timestamp) -> Opens {
        let Some(at) = DateTime::<Utc>::from_timestamp_micros(now.0) else { return Opens::Never };
        let lasts = chrono::Duration::from_std(self.lasts).unwrap_or_default();
        match self.begins.after(&(at - lasts)).next() {
            Some(begins) if begins <= at => Opens::Now,
            Some(begins) => Opens::At(Timestamp(begins.timestamp_micros())),
            None => Opens::Never,
        }
    }
}

/// When a deployment may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opens {
    Now,
    At(Timestamp),
    /// No window will ever open again.
    Never,
}

/// When the first of several windows opens; where there is none, any time is good.
#[must_use]
pub fn opens(windows: &[Window], now: Timestamp) -> Opens {
    let all = windows.iter().map(|window| window.opens(now));
    let soonest = |a: Opens, b: Opens| match (a, b) {
        (Opens::Now, _) | (_, Opens::Now) => Opens::Now,
        (Opens::At(a), Opens::At(b)) => Opens::At(a.min(b)),
        (Opens::At(at), Opens::Never) | (Opens::Never, Opens::At(at)) => Opens::At(at),
        (Opens::Never, Opens::Never) => Opens::Never,
    };
    all.reduce(soonest).unwrap_or(Opens::Now)
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Window {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Window, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn window(text: &str) -> Window {
        text.parse().unwrap()
    }

    #[test]
    fn a_window_is_open_from_its_beginning_for_its_length() {
        // 2026-11-28 is a Saturday.
        let night = [window("0 22 * * Sat for 6h")];
        let first = Opens::At(at("2026-11-28T22:00:00Z"));
        assert_eq!(opens(&night, at("2026-11-26T12:00:00Z")), first);
        assert_eq!(opens(&night, at("2026-11-28T21:59:59.999999Z")), first);
        assert_eq!(opens(&night, at("2026-11-28T22:00:00Z")), Opens::Now);
        assert_eq!(opens(&night, at("2026-11-29T03:59:59Z")), Opens::Now, "past midnight");
        let next = Opens::At(at("2026-12-05T22:00:00Z"));
        assert_eq!(opens(&night, at("2026-11-29T04:00:00Z")), next);
    }

    #[test]
    fn of_several_the_first_counts_and_without_any_every_time_is_good() {
        let both = [window("0 22 * * Sat for 6h"), window("30 1 * * * for 90m")];
        let first = Opens::At(at("2026-11-27T01:30:00Z"));
        assert_eq!(opens(&both, at("2026-11-26T12:00:00Z")), first);
        assert_eq!(opens(&both, at("2026-11-27T02:59:00Z")), Opens::Now);
        assert_eq!(opens(&[], at("2026-11-26T12:00:00Z")), Opens::Now);
        let never = [window("0 0 30 2 * for 1h")];
        assert_eq!(opens(&never, at("2026-11-26T12:00:00Z")), Opens::Never);
    }

    #[test]
    fn what_is_no_window_is_explained() {
        for (text, why) in [
            ("Sat 22:00", "for how long"),
            ("0 0 22 * * Sat for 6h", "6 fields"),
            ("0 25 * * * for 6h", "no cron expression"),
            ("0 22 * * 6 for 6h", "numbers a weekday"),
            ("0 22 1 * Sat for 6h", "one of them"),
            ("0 22 * * Sat for ever", "no duration"),
            ("0 22 * * Sat for 30d", "from a minute to 7 days"),
            ("0 22 * * Sat for 1s", "from a minute to 7 days"),
        ] {
            let said = text.parse::<Window>().unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
