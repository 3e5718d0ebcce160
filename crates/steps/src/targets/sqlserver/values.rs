//! Columns of a row by name; NULL is what a column of its type holds by default.

use crate::adapters::mssql::{Row, ValueResult};

/// A text.
///
/// # Errors
/// Where the column is missing or of another type.
pub fn text(row: &Row, name: &str) -> ValueResult<String> {
    Ok(row.try_get::<&str, _>(name)?.unwrap_or_default().to_owned())
}

/// A bit.
///
/// # Errors
/// As [`text`].
pub fn flag(row: &Row, name: &str) -> ValueResult<bool> {
    Ok(row.try_get::<bool, _>(name)?.unwrap_or(false))
}

/// A float.
///
/// # Errors
/// As [`text`].
pub fn number(row: &Row, name: &str) -> ValueResult<f64> {
    Ok(row.try_get::<f64, _>(name)?.unwrap_or(0.0))
}

/// A bigint.
///
/// # Errors
/// As [`text`].
pub fn whole(row: &Row, name: &str) -> ValueResult<i64> {
    Ok(row.try_get::<i64, _>(name)?.unwrap_or(0))
}

/// An int.
///
/// # Errors
/// As [`text`].
pub fn int(row: &Row, name: &str) -> ValueResult<i32> {
    Ok(row.try_get::<i32, _>(name)?.unwrap_or(0))
}
