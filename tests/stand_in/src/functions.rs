//! Functions of T-SQL that SQLite has not, and those that tell of the session.

use crate::{
    cast::cast,
    error::SqlError,
    login,
    permissions::{Access, Permissions},
    time::Moment,
    types::SqlType,
    values,
};
use rusqlite::{
    Connection, Result,
    functions::{Context, FunctionFlags},
    types::Value,
};
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

const PURE: FunctionFlags = FunctionFlags::SQLITE_DETERMINISTIC.union(FunctionFlags::SQLITE_UTF8);
const LIVE: FunctionFlags = FunctionFlags::SQLITE_UTF8;

pub const VERSION: &str = "Microsoft SQL Server 2022 - 16.0.0.0 (X64) - a stand-in for tests";

/// Text, or NULL for NULL.
fn text_of(context: &Context<'_>, index: usize) -> Result<Option<String>> {
    Ok(match context.get::<Value>(index)? {
        Value::Null => None,
        value => Some(values::text(&value)),
    })
}

/// Microseconds of the part of a date that the first argument names.
fn part_of(context: &Context<'_>) -> Result<i64> {
    let part = context.get::<String>(0)?;
    Ok(match part.as_str() {
        "SECOND" => 1_000_000,
        "MINUTE" => 60_000_000,
        "HOUR" => 3_600_000_000,
        "DAY" => 86_400_000_000,
        _ => return Err(SqlError::raised(SqlError::unsupported("this part of a date"))),
    })
}

fn units(text: &str) -> i64 {
    i64::try_from(text.encode_utf16().count()).unwrap_or(i64::MAX)
}

fn cast_of(context: &Context<'_>) -> std::result::Result<Value, SqlError> {
    let ty = SqlType::from_code(&context.get::<String>(1)?);
    let ty = ty.ok_or_else(|| SqlError::unsupported("this type in CAST"))?;
    cast(&context.get::<Value>(0)?, ty)
}

/// Functions of their arguments alone.
pub fn install_pure(db: &Connection) -> Result<()> {
    db.create_scalar_function("ts_cast", 2, PURE, |c| cast_of(c).map_err(SqlError::raised))?;
    db.create_scalar_function("ts_try_cast", 2, PURE, |c| Ok(cast_of(c).unwrap_or(Value::Null)))?;
    db.create_scalar_function("ts_units", 1, PURE, |c| {
        let value = c.get_raw(0);
        Ok(value.as_str_or_null().ok().flatten().map(units))
    })?;
    db.create_scalar_function("ts_len", 1, PURE, |c| {
        Ok(text_of(c, 0)?.map(|text| units(text.trim_end_matches(' '))))
    })?;
    db.create_scalar_function("ts_datalength", 1, PURE, |c| {
        Ok(match c.get::<Value>(0)? {
            Value::Null => None,
            Value::Blob(blob) => i64::try_from(blob.len()).ok(),
            Value::Text(text) => Some(units(&text) * 2),
            Value::Integer(_) | Value::Real(_) => Some(8),
        })
    })?;
    db.create_scalar_function("ts_left", 2, PURE, |c| {
        let count = usize::try_from(c.get::<i64>(1)?).unwrap_or_default();
        Ok(text_of(c, 0)?.map(|text| text.chars().take(count).collect::<String>()))
    })?;
    db.create_scalar_function("ts_right", 2, PURE, |c| {
        let count = usize::try_from(c.get::<i64>(1)?).unwrap_or_default();
        Ok(text_of(c, 0)?.map(|text| {
            let skipped = text.chars().count().saturating_sub(count);
            text.chars().skip(skipped).collect::<String>()
        }))
    })?;
    db.create_scalar_function("ts_charindex", 2, PURE, |c| {
        let (part, text) = (text_of(c, 0)?, text_of(c, 1)?);
        Ok(part
            .zip(text)
            .map(|(part, text)| text.find(&part).map_or(0, |at| units(&text[..at]) + 1)))
    })?;
    db.create_scalar_function("ts_replicate", 2, PURE, |c| {
        let count = usize::try_from(c.get::<i64>(1)?).unwrap_or_default();
        Ok(text_of(c, 0)?.map(|text| text.repeat(count)))
    })?;
    // The name in OBJECT_ID: without brackets, database and tempdb; dbo where none is named.
    db.create_scalar_function("ts_name", 1, PURE, |c| {
        Ok(text_of(c, 0)?.map(|text| whole_name(&text)))
    })?;
    set_clock(db, Arc::default())?;
    db.create_scalar_function("ts_dateadd", 3, PURE, |c| {
        let (part, count) = (part_of(c)?, c.get::<i64>(1)?);
        let moment = text_of(c, 2)?.and_then(|text| Moment::parse(&text));
        Ok(moment.map(|moment| moment.plus_micros(part * count).text()))
    })?;
    // Boundaries between the two, as SQL Server counts them.
    db.create_scalar_function("ts_datediff", 3, PURE, |c| {
        let part = part_of(c)?;
        let count = |text: String| Moment::parse(&text).map(|moment| moment.total() / part);
        let (from, to) = (text_of(c, 1)?.and_then(count), text_of(c, 2)?.and_then(count));
        Ok(from.zip(to).map(|(from, to)| to - from))
    })?;
    db.create_scalar_function("ts_newid", 0, LIVE, |_| Ok(new_guid()))?;
    db.create_scalar_function("ts_server_property", 1, PURE, |c| {
        Ok(match text_of(c, 0)?.unwrap_or_default().to_ascii_lowercase().as_str() {
            "productversion" => Some("16.0.0.0"),
            "edition" => Some("stand-in"),
            "productlevel" => Some("RTM"),
            "servername" | "machinename" => Some("stand-in"),
            "collation" => Some("Latin1_General_BIN2"),
            _ => None,
        })
    })
}

/// The clock, as many seconds ahead of the machine's as `moved` says.
pub fn set_clock(db: &Connection, moved: Arc<AtomicI64>) -> Result<()> {
    let now = move |_: &Context<'_>| Ok(Moment::now(moved.load(Ordering::SeqCst)).text());
    db.create_scalar_function("ts_now", 0, LIVE, now)
}

/// Functions that tell who asks.
pub fn install_session(
    db: &Connection,
    user: &str,
    database: &str,
    permissions: Arc<Permissions>,
) -> Result<()> {
    let name = database.to_owned();
    db.create_scalar_function("ts_db_name", -1, LIVE, move |_| Ok(name.clone()))?;
    db.create_scalar_function("ts_db_id", -1, LIVE, |c| {
        let named = if c.is_empty() { None } else { text_of(c, 0)? };
        Ok(named.is_none_or(|name| login::is_database(&name)).then_some(5))
    })?;
    let name = user.to_owned();
    db.create_scalar_function("ts_user", -1, LIVE, move |_| Ok(name.clone()))?;
    db.create_scalar_function("ts_host", 0, LIVE, |_| Ok("stand-in"))?;
    let admin = permissions.is_admin(user);
    db.create_scalar_function("ts_is_admin", -1, LIVE, move |_| Ok(i64::from(admin)))?;
    let user = user.to_owned();
    db.create_scalar_function("ts_may", -1, LIVE, move |c| {
        let whole = text_of(c, 0)?.map(|text| whole_name(&text)).unwrap_or_default();
        let action = text_of(c, 2)?.unwrap_or_default().to_ascii_uppercase();
        if action.starts_with("VIEW ") {
            return Ok(Some(1));
        }
        let may = |access| permissions.check(&user, access, &whole).is_ok();
        Ok(Access::named(&action).map(|access| i64::from(may(access))))
    })
}

fn whole_name(text: &str) -> String {
    let parts: Vec<&str> = text.split('.').map(|part| part.trim_matches(['[', ']'])).collect();
    match parts.as_slice() {
        [.., name] if name.starts_with('#') => (*name).to_owned(),
        [.., schema, name] if !schema.is_empty() => format!("{schema}.{name}"),
        [.., name] => format!("dbo.{name}"),
        [] => String::new(),
    }
}

fn new_guid() -> String {
    let half = || RandomState::new().build_hasher().finish();
    // Version 4, variant 1.
    let high = half() & !0xF000 | 0x4000;
    let low = half() >> 2 | 1 << 63;
    let digits = format!("{high:016X}{low:016X}");
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
