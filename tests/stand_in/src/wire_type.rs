//! TYPE_INFO as a client sends it (MS-TDS 2.2.5.6), for parameters and for the columns of a bulk load.

use crate::{
    types::{COLLATION, SqlType},
    wire::{Broken, Reader},
};

/// A type as it came over the wire; `fixed` has no length before its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireType {
    pub ty: SqlType,
    pub fixed: bool,
}

impl WireType {
    pub fn read(from: &mut Reader<'_>) -> Result<Self, Broken> {
        let code = from.u8()?;
        let fixed = match code {
            0x32 => Some(SqlType::Bit),
            0x30 => Some(SqlType::TinyInt),
            0x34 => Some(SqlType::SmallInt),
            0x38 => Some(SqlType::Int),
            0x7F => Some(SqlType::BigInt),
            0x3B => Some(SqlType::Real),
            0x3E => Some(SqlType::Float),
            0x3D => Some(SqlType::DateTime),
            // NULLTYPE: the client knows no type; no value follows.
            0x1F => Some(SqlType::NVarChar(Some(4000))),
            _ => None,
        };
        if let Some(ty) = fixed {
            return Ok(Self { ty, fixed: true });
        }
        let ty = match code {
            0x68 => from.u8().map(|_| SqlType::Bit)?,
            0x26 => match from.u8()? {
                1 => SqlType::TinyInt,
                2 => SqlType::SmallInt,
                4 => SqlType::Int,
                8 => SqlType::BigInt,
                n => return Err(Broken(format!("INTN of {n} bytes"))),
            },
            0x6D => match from.u8()? {
                4 => SqlType::Real,
                _ => SqlType::Float,
            },
            0x6A | 0x6C => {
                from.u8()?;
                SqlType::Decimal { precision: from.u8()?, scale: from.u8()? }
            }
            0x24 => from.u8().map(|_| SqlType::Guid)?,
            0x28 => SqlType::Date,
            0x29 => SqlType::Time(from.u8()?),
            0x2A => SqlType::DateTime2(from.u8()?),
            0x2B => SqlType::DateTimeOffset(from.u8()?),
            0x6F => from.u8().map(|_| SqlType::DateTime)?,
            0xE7 | 0xEF | 0xA7 | 0xAF | 0xA5 | 0xAD => Self::read_sized(code, from)?,
            other => return Err(Broken(format!("type {other:#04x}"))),
        };
        Ok(Self { ty, fixed: false })
    }

    fn read_sized(code: u8, from: &mut Reader<'_>) -> Result<SqlType, Broken> {
        let size = from.u16()?;
        if !matches!(code, 0xA5 | 0xAD) {
            from.bytes(COLLATION.len())?;
        }
        let units = (size != 0xFFFF).then_some(size / 2);
        let bytes = (size != 0xFFFF).then_some(size);
        Ok(match code {
            0xE7 => SqlType::NVarChar(units),
            0xEF => SqlType::NChar(size / 2),
            0xA7 => SqlType::VarChar(bytes),
            0xAF => SqlType::Char(size),
            0xA5 => SqlType::VarBinary(bytes),
            _ => SqlType::Binary(size),
        })
    }
}
