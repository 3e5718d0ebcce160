//! Values between SQLite and the wire. In the database a uniqueidentifier is upper-case text, a time
//! is text (`time`), a decimal is text with exactly its digits. Not here: conversions of T-SQL (`cast`).

use crate::{
    cast,
    time::Moment,
    types::{SqlType, decimal_size},
    wire::{Broken, Reader, put_utf16, utf16},
    wire_type::WireType,
};
use rusqlite::types::Value;

const PLP_NULL: u64 = u64::MAX;
const PLP_UNKNOWN: u64 = u64::MAX - 1;

/// One value of a row or of a parameter.
pub fn read(from: &mut Reader<'_>, wire: WireType) -> Result<Value, Broken> {
    let size = match wire.ty {
        ty if ty.is_max() => return Ok(read_plp(from)?.map_or(Value::Null, |b| of_bytes(ty, &b))),
        ty if ty.is_text() && !wire.fixed => from.u16()?,
        SqlType::VarBinary(_) | SqlType::Binary(_) => from.u16()?,
        // NULLTYPE has no value at all.
        SqlType::NVarChar(_) => return Ok(Value::Null),
        ty if wire.fixed => fixed_size(ty),
        _ => match u16::from(from.u8()?) {
            0 => return Ok(Value::Null),
            size => size,
        },
    };
    if size == 0xFFFF {
        return Ok(Value::Null);
    }
    let bytes = from.bytes(size.into())?;
    let mut inner = Reader::new(bytes);
    Ok(match wire.ty {
        SqlType::Bit | SqlType::TinyInt => Value::Integer(inner.u8()?.into()),
        SqlType::SmallInt => Value::Integer(inner.array().map(i16::from_le_bytes)?.into()),
        SqlType::Int => Value::Integer(inner.array().map(i32::from_le_bytes)?.into()),
        SqlType::BigInt => Value::Integer(inner.array().map(i64::from_le_bytes)?),
        SqlType::Real => Value::Real(inner.array().map(f32::from_le_bytes)?.into()),
        SqlType::Float => Value::Real(inner.array().map(f64::from_le_bytes)?),
        SqlType::Decimal { scale, .. } => read_decimal(&mut inner, scale)?,
        SqlType::Guid => Value::Text(guid_text(inner.array()?)),
        SqlType::Date => Value::Text(Moment { day: day(&mut inner)?, micros: 0 }.date_text()),
        SqlType::Time(scale) => {
            let increments = little(bytes);
            Value::Text(Moment::from_wire(0, increments, scale).time_text())
        }
        SqlType::DateTime2(scale) => {
            let increments = little(inner.bytes(time_size(scale))?);
            Value::Text(Moment::from_wire(day(&mut inner)?, increments, scale).text())
        }
        SqlType::DateTimeOffset(scale) => {
            // On the wire in UTC, with the minutes to add for the local time.
            let increments = little(inner.bytes(time_size(scale))?);
            let utc = Moment::from_wire(day(&mut inner)?, increments, scale);
            let minutes = i64::from(inner.array().map(i16::from_le_bytes)?);
            Value::Text(utc.plus_micros(minutes * 60_000_000).text())
        }
        SqlType::DateTime => {
            let days = i64::from(inner.array().map(i32::from_le_bytes)?);
            let micros = i64::from(inner.u32()?) * 10_000 / 3;
            let start = Moment { day: days + crate::time::DAYS_TO_1900, micros: 0 };
            Value::Text(start.plus_micros(micros).text())
        }
        ty => of_bytes(ty, bytes),
    })
}

fn of_bytes(ty: SqlType, bytes: &[u8]) -> Value {
    match ty {
        SqlType::NVarChar(_) | SqlType::NChar(_) => Value::Text(utf16(bytes)),
        SqlType::VarChar(_) | SqlType::Char(_) => {
            Value::Text(bytes.iter().map(|byte| char::from(*byte)).collect())
        }
        _ => Value::Blob(bytes.to_vec()),
    }
}

/// Partially length-prefixed bytes: a total or "unknown", chunks, and an empty chunk (2.2.5.2.3).
fn read_plp(from: &mut Reader<'_>) -> Result<Option<Vec<u8>>, Broken> {
    let total = from.u64()?;
    if total == PLP_NULL {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    loop {
        let chunk = from.u32()? as usize;
        if chunk == 0 {
            break;
        }
        bytes.extend_from_slice(from.bytes(chunk)?);
    }
    if total != PLP_UNKNOWN && total != bytes.len() as u64 {
        return Err(Broken(format!("PLP said {total} bytes and had {}", bytes.len())));
    }
    Ok(Some(bytes))
}

fn read_decimal(from: &mut Reader<'_>, scale: u8) -> Result<Value, Broken> {
    let positive = from.u8()? != 0;
    let mut magnitude = [0; 16];
    let rest = from.rest();
    magnitude[..rest.len().min(16)].copy_from_slice(&rest[..rest.len().min(16)]);
    Ok(Value::Text(cast::decimal_text(positive, u128::from_le_bytes(magnitude), scale)))
}

fn day(from: &mut Reader<'_>) -> Result<i64, Broken> {
    from.bytes(3).map(little)
}

fn little(bytes: &[u8]) -> i64 {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | i64::from(*byte))
}

fn time_size(scale: u8) -> usize {
    match scale {
        0..=2 => 3,
        3..=4 => 4,
        _ => 5,
    }
}

fn fixed_size(ty: SqlType) -> u16 {
    match ty {
        SqlType::Bit | SqlType::TinyInt => 1,
        SqlType::SmallInt => 2,
        SqlType::Int | SqlType::Real => 4,
        _ => 8,
    }
}

/// The first three groups of a GUID are little-endian on the wire.
fn guid_text(mut bytes: [u8; 16]) -> String {
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(hex(byte >> 4));
        text.push(hex(byte & 15));
    }
    text
}

fn hex(digit: u8) -> char {
    char::from(if digit < 10 { b'0' + digit } else { b'A' + digit - 10 })
}

fn guid_bytes(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let mut bytes: [u8; 16] = u128::from_str_radix(&digits, 16).ok()?.to_be_bytes();
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    Some(bytes)
}

/// Writes a value of a result. The error says which value does not fit its type.
pub fn write(out: &mut Vec<u8>, ty: SqlType, nullable: bool, value: &Value) -> Result<(), String> {
    if matches!(value, Value::Null) {
        write_null(out, ty);
        return Ok(());
    }
    let wrong = || format!("{value:?} is no {}", ty.code());
    let mut bytes = Vec::new();
    match ty {
        SqlType::NVarChar(_) | SqlType::NChar(_) => put_utf16(&mut bytes, &text(value)),
        SqlType::VarChar(_) | SqlType::Char(_) => {
            // Code page 1252 as far as Latin-1 goes.
            bytes.extend(text(value).chars().map(|c| u8::try_from(c).unwrap_or(b'?')));
        }
        SqlType::VarBinary(_) | SqlType::Binary(_) => match value {
            Value::Blob(blob) => bytes.extend(blob),
            other => bytes.extend(text(other).bytes()),
        },
        SqlType::Guid => bytes.extend(guid_bytes(&text(value)).ok_or_else(wrong)?),
        SqlType::Decimal { precision, scale } => {
            let (positive, magnitude) = cast::decimal_parts(value, scale).ok_or_else(wrong)?;
            bytes.push(positive.into());
            bytes.extend(&magnitude.to_le_bytes()[..usize::from(decimal_size(precision)) - 1]);
        }
        SqlType::Real => bytes.extend((real(value).ok_or_else(wrong)? as f32).to_le_bytes()),
        SqlType::Float => bytes.extend(real(value).ok_or_else(wrong)?.to_le_bytes()),
        SqlType::Bit => bytes.push((integer(value).ok_or_else(wrong)? != 0).into()),
        SqlType::TinyInt | SqlType::SmallInt | SqlType::Int | SqlType::BigInt => {
            let size = fixed_size(ty).into();
            bytes.extend(&integer(value).ok_or_else(wrong)?.to_le_bytes()[..size]);
        }
        SqlType::Date
        | SqlType::Time(_)
        | SqlType::DateTime2(_)
        | SqlType::DateTimeOffset(_)
        | SqlType::DateTime => {
            write_moment(&mut bytes, ty, Moment::parse(&text(value)).ok_or_else(wrong)?);
        }
    }
    match ty {
        SqlType::Char(length) => bytes.resize(bytes.len().max(length.into()), b' '),
        SqlType::NChar(length) => {
            while bytes.len() < usize::from(length) * 2 {
                bytes.extend([b' ', 0]);
            }
        }
        _ => {}
    }
    write_framed(out, ty, nullable, &bytes);
    Ok(())
}

fn write_moment(bytes: &mut Vec<u8>, ty: SqlType, moment: Moment) {
    if ty == SqlType::DateTime {
        let days = i32::try_from(moment.day - crate::time::DAYS_TO_1900).unwrap_or_default();
        let ticks = u32::try_from((moment.micros * 3 + 5_000) / 10_000).unwrap_or_default();
        bytes.extend(days.to_le_bytes());
        bytes.extend(ticks.to_le_bytes());
        return;
    }
    let scale = match ty {
        SqlType::Time(scale) | SqlType::DateTime2(scale) | SqlType::DateTimeOffset(scale) => scale,
        _ => 0,
    };
    let (day, increments) = moment.to_wire(scale);
    if ty != SqlType::Date {
        bytes.extend(&increments.to_le_bytes()[..time_size(scale)]);
    }
    if !matches!(ty, SqlType::Time(_)) {
        bytes.extend(&day.to_le_bytes()[..3]);
    }
    if matches!(ty, SqlType::DateTimeOffset(_)) {
        bytes.extend([0, 0]);
    }
}

fn write_null(out: &mut Vec<u8>, ty: SqlType) {
    if ty.is_max() {
        out.extend(PLP_NULL.to_le_bytes());
    } else if ty.limit().is_some() {
        out.extend([0xFF, 0xFF]);
    } else {
        out.push(0);
    }
}

fn write_framed(out: &mut Vec<u8>, ty: SqlType, nullable: bool, bytes: &[u8]) {
    if ty.is_max() {
        out.extend((bytes.len() as u64).to_le_bytes());
        // Several chunks, as a server sends them, so that a client joins them.
        for chunk in bytes.chunks(8000) {
            out.extend(u32::try_from(chunk.len()).unwrap_or_default().to_le_bytes());
            out.extend(chunk);
        }
        out.extend([0; 4]);
        return;
    }
    if ty.limit().is_some() {
        out.extend(u16::try_from(bytes.len()).unwrap_or_default().to_le_bytes());
    } else if !ty.is_fixed(nullable) {
        out.push(u8::try_from(bytes.len()).unwrap_or_default());
    }
    out.extend(bytes);
}

/// As text, however SQLite keeps it.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Blob(blob) => {
            let digits = blob.iter().flat_map(|byte| [hex(byte >> 4), hex(byte & 15)]);
            "0x".chars().chain(digits).collect()
        }
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Real(number) => Some(*number as i64),
        Value::Text(text) => text.trim().parse().ok(),
        Value::Null | Value::Blob(_) => None,
    }
}

fn real(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Real(number) => Some(*number),
        Value::Text(text) => text.trim().parse().ok(),
        Value::Null | Value::Blob(_) => None,
    }
}
