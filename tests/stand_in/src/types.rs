//! T-SQL's types: as declared, as SQLite keeps them, and as TYPE_INFO that the server writes (MS-TDS
//! 2.2.5.6). Not here: TYPE_INFO that it reads (`wire_type`), the values (`values`).
//!
//! SQLite reports the declared type of a result's column, through views and subqueries too. So the
//! whole T-SQL type travels in that declaration (`TEXT_nvarchar_null(400)`), and its first word gives
//! the affinity.

/// Latin1_General_BIN2: text compares by code point, as in this double.
pub const COLLATION: [u8; 5] = [0x09, 0x04, 0x00, 0x02, 0x00];

/// `None` as a length is `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SqlType {
    Bit,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Real,
    Float,
    Decimal { precision: u8, scale: u8 },
    NVarChar(Option<u16>),
    VarChar(Option<u16>),
    NChar(u16),
    Char(u16),
    VarBinary(Option<u16>),
    Binary(u16),
    Guid,
    Date,
    Time(u8),
    DateTime2(u8),
    DateTimeOffset(u8),
    DateTime,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub ty: SqlType,
    pub nullable: bool,
    pub identity: bool,
}

impl SqlType {
    /// From a name and its arguments, `max` being -1.
    pub fn named(name: &str, first: Option<i64>, second: Option<i64>) -> Option<Self> {
        let length = |default: i64| match first.unwrap_or(default) {
            -1 => None,
            n => u16::try_from(n).ok(),
        };
        let scale = u8::try_from(first.unwrap_or(7)).unwrap_or(7).min(7);
        Some(match name.to_ascii_lowercase().as_str() {
            "bit" => Self::Bit,
            "tinyint" => Self::TinyInt,
            "smallint" => Self::SmallInt,
            "int" | "integer" => Self::Int,
            "bigint" => Self::BigInt,
            "real" => Self::Real,
            "float" if first.is_some_and(|n| n <= 24) => Self::Real,
            "float" => Self::Float,
            "decimal" | "numeric" => Self::Decimal {
                precision: u8::try_from(first.unwrap_or(18)).ok()?,
                scale: u8::try_from(second.unwrap_or(0)).ok()?,
            },
            "nvarchar" => Self::NVarChar(length(1)),
            "sysname" => Self::NVarChar(Some(128)),
            "varchar" => Self::VarChar(length(1)),
            "nchar" => Self::NChar(length(1)?),
            "char" => Self::Char(length(1)?),
            "varbinary" => Self::VarBinary(length(1)),
            "binary" => Self::Binary(length(1)?),
            "uniqueidentifier" => Self::Guid,
            "date" => Self::Date,
            "time" => Self::Time(scale),
            "datetime2" => Self::DateTime2(scale),
            "datetimeoffset" => Self::DateTimeOffset(scale),
            "datetime" => Self::DateTime,
            _ => return None,
        })
    }

    /// T-SQL's name and the arguments.
    fn parts(self) -> (&'static str, Option<i64>, Option<i64>) {
        let length = |n: Option<u16>| Some(n.map_or(-1, i64::from));
        match self {
            Self::Bit => ("bit", None, None),
            Self::TinyInt => ("tinyint", None, None),
            Self::SmallInt => ("smallint", None, None),
            Self::Int => ("int", None, None),
            Self::BigInt => ("bigint", None, None),
            Self::Real => ("real", None, None),
            Self::Float => ("float", None, None),
            Self::Decimal { precision, scale } => {
                ("decimal", Some(precision.into()), Some(scale.into()))
            }
            Self::NVarChar(n) => ("nvarchar", length(n), None),
            Self::VarChar(n) => ("varchar", length(n), None),
            Self::NChar(n) => ("nchar", Some(n.into()), None),
            Self::Char(n) => ("char", Some(n.into()), None),
            Self::VarBinary(n) => ("varbinary", length(n), None),
            Self::Binary(n) => ("binary", Some(n.into()), None),
            Self::Guid => ("uniqueidentifier", None, None),
            Self::Date => ("date", None, None),
            Self::Time(s) => ("time", Some(s.into()), None),
            Self::DateTime2(s) => ("datetime2", Some(s.into()), None),
            Self::DateTimeOffset(s) => ("datetimeoffset", Some(s.into()), None),
            Self::DateTime => ("datetime", None, None),
        }
    }

    /// As one word and arguments that SQLite's grammar takes: `nvarchar(-1)`.
    pub fn code(self) -> String {
        match self.parts() {
            (name, None, _) => name.to_owned(),
            (name, Some(first), None) => format!("{name}({first})"),
            (name, Some(first), Some(second)) => format!("{name}({first},{second})"),
        }
    }

    pub fn from_code(code: &str) -> Option<Self> {
        let (name, arguments) = code.split_once('(').unwrap_or((code, ""));
        let mut numbers = arguments.trim_end_matches(')').split(',').map(|n| n.trim().parse().ok());
        Self::named(name.trim(), numbers.next().flatten(), numbers.next().flatten())
    }

    /// The declaration for SQLite.
    pub fn declared(self, nullable: bool) -> String {
        let affinity = match self {
            Self::Bit | Self::TinyInt | Self::SmallInt | Self::Int | Self::BigInt => "INT",
            Self::Real | Self::Float => "REAL",
            Self::VarBinary(_) | Self::Binary(_) => "BLOB",
            _ => "TEXT",
        };
        let code = self.code();
        let (name, arguments) = code.split_at(code.find('(').unwrap_or(code.len()));
        // No underscore of ours within a name, and "uniqueidentifier" holds no "INT".
        let null = if nullable { "null" } else { "notnull" };
        format!("{affinity}_{name}_{null}{arguments}")
    }

    pub fn from_declared(declared: &str) -> Option<(Self, bool)> {
        let (_, rest) = declared.split_once('_')?;
        let (name, rest) = rest.split_once('_')?;
        let (null, arguments) = rest.split_at(rest.find('(').unwrap_or(rest.len()));
        Some((Self::from_code(&format!("{name}{arguments}"))?, null == "null"))
    }

    /// The greatest length in UTF-16 units or bytes, where there is one.
    pub fn limit(self) -> Option<u16> {
        match self {
            Self::NVarChar(n) | Self::VarChar(n) | Self::VarBinary(n) => n,
            Self::NChar(n) | Self::Char(n) | Self::Binary(n) => Some(n),
            _ => None,
        }
    }

    pub fn is_max(self) -> bool {
        matches!(self, Self::NVarChar(None) | Self::VarChar(None) | Self::VarBinary(None))
    }

    pub fn is_text(self) -> bool {
        matches!(self, Self::NVarChar(_) | Self::VarChar(_) | Self::NChar(_) | Self::Char(_))
    }

    /// Writes TYPE_INFO. As SQL Server does, a column that takes no NULL has the fixed form of its
    /// type where there is one: a client that bulk loads must send such values without a length.
    pub fn write(self, nullable: bool, out: &mut Vec<u8>) {
        if !nullable && let Some(fixed) = self.fixed() {
            out.push(fixed);
            return;
        }
        let sized = |out: &mut Vec<u8>, code: u8, size: Option<u16>, collated: bool| {
            out.push(code);
            out.extend(size.unwrap_or(0xFFFF).to_le_bytes());
            if collated {
                out.extend(COLLATION);
            }
        };
        match self {
            Self::Bit => out.extend([0x68, 1]),
            Self::TinyInt => out.extend([0x26, 1]),
            Self::SmallInt => out.extend([0x26, 2]),
            Self::Int => out.extend([0x26, 4]),
            Self::BigInt => out.extend([0x26, 8]),
            Self::Real => out.extend([0x6D, 4]),
            Self::Float => out.extend([0x6D, 8]),
            Self::Decimal { precision, scale } => {
                out.extend([0x6A, decimal_size(precision), precision, scale]);
            }
            Self::NVarChar(n) => sized(out, 0xE7, n.map(|n| n * 2), true),
            Self::VarChar(n) => sized(out, 0xA7, n, true),
            Self::NChar(n) => sized(out, 0xEF, Some(n * 2), true),
            Self::Char(n) => sized(out, 0xAF, Some(n), true),
            Self::VarBinary(n) => sized(out, 0xA5, n, false),
            Self::Binary(n) => sized(out, 0xAD, Some(n), false),
            Self::Guid => out.extend([0x24, 16]),
            Self::Date => out.push(0x28),
            Self::Time(scale) => out.extend([0x29, scale]),
            Self::DateTime2(scale) => out.extend([0x2A, scale]),
            Self::DateTimeOffset(scale) => out.extend([0x2B, scale]),
            Self::DateTime => out.extend([0x6F, 8]),
        }
    }

    fn fixed(self) -> Option<u8> {
        Some(match self {
            Self::Bit => 0x32,
            Self::TinyInt => 0x30,
            Self::SmallInt => 0x34,
            Self::Int => 0x38,
            Self::BigInt => 0x7F,
            Self::Real => 0x3B,
            Self::Float => 0x3E,
            Self::DateTime => 0x3D,
            _ => return None,
        })
    }

    pub fn is_fixed(self, nullable: bool) -> bool {
        !nullable && self.fixed().is_some()
    }
}

/// Bytes of a decimal with its sign, by precision (MS-TDS 2.2.5.5.1.6).
pub fn decimal_size(precision: u8) -> u8 {
    match precision {
        0..=9 => 5,
        10..=19 => 9,
        20..=28 => 13,
        _ => 17,
    }
}
