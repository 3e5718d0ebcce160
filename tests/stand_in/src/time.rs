//! Dates and times: text in the database (`2026-01-31 23:59:59.123456`, always six digits, so that
//! text compares as time does), counts on the wire (MS-TDS 2.2.5.5.1.8). A seventh digit is rounded
//! away: SQL Server would keep it in datetime2(7).

use std::time::{SystemTime, UNIX_EPOCH};

const MICROS_A_DAY: i64 = 86_400_000_000;
/// From 0001-01-01 to 1970-01-01 and to 1900-01-01.
const DAYS_TO_1970: i64 = 719_162;
pub const DAYS_TO_1900: i64 = 693_595;

/// A day counted from 0001-01-01, and microseconds into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    pub day: i64,
    pub micros: i64,
}

impl Moment {
    /// By this machine's clock, moved by so many seconds.
    pub fn now(moved_s: i64) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or_default() + moved_s * 1_000_000;
        Self { day: DAYS_TO_1970 + micros / MICROS_A_DAY, micros: micros % MICROS_A_DAY }
    }

    /// Normal again after something was added to the microseconds.
    pub fn plus_micros(self, micros: i64) -> Self {
        let total = self.micros + micros;
        Self {
            day: self.day + total.div_euclid(MICROS_A_DAY),
            micros: total.rem_euclid(MICROS_A_DAY),
        }
    }

    /// Microseconds since 0001-01-01.
    pub fn total(self) -> i64 {
        self.day * MICROS_A_DAY + self.micros
    }

    /// From increments of 10^-scale seconds.
    pub fn from_wire(day: i64, increments: i64, scale: u8) -> Self {
        let micros = if scale > 6 {
            (increments + 5) / 10
        } else {
            increments * 10_i64.pow(6 - u32::from(scale))
        };
        Self { day, micros: 0 }.plus_micros(micros)
    }

    /// To increments of 10^-scale seconds, rounded half up.
    pub fn to_wire(self, scale: u8) -> (i64, i64) {
        if scale > 6 {
            return (self.day, self.micros * 10);
        }
        let unit = 10_i64.pow(6 - u32::from(scale));
        let rounded = self.plus_micros(unit / 2);
        (rounded.day, rounded.micros / unit)
    }

    pub fn date_text(self) -> String {
        let (year, month, day) = civil(self.day);
        format!("{year:04}-{month:02}-{day:02}")
    }

    pub fn time_text(self) -> String {
        let seconds = self.micros / 1_000_000;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        format!("{hour:02}:{minute:02}:{second:02}.{:06}", self.micros % 1_000_000)
    }

    pub fn text(self) -> String {
        format!("{} {}", self.date_text(), self.time_text())
    }

    /// ISO text with a space or a T; a time alone, a date alone, and a trailing Z or offset, which
    /// datetime2 drops, are taken too.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (date, time) = match text.find([' ', 'T']) {
            Some(at) => (&text[..at], &text[at + 1..]),
            None if text.contains(':') => ("0001-01-01", text),
            None => (text, "00:00:00"),
        };
        let mut parts = date.split('-').map(str::parse::<i64>);
        let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) || parts.next().is_some() {
            return None;
        }
        let time = time.trim_end_matches('Z');
        let time = time.split([' ', '+']).next()?;
        let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
        let mut parts = whole.split(':').map(str::parse::<i64>);
        let (hour, minute) = (parts.next()?.ok()?, parts.next()?.ok()?);
        let second = parts.next().unwrap_or(Ok(0)).ok()?;
        if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let micros = format!("{fraction:0<7}")[..7].parse::<i64>().ok()?;
        let moment = Self { day: days(year, month, day), micros: 0 };
        let seconds = (hour * 60 + minute) * 60 + second;
        Some(moment.plus_micros(seconds * 1_000_000 + (micros + 5) / 10))
    }
}

/// Days from 0001-01-01 of a date in the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the leap day comes last.
    let shifted = if month > 2 { year } else { year - 1 };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 306
}

fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 306;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_moment_survives_its_text_and_its_wire() {
        for text in ["0001-01-01 00:00:00.000000", "1969-12-31 23:59:59.999999"] {
            let moment = Moment::parse(text).unwrap();
            assert_eq!(moment.text(), text);
            let (day, increments) = moment.to_wire(7);
            assert_eq!(Moment::from_wire(day, increments, 7), moment);
        }
        assert_eq!(Moment::parse("1970-01-01").unwrap().day, DAYS_TO_1970);
        assert_eq!(Moment::parse("1900-01-01").unwrap().day, DAYS_TO_1900);
        assert_eq!(Moment::parse("2024-02-29T12:00:00Z").unwrap().date_text(), "2024-02-29");
        assert!(Moment::parse("tomorrow").is_none());
    }
}
