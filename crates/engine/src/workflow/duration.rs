//! Durations as people write them: `30s`, `1m 30s`, `7d`. For `#[serde(with = "duration")]`.
//!
//! Held to whole milliseconds, the unit that every measurement and time-out here has.

use serde::{Deserialize, Deserializer, Serializer};
use std::time::Duration;

/// Reads `30s`, `250ms`, `1h 30m`, `7d`.
///
/// # Errors
/// A sentence for people: what was written, and what to write instead.
pub fn parse(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text.trim())
        .map_err(|_| format!("`{text}` is no duration: write 30s, 5m, 2h, 7d"))?;
    if !duration.subsec_nanos().is_multiple_of(1_000_000) {
        return Err(format!("`{text}` is finer than a millisecond, the smallest unit here"));
    }
    Ok(duration)
}

/// Writes what [`parse`] reads back to the same value, if it is in whole milliseconds.
pub fn format(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// Writes a duration as text.
///
/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

/// Reads a duration from text.
///
/// # Errors
/// Where [`parse`] does.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn people_may_write_it_in_the_usual_ways() {
        assert_eq!(parse("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse(" 1m 30s "), Ok(Duration::from_secs(90)));
        assert_eq!(parse("7d"), Ok(Duration::from_secs(7 * 86_400)));
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
    }

    #[test]
    fn what_is_no_duration_says_what_to_write() {
        for wrong in ["5 parsecs", "5", "", "-3s", "99999999999999999999d"] {
            let message = format!("`{wrong}` is no duration: write 30s, 5m, 2h, 7d");
            assert_eq!(parse(wrong), Err(message));
        }
        assert!(parse("15us").unwrap_err().contains("finer than a millisecond"));
    }

    proptest! {
        #[test]
        fn milliseconds_survive_the_way_to_text_and_back(ms in 0u64..=365 * 86_400_000) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }
    }
}
