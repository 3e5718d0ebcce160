//! Values on their way: times as SQL Server counts them.

use crate::adapters::mssql::{
    ColumnData, FromSql, Row, ValueError, ValueResult,
    time::{Date, DateTime2, Time},
};
use kaizen_engine::journal::Timestamp;

/// 1970-01-01, in days since 0001-01-01.
const EPOCH_DAYS: i64 = 719_162;
const DAY: i64 = 86_400_000_000;
/// `datetime2(6)`: microseconds.
const SCALE: u8 = 6;

/// A time as `datetime2(6)`; NULL where that type, which begins in the year 1, cannot say it.
pub(super) fn datetime2(at: Option<Timestamp>) -> ColumnData<'static> {
    let value = at.and_then(|at| {
        let days = u32::try_from(at.0.div_euclid(DAY) + EPOCH_DAYS).ok()?;
        let micros = at.0.rem_euclid(DAY).unsigned_abs();
        Some(DateTime2::new(Date::new(days), Time::new(micros, SCALE)))
    });
    ColumnData::DateTime2(value)
}

/// The time in a column; `None`: NULL.
pub(super) fn timestamp(row: &Row, column: &str) -> ValueResult<Option<Timestamp>> {
    let ColumnData::DateTime2(Some(value)) = row.get_column_data(column)? else {
        return Ok(None);
    };
    let (date, time) = (value.date(), value.time());
    let days = i64::from(date.days()) - EPOCH_DAYS;
    let mut micros = time.increments().cast_signed();
    for _ in SCALE..time.scale() {
        micros /= 10;
    }
    for _ in time.scale()..SCALE {
        micros *= 10;
    }
    Ok(Some(Timestamp(days * DAY + micros)))
}

/// A column that is never NULL.
pub(super) fn needed<'a, T: FromSql<'a>>(row: &'a Row, column: &str) -> ValueResult<T> {
    row.try_get(column)?.ok_or_else(|| ValueError::Conversion(format!("{column} is NULL").into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn times_are_the_same_days_and_microseconds() {
        let at = |text| Timestamp::parse(text);
        let said = |at| match datetime2(at) {
            ColumnData::DateTime2(Some(value)) => {
                Some((value.date().days(), value.time().increments(), value.time().scale()))
            }
            _ => None,
        };
        assert_eq!(said(at("0001-01-01T00:00:00Z")), Some((0, 0, 6)));
        assert_eq!(said(at("1969-12-31T23:59:59.999999Z")), Some((719_161, DAY as u64 - 1, 6)));
        assert_eq!(said(at("1970-01-01T00:00:00.000001Z")), Some((719_162, 1, 6)));
        assert_eq!(said(at("9999-12-31T23:59:59.999999Z")), Some((3_652_058, DAY as u64 - 1, 6)));
        assert_eq!(said(at("0000-12-31T23:59:59Z")), None, "datetime2 has no year 0");
    }
}
