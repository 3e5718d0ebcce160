//! What a statement returned, and the types of its columns: declared ones exactly, those of
//! expressions as far as their text tells, the rest by the values. Real metadata of expressions is
//! finer: `nvarchar(4000)` stands here for many a length.

use crate::{
    engine::Variables,
    error::SqlError,
    lexer::{Kind, Token, after_group, by_commas},
    syntax::sql_type,
    types::{Column, SqlType},
};
use rusqlite::{Connection, Statement, types::Value};

/// A column as SQLite tells of it.
#[derive(Debug, Clone)]
pub struct Declared {
    pub name: String,
    pub ty: Option<String>,
}

pub struct Found {
    pub rows: Option<(Vec<Declared>, Vec<Vec<Value>>)>,
    pub changed: u64,
}

pub fn declared(statement: &Statement<'_>) -> Vec<Declared> {
    let column = |column: rusqlite::Column<'_>| Declared {
        name: column.name().to_owned(),
        ty: column.decl_type().map(str::to_owned),
    };
    statement.columns().map(column).collect()
}

/// Runs a statement of SQLite with T-SQL's variables.
pub fn run(db: &Connection, sql: &str, variables: &Variables) -> rusqlite::Result<Found> {
    let mut statement = db.prepare(sql)?;
    for index in 1..=statement.parameter_count() {
        let name = statement.parameter_name(index).unwrap_or_default().to_owned();
        match variables.get(&name) {
            Some((_, value)) => statement.raw_bind_parameter(index, value)?,
            None => return Err(SqlError::undeclared(&name).raised()),
        }
    }
    if statement.column_count() == 0 {
        let changed = statement.raw_execute()? as u64;
        return Ok(Found { rows: None, changed });
    }
    let columns = declared(&statement);
    let (mut rows, mut cursor) = (Vec::new(), statement.raw_query());
    while let Some(row) = cursor.next()? {
        let values = (0..columns.len()).map(|index| row.get::<_, Value>(index));
        rows.push(values.collect::<rusqlite::Result<Vec<_>>>()?);
    }
    Ok(Found { rows: Some((columns, rows)), changed: 0 })
}

/// The columns of a result. `probe` tells the declared types of a query's columns.
pub fn columns(
    tokens: &[Token],
    declared: &[Declared],
    rows: &[Vec<Value>],
    known: &dyn Fn(&str) -> Option<SqlType>,
    probe: &dyn Fn(&[Token]) -> Vec<Option<String>>,
) -> Vec<Column> {
    let (items, from) = select_list(tokens);
    let placed = placed(&items, declared.len());
    let describe = |(index, column): (usize, &Declared)| {
        let item = placed.get(index).copied().flatten();
        let named = column.ty.as_deref().and_then(|ty| match ty {
            "INTEGER" => Some((SqlType::Int, false)),
            ty => SqlType::from_declared(ty),
        });
        let (ty, nullable) = named
            .or_else(|| infer(item?.expression, from, known, probe).map(|ty| (ty, true)))
            .unwrap_or_else(|| (by_values(rows, index), true));
        let name = match item {
            Some(item) if !item.is_named => String::new(),
            _ => column.name.clone(),
        };
        let identity = column.ty.as_deref() == Some("INTEGER");
        fitted(Column { name, ty, nullable, identity }, rows, index)
    };
    declared.iter().enumerate().map(describe).collect()
}

#[derive(Clone, Copy)]
struct Item<'a> {
    expression: &'a [Token],
    /// It has an alias, or is a column.
    is_named: bool,
    is_star: bool,
}

/// The items of the first SELECT, and what follows them up to grouping or ordering.
fn select_list(tokens: &[Token]) -> (Vec<Item<'_>>, &[Token]) {
    let flat = |words: &[&str], start: usize| {
        let mut at = start;
        while at < tokens.len() {
            if tokens[at].symbol("(") {
                at = after_group(tokens, at).unwrap_or(tokens.len());
            } else if tokens[at].is_any(words) {
                return Some(at);
            } else {
                at += 1;
            }
        }
        None
    };
    let Some(select) = flat(&["SELECT"], 0) else { return (Vec::new(), &[]) };
    let mut start = select + 1;
    while tokens.get(start).is_some_and(|token| token.is_any(&["DISTINCT", "ALL", "TOP"])) {
        let top = tokens[start].is("TOP");
        start += 1;
        if top {
            let opens = tokens.get(start).is_some_and(|token| token.symbol("("));
            start = if opens { after_group(tokens, start).unwrap_or(start) } else { start + 1 };
        }
    }
    let ends = &["FROM", "WHERE", "UNION", "EXCEPT", "INTERSECT", "ORDER", "GROUP", "HAVING"];
    let end = flat(ends, start).unwrap_or(tokens.len());
    let from = match tokens.get(end) {
        Some(token) if token.is("FROM") => {
            let stop = flat(&ends[2..], end + 1).unwrap_or(tokens.len());
            &tokens[end..stop]
        }
        _ => &[],
    };
    (by_commas(&tokens[start..end]).into_iter().map(item).collect(), from)
}

fn item(tokens: &[Token]) -> Item<'_> {
    let is_star = tokens.last().is_some_and(|token| token.symbol("*"));
    let plain = |tokens: &[Token]| {
        tokens.iter().all(|token| token.as_name().is_some() || token.symbol("."))
    };
    let (expression, has_alias) = match tokens {
        [expression @ .., word, _] if word.is("AS") => (expression, true),
        [expression @ .., before, last]
            if last.as_name().is_some()
                && !last.is("END")
                && !before.symbol(".")
                && (before.symbol(")") || !matches!(before.kind, Kind::Symbol(_))) =>
        {
            (&tokens[..expression.len() + 1], true)
        }
        other => (other, false),
    };
    Item { expression, is_named: has_alias || plain(expression), is_star }
}

/// Which item each column comes from; a `*` stands for as many as are left over.
fn placed<'a>(items: &[Item<'a>], count: usize) -> Vec<Option<Item<'a>>> {
    let mut placed = vec![None; count];
    let star = items.iter().position(|item| item.is_star).unwrap_or(items.len());
    for (index, item) in items.iter().enumerate().take(star.min(count)) {
        placed[index] = Some(*item);
    }
    for (back, item) in items.iter().rev().enumerate().take_while(|(_, item)| !item.is_star) {
        if star < items.len() && back < count {
            placed[count - 1 - back] = Some(*item);
        }
    }
    placed
}

fn infer(
    tokens: &[Token],
    from: &[Token],
    known: &dyn Fn(&str) -> Option<SqlType>,
    probe: &dyn Fn(&[Token]) -> Vec<Option<String>>,
) -> Option<SqlType> {
    let first = tokens.first()?;
    let again = |tokens: &[Token]| infer(tokens, from, known, probe);
    if let [_, open, ..] = tokens
        && open.symbol("(")
        && let Some(name) = first.as_name()
    {
        let end = after_group(tokens, 1).ok()?;
        let over = tokens.get(end).is_some_and(|token| token.is("OVER"));
        if end == tokens.len() || over || tokens.get(end).is_some_and(|t| t.is("COLLATE")) {
            let arguments = by_commas(&tokens[2..end - 1]);
            return of_call(&name.to_ascii_uppercase(), &arguments, &again);
        }
    }
    if first.symbol("(") && after_group(tokens, 0).ok()? == tokens.len() {
        return again(&tokens[1..tokens.len() - 1]);
    }
    if first.is("CASE") {
        let then = tokens.iter().position(|token| token.is("THEN"))? + 1;
        let end = tokens[then..].iter().position(|t| t.is_any(&["WHEN", "ELSE", "END"]))?;
        return again(&tokens[then..then + end]);
    }
    if tokens.iter().all(|token| token.as_name().is_some() || token.symbol(".")) {
        let query = [&[Token::raw("SELECT")], tokens, from].concat();
        let declared = probe(&query).into_iter().next()??;
        return SqlType::from_declared(&declared).map(|(ty, _)| ty);
    }
    if let Some(at) = tokens.iter().skip(1).position(|t| matches!(t.kind, Kind::Symbol("+" | "-")))
    {
        return again(&tokens[..=at]);
    }
    let literal = if first.symbol("-") { tokens.get(1)? } else { first };
    let size = |length: usize| Some(u16::try_from(length.clamp(1, 4000)).unwrap_or(4000));
    match &literal.kind {
        Kind::Number(digits) => Some(match digits.split_once('.') {
            None if digits.parse::<i32>().is_ok() => SqlType::Int,
            None => SqlType::BigInt,
            Some((_, fraction)) => SqlType::Decimal {
                precision: u8::try_from(digits.len().min(38)).unwrap_or(38),
                scale: u8::try_from(fraction.len()).unwrap_or(0),
            },
        }),
        Kind::Text(text) => Some(SqlType::NVarChar(size(text.encode_utf16().count()))),
        Kind::Hex(digits) => Some(SqlType::VarBinary(size(digits.len() / 2))),
        Kind::Variable(name) if name == "@@VERSION" => Some(SqlType::NVarChar(Some(300))),
        Kind::Variable(name) if name == "@@SERVERNAME" => Some(SqlType::NVarChar(Some(128))),
        Kind::Variable(name) => {
            known(name).or_else(|| name.starts_with("@@").then_some(SqlType::Int))
        }
        _ => None,
    }
}

fn of_call(
    name: &str,
    arguments: &[&[Token]],
    again: &dyn Fn(&[Token]) -> Option<SqlType>,
) -> Option<SqlType> {
    match name {
        "CAST" | "TRY_CAST" => {
            let split = arguments.concat();
            let at = split.iter().rposition(|token| token.is("AS"))?;
            // Commas within the type were taken for those between arguments: only its head is read.
            let whole = arguments.last()?;
            let from = whole.iter().rposition(|token| token.is("AS"));
            sql_type(from.map_or(&split[at + 1..], |from| &whole[from + 1..])).ok().map(|ty| ty.0)
        }
        "CONVERT" | "TRY_CONVERT" => sql_type(arguments.first()?).ok().map(|ty| ty.0),
        "COUNT" | "LEN" | "DATALENGTH" | "CHARINDEX" | "OBJECT_ID" | "SCHEMA_ID" | "DB_ID"
        | "IS_MEMBER" | "IS_SRVROLEMEMBER" | "IS_ROLEMEMBER" | "HAS_PERMS_BY_NAME" => {
            Some(SqlType::Int)
        }
        "DATEADD" => Some(SqlType::DateTime2(6)),
        "DATEDIFF" => Some(SqlType::Int),
        "COUNT_BIG" | "DATEDIFF_BIG" | "ROW_NUMBER" | "RANK" | "DENSE_RANK" => {
            Some(SqlType::BigInt)
        }
        "SYSUTCDATETIME" | "SYSDATETIME" => Some(SqlType::DateTime2(7)),
        "GETUTCDATE" | "GETDATE" => Some(SqlType::DateTime),
        "NEWID" | "NEWSEQUENTIALID" => Some(SqlType::Guid),
        "DB_NAME" | "SUSER_SNAME" | "SUSER_NAME" | "ORIGINAL_LOGIN" | "USER_NAME" | "HOST_NAME"
        | "APP_NAME" | "SERVERPROPERTY" | "OBJECT_NAME" | "SCHEMA_NAME" => {
            Some(SqlType::NVarChar(Some(128)))
        }
        "MAX" | "MIN" | "SUM" | "AVG" | "ISNULL" | "COALESCE" | "NULLIF" | "ABS" | "ROUND" => {
            again(arguments.first()?)
        }
        "IIF" => again(arguments.get(1)?),
        "CONCAT" | "SUBSTRING" | "LEFT" | "RIGHT" | "UPPER" | "LOWER" | "REPLACE" | "TRIM"
        | "LTRIM" | "RTRIM" | "STRING_AGG" | "REPLICATE" => Some(SqlType::NVarChar(Some(4000))),
        _ => None,
    }
}

fn by_values(rows: &[Vec<Value>], index: usize) -> SqlType {
    match rows.iter().map(|row| &row[index]).find(|value| !matches!(value, Value::Null)) {
        Some(Value::Integer(_)) => SqlType::Int,
        Some(Value::Real(_)) => SqlType::Float,
        Some(Value::Blob(_)) => SqlType::VarBinary(None),
        Some(Value::Text(_) | Value::Null) | None => SqlType::NVarChar(Some(4000)),
    }
}

/// Wide enough for every value: an outer join brings NULL into a column that takes none.
fn fitted(mut column: Column, rows: &[Vec<Value>], index: usize) -> Column {
    for value in rows.iter().map(|row| &row[index]) {
        match (value, column.ty) {
            (Value::Null, _) => column.nullable = true,
            (Value::Integer(number), SqlType::Int) if i32::try_from(*number).is_err() => {
                column.ty = SqlType::BigInt;
            }
            (Value::Text(text), SqlType::NVarChar(Some(length)))
                if text.len() > length.into()
                    && text.encode_utf16().count() > usize::from(length) =>
            {
                column.ty = SqlType::NVarChar(None);
            }
            (Value::Text(text), SqlType::VarChar(Some(length))) if text.len() > length.into() => {
                column.ty = SqlType::VarChar(None);
            }
            _ => {}
        }
    }
    column
}
