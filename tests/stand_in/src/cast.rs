//! CAST as T-SQL has it, with its errors: a decimal keeps exactly its digits, text is cut to its
//! length, a number that does not parse is an error. Registered as functions by `functions`.

use crate::{error::SqlError, time::Moment, types::SqlType, values::text};
use rusqlite::types::Value;

pub fn cast(value: &Value, ty: SqlType) -> Result<Value, SqlError> {
    if matches!(value, Value::Null) {
        return Ok(Value::Null);
    }
    Ok(match ty {
        SqlType::NVarChar(_) | SqlType::VarChar(_) => Value::Text(shortened(value, ty.limit())),
        SqlType::NChar(length) | SqlType::Char(length) => {
            let mut text = shortened(value, Some(length));
            let units = text.encode_utf16().count();
            text.extend(std::iter::repeat_n(' ', usize::from(length).saturating_sub(units)));
            Value::Text(text)
        }
        SqlType::Bit => Value::Integer(bit(value)?.into()),
        SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt => {
            Value::Integer(integer(value, ty)?)
        }
        SqlType::Real | SqlType::Float => Value::Real(float(value, ty)?),
        SqlType::Decimal { precision, scale } => Value::Text(decimal(value, precision, scale)?),
        SqlType::VarBinary(_) | SqlType::Binary(_) => Value::Blob(binary(value)),
        SqlType::Guid => Value::Text(guid(value)?),
        SqlType::Date
        | SqlType::Time(_)
        | SqlType::DateTime2(_)
        | SqlType::DateTimeOffset(_)
        | SqlType::DateTime => Value::Text(moment(value, ty)?),
    })
}

fn shortened(value: &Value, limit: Option<u16>) -> String {
    let whole = match value {
        // As SQL Server shows a float: six digits.
        Value::Real(number) => format!("{:.5e}", number)
            .parse::<f64>()
            .map_or_else(|_| number.to_string(), |rounded| rounded.to_string()),
        other => text(other),
    };
    let Some(limit) = limit.map(usize::from).filter(|limit| whole.len() > *limit) else {
        return whole;
    };
    let mut units = 0;
    whole
        .chars()
        .take_while(|c| {
            units += c.len_utf16();
            units <= limit
        })
        .collect()
}

fn bit(value: &Value) -> Result<bool, SqlError> {
    match value {
        Value::Integer(number) => Ok(*number != 0),
        Value::Real(number) => Ok(*number != 0.0),
        other => match text(other).trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(unconverted(value, SqlType::Bit)),
        },
    }
}

fn integer(value: &Value, ty: SqlType) -> Result<i64, SqlError> {
    let number = match value {
        Value::Integer(number) => *number,
        Value::Real(number) => number.trunc() as i64,
        Value::Blob(bytes) => bytes.iter().fold(0, |sum, byte| sum << 8 | i64::from(*byte)),
        other => {
            let text = text(other);
            // A decimal is text here too; its digits after the point are cut off.
            let whole = text.trim().split('.').next().unwrap_or_default().to_owned();
            whole.parse().map_err(|_| unconverted(value, ty))?
        }
    };
    let fits = match ty {
        SqlType::TinyInt => u8::try_from(number).is_ok(),
        SqlType::SmallInt => i16::try_from(number).is_ok(),
        SqlType::Int => i32::try_from(number).is_ok(),
        _ => true,
    };
    if fits { Ok(number) } else { Err(overflow(ty)) }
}

fn float(value: &Value, ty: SqlType) -> Result<f64, SqlError> {
    match value {
        Value::Integer(number) => Ok(*number as f64),
        Value::Real(number) => Ok(*number),
        other => {
            let message = format!("Error converting data type nvarchar to {}.", ty.code());
            text(other).trim().parse().map_err(|_| SqlError::new(8114, 16, message))
        }
    }
}

fn binary(value: &Value) -> Vec<u8> {
    match value {
        Value::Blob(blob) => blob.clone(),
        Value::Integer(number) => number.to_be_bytes()[4..].to_vec(),
        other => text(other).encode_utf16().flat_map(u16::to_le_bytes).collect(),
    }
}

fn guid(value: &Value) -> Result<String, SqlError> {
    let text = text(value).trim().trim_matches(['{', '}']).to_ascii_uppercase();
    let shape = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    if text.len() == 36 && text.bytes().enumerate().all(shape) {
        return Ok(text);
    }
    let message = "Conversion failed when converting from a character string to uniqueidentifier.";
    Err(SqlError::new(8169, 16, message))
}

fn moment(value: &Value, ty: SqlType) -> Result<String, SqlError> {
    let failed =
        "Conversion failed when converting date and/or time from character string.".to_owned();
    let moment = Moment::parse(&text(value)).ok_or_else(|| SqlError::new(241, 16, failed))?;
    Ok(match ty {
        SqlType::Date => moment.date_text(),
        SqlType::Time(_) => moment.time_text(),
        SqlType::DateTime2(scale) | SqlType::DateTimeOffset(scale) => {
            let (day, increments) = moment.to_wire(scale);
            Moment::from_wire(day, increments, scale).text()
        }
        _ => moment.text(),
    })
}

/// Rounds half away from zero, and keeps exactly `scale` digits.
fn decimal(value: &Value, precision: u8, scale: u8) -> Result<String, SqlError> {
    let (positive, magnitude) = decimal_parts(value, scale).ok_or_else(|| {
        SqlError::new(8114, 16, "Error converting data type nvarchar to numeric.")
    })?;
    if magnitude >= 10_u128.pow(precision.min(38).into()) {
        return Err(SqlError::new(
            8115,
            16,
            "Arithmetic overflow error converting nvarchar to data type numeric.",
        ));
    }
    Ok(decimal_text(positive, magnitude, scale))
}

/// Sign, and magnitude in units of 10^-scale. Text in scientific notation is none, as in SQL Server.
pub fn decimal_parts(value: &Value, scale: u8) -> Option<(bool, u128)> {
    let text = match value {
        Value::Real(number) => format!("{number}"),
        Value::Blob(_) | Value::Null => return None,
        other => text(other),
    };
    let text = text.trim();
    let (positive, digits) = match text.strip_prefix('-') {
        Some(rest) => (false, rest),
        None => (true, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let kept = usize::from(scale);
    let padded = format!("{fraction:0<width$}", width = kept + 1);
    let magnitude: u128 = format!("0{whole}{}", &padded[..kept]).parse().ok()?;
    let up = u128::from(padded.as_bytes()[kept] >= b'5');
    let magnitude = magnitude.checked_add(up)?;
    Some((positive || magnitude == 0, magnitude))
}

pub fn decimal_text(positive: bool, magnitude: u128, scale: u8) -> String {
    let digits = format!("{magnitude:0>width$}", width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if positive { "" } else { "-" };
    let point = if scale == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

fn unconverted(value: &Value, ty: SqlType) -> SqlError {
    let message = format!(
        "Conversion failed when converting the nvarchar value '{}' to data type {}.",
        text(value),
        ty.code()
    );
    SqlError::new(245, 16, message)
}

fn overflow(ty: SqlType) -> SqlError {
    let name = ty.code();
    SqlError::new(8115, 16, format!("Arithmetic overflow error converting to data type {name}."))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_decimal_is_rounded_and_keeps_its_digits() {
        let ty = SqlType::Decimal { precision: 5, scale: 4 };
        for (from, to) in [
            (Value::Text("0.95".to_owned()), "0.9500"),
            (Value::Text("0.12345".to_owned()), "0.1235"),
            (Value::Text("-.00004".to_owned()), "0.0000"),
            (Value::Real(-1.5), "-1.5000"),
            (Value::Integer(1), "1.0000"),
        ] {
            assert_eq!(cast(&from, ty).unwrap(), Value::Text(to.to_owned()));
        }
        assert_eq!(cast(&Value::Text("1e-5".to_owned()), ty).unwrap_err().number, 8114);
        assert_eq!(cast(&Value::Integer(10), ty).unwrap_err().number, 8115);
    }

    #[test]
    fn text_is_cut_and_padded_in_utf16_units() {
        let text = Value::Text("a😀b".to_owned());
        let cut = cast(&text, SqlType::NVarChar(Some(3))).unwrap();
        assert_eq!(cut, Value::Text("a😀".to_owned()));
        let padded = cast(&text, SqlType::NChar(6)).unwrap();
        assert_eq!(padded, Value::Text("a😀b  ".to_owned()));
    }
}
