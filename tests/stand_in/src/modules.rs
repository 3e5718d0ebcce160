//! Views, triggers, indexes, schemas, and what alters or drops: each as the statements that SQLite runs and
//! that keep the catalogue true. Not here: tables (`tables`).

use crate::{
    batch,
    catalogue::{self, text},
    error::SqlError,
    lexer::{Kind, Token, after_group, by_commas, render},
    syntax::parts,
    tables,
    translate::Translator,
};

fn missing(near: &str) -> impl Fn() -> SqlError + '_ {
    move || SqlError::syntax(near)
}

fn quoted(name: &str) -> String {
    render(&[Token::name(name)])
}

fn whole(tokens: &[Token], translator: &mut Translator<'_>) -> Result<(String, usize), SqlError> {
    if tokens.is_empty() {
        return Err(SqlError::syntax("a name"));
    }
    let (names, end) = parts(tokens, 0);
    Ok((translator.table(&names).as_name().unwrap_or_default().to_owned(), end))
}

/// `CREATE [OR ALTER] VIEW name [(…)] AS query`, from the name on.
pub fn create_view(
    tokens: &[Token],
    replace: bool,
    source: &str,
    translator: &mut Translator<'_>,
) -> Result<Vec<String>, SqlError> {
    let (name, end) = whole(tokens, translator)?;
    let body = tokens.iter().position(|token| token.is("AS")).ok_or_else(missing("VIEW"))?;
    let mut sql = Vec::new();
    if replace {
        sql.push(format!("DROP VIEW IF EXISTS {}", quoted(&name)));
        sql.push(catalogue::drop_object(&name));
    }
    let query = translator.translate(&tokens[body + 1..])?;
    let columns = render(&tokens[end..body]);
    sql.push(format!("CREATE VIEW {} {columns} AS {}", quoted(&name), render(&query)));
    sql.push(catalogue::add_object(&name, "V", None));
    sql.push(catalogue::set_definition(&name, source));
    Ok(sql)
}

/// `CREATE TRIGGER name ON table AFTER events AS body`, from the name on. A trigger of T-SQL fires
/// once for a statement, SQLite's for each row; `engine` makes up for statements that touch no row.
pub fn create_trigger(
    tokens: &[Token],
    replace: bool,
    source: &str,
    translator: &mut Translator<'_>,
) -> Result<Vec<String>, SqlError> {
    let (name, end) = whole(tokens, translator)?;
    let (table, used) = whole(tokens.get(end + 1..).unwrap_or_default(), translator)?;
    let rest = tokens.get(end + 1 + used..).unwrap_or_default();
    let split = rest.iter().position(|token| token.is("AS")).ok_or_else(missing("TRIGGER"))?;
    let when = if rest[0].is("INSTEAD") { "BEFORE" } else { "AFTER" };
    let events: Vec<&str> = ["INSERT", "UPDATE", "DELETE"]
        .into_iter()
        .filter(|event| rest[..split].iter().any(|token| token.is(event)))
        .collect();
    let (body, throws) = trigger_body(&rest[split + 1..], translator)?;
    let mut sql = Vec::new();
    if replace {
        sql.extend(drop_trigger_sql(&name));
    }
    for event in &events {
        sql.push(format!(
            "CREATE TRIGGER {} {when} {event} ON {} \
             WHEN (SELECT is_disabled FROM \"~objects\" WHERE whole = {}) = 0 BEGIN {body}; END",
            quoted(&format!("{name}:{event}")),
            quoted(&table),
            text(&name)
        ));
    }
    sql.push(catalogue::add_object(&name, "TR", Some(&table)));
    sql.push(catalogue::set_definition(&name, source));
    sql.push(format!(
        "UPDATE \"~objects\" SET events = {}, throws = {} WHERE whole = {}",
        text(&events.join(",")),
        throws.map_or("NULL".to_owned(), |error| text(&error.marked())),
        text(&name)
    ));
    Ok(sql)
}

/// The statements of a trigger, and the error that it throws if that is all it does.
fn trigger_body(
    tokens: &[Token],
    translator: &mut Translator<'_>,
) -> Result<(String, Option<SqlError>), SqlError> {
    let inner = match tokens.first() {
        Some(first) if first.is("BEGIN") => &tokens[1..batch::after_end(tokens, 0)? - 1],
        _ => tokens,
    };
    let (mut out, mut throws) = (Vec::new(), None);
    for statement in batch::statements(inner)? {
        if statement[0].is("SET") {
            continue;
        }
        if statement[0].is("THROW") {
            let error = thrown(&statement)?;
            out.push(format!("SELECT RAISE(ABORT, {})", text(&error.marked())));
            throws = Some(error);
        } else {
            out.push(render(&translator.translate(&statement)?));
        }
    }
    let only = out.len() == 1;
    Ok((out.join("; "), throws.filter(|_| only)))
}

/// `THROW number, message, state`.
pub fn thrown(statement: &[Token]) -> Result<SqlError, SqlError> {
    let parts = by_commas(&statement[1..]);
    let [number, message, state] = parts.as_slice() else { return Err(SqlError::syntax("THROW")) };
    let digits = |tokens: &[Token]| match tokens {
        [Token { kind: Kind::Number(digits), .. }] => digits.parse::<u32>().ok(),
        _ => None,
    };
    let number = digits(number).ok_or_else(missing("THROW"))?;
    let message = message.first().and_then(Token::as_text).ok_or_else(missing("THROW"))?;
    let state = digits(state).and_then(|state| u8::try_from(state).ok()).unwrap_or(1);
    Ok(SqlError { state, ..SqlError::new(number, 16, message) })
}

fn drop_trigger_sql(name: &str) -> Vec<String> {
    let each = ["INSERT", "UPDATE", "DELETE"]
        .map(|event| format!("DROP TRIGGER IF EXISTS {}", quoted(&format!("{name}:{event}"))));
    each.into_iter().chain([catalogue::drop_object(name)]).collect()
}

/// `DROP kind [IF EXISTS] name, …`; `exists` tells what the catalogue holds.
pub fn drop(
    tokens: &[Token],
    translator: &mut Translator<'_>,
    exists: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>, SqlError> {
    let kind = tokens.get(1).ok_or_else(missing("DROP"))?;
    let forgiving = tokens.get(2).is_some_and(|token| token.is("IF"));
    let mut sql = Vec::new();
    for name in by_commas(tokens.get(if forgiving { 4 } else { 2 }..).unwrap_or_default()) {
        if kind.is("INDEX") {
            let index = name.first().and_then(Token::as_name).unwrap_or_default();
            let (table, _) = whole(name.get(2..).unwrap_or_default(), translator)?;
            let index = quoted(&format!("{table}:{index}"));
            let if_exists = if forgiving { "IF EXISTS " } else { "" };
            sql.push(format!("DROP INDEX {if_exists}{index}"));
            let named = name.first().and_then(Token::as_name).unwrap_or_default();
            sql.push(catalogue::drop_index(&table, named));
            continue;
        }
        if kind.is("SCHEMA") {
            let schema = name.first().and_then(Token::as_name).unwrap_or_default();
            sql.push(format!("DELETE FROM \"~schemas\" WHERE name = {}", text(schema)));
            continue;
        }
        let (name, _) = whole(name, translator)?;
        if !exists(&name) {
            if forgiving {
                continue;
            }
            let message = format!(
                "Cannot drop the object '{name}', because it does not exist or you do not have \
                 permission."
            );
            return Err(SqlError::new(3701, 11, message));
        }
        if kind.is("TRIGGER") {
            sql.extend(drop_trigger_sql(&name));
        } else if kind.is_any(&["TABLE", "VIEW"]) {
            let kind = if kind.is("TABLE") { "TABLE" } else { "VIEW" };
            sql.push(format!("DROP {kind} {}", quoted(&name)));
            if !name.starts_with('#') {
                sql.push(catalogue::drop_object(&name));
            }
        } else {
            return Err(SqlError::unsupported(format!("DROP {}", render(&tokens[1..2]))));
        }
    }
    Ok(sql)
}

/// `ALTER TABLE name …`, from the name on.
pub fn alter_table(
    tokens: &[Token],
    translator: &mut Translator<'_>,
) -> Result<Vec<String>, SqlError> {
    let (name, end) = whole(tokens, translator)?;
    let rest = &tokens[end..];
    match rest.first() {
        Some(word) if word.is("ADD") => tables::add_columns(&name, &rest[1..], translator),
        Some(word) if word.is_any(&["ENABLE", "DISABLE"]) => {
            let triggers = rest.get(2..).unwrap_or_default();
            switch(word.is("DISABLE"), triggers, &name, translator)
        }
        Some(word) if word.is("DROP") && rest.get(1).is_some_and(|token| token.is("COLUMN")) => {
            let column = render(&rest[2..]);
            Ok(vec![format!("ALTER TABLE {} DROP COLUMN {column}", quoted(&name))])
        }
        _ => Err(SqlError::unsupported("this ALTER TABLE")),
    }
}

/// `DISABLE TRIGGER name, … | ALL ON table`.
pub fn switch_triggers(
    tokens: &[Token],
    translator: &mut Translator<'_>,
) -> Result<Vec<String>, SqlError> {
    let on = tokens.iter().position(|token| token.is("ON")).ok_or_else(missing("TRIGGER"))?;
    let (table, _) = whole(tokens.get(on + 1..).unwrap_or_default(), translator)?;
    switch(tokens[0].is("DISABLE"), tokens.get(2..on).unwrap_or_default(), &table, translator)
}

fn switch(
    disable: bool,
    names: &[Token],
    table: &str,
    translator: &mut Translator<'_>,
) -> Result<Vec<String>, SqlError> {
    let set = format!("UPDATE \"~objects\" SET is_disabled = {} WHERE", i32::from(disable));
    if names.first().is_some_and(|token| token.is("ALL")) {
        let of = format!("(SELECT object_id FROM \"~objects\" WHERE whole = {})", text(table));
        return Ok(vec![format!("{set} type = 'TR' AND parent_object_id = {of}")]);
    }
    // A trigger has its table's schema.
    let schema = table.split('.').next().unwrap_or("dbo");
    let mut sql = Vec::new();
    for name in by_commas(names) {
        let (mut name, used) = whole(name, translator)?;
        if used == 1 {
            name = format!("{schema}.{}", name.trim_start_matches("dbo."));
        }
        sql.push(format!("{set} whole = {}", text(&name)));
    }
    Ok(sql)
}

/// `[UNIQUE] [CLUSTERED] INDEX name ON table (…)`, from after CREATE.
pub fn create_index(
    tokens: &[Token],
    translator: &mut Translator<'_>,
) -> Result<Vec<String>, SqlError> {
    let unique = tokens.first().is_some_and(|token| token.is("UNIQUE"));
    let at = tokens.iter().position(|token| token.is("INDEX"));
    let at = at.ok_or_else(|| SqlError::syntax("CREATE"))? + 1;
    let name = tokens.get(at).and_then(Token::as_name).unwrap_or_default();
    let (names, end) = parts(tokens.get(at + 2..).unwrap_or_default(), 0);
    let table = translator.table(&names).as_name().unwrap_or_default().to_owned();
    let rest = &tokens[at + 2 + end..];
    let keys = after_group(rest, 0)?;
    let filter = rest.iter().position(|token| token.is("WHERE"));
    let filter = filter.map_or(&[][..], |at| &rest[at..]);
    let clustered = tokens[..at].iter().any(|token| token.is("CLUSTERED"));
    let schema = if table.starts_with('#') { "temp." } else { "" };
    let mut sql = vec![format!(
        "CREATE {}INDEX {schema}{} ON {} {} {}",
        if unique { "UNIQUE " } else { "" },
        render(&[Token::name(format!("{table}:{name}"))]),
        render(&[Token::name(table.clone())]),
        render(&rest[..keys]),
        render(&translator.level(filter)?)
    )];
    if table.starts_with('#') {
        return Ok(sql);
    }
    let included = rest.iter().position(|token| token.is("INCLUDE"));
    let included = match included {
        Some(at) => by_commas(&rest[at + 2..after_group(rest, at + 1)? - 1]),
        None => Vec::new(),
    };
    let columns = by_commas(&rest[1..keys - 1]).into_iter().map(|column| (column, false));
    sql.push(catalogue::add_index(&table, name, unique, clustered));
    for (number, (column, is_included)) in
        (1..).zip(columns.chain(included.into_iter().map(|column| (column, true))))
    {
        let column_name = column.first().and_then(Token::as_name).unwrap_or_default();
        let descending = column.last().is_some_and(|token| token.is("DESC"));
        sql.push(catalogue::add_index_column(
            &table,
            name,
            number,
            column_name,
            descending,
            is_included,
        ));
    }
    Ok(sql)
}

/// `ALTER INDEX name ON table RESUME` or `ABORT`: the statement of the paused build is told by `paused`.
pub fn alter_index(
    tokens: &[Token],
    translator: &mut Translator<'_>,
    paused: &dyn Fn(&str, &str) -> Option<String>,
) -> Result<(String, Vec<String>), SqlError> {
    let name = tokens.first().and_then(Token::as_name).unwrap_or_default().to_owned();
    let (table, end) = whole(tokens.get(2..).unwrap_or_default(), translator)?;
    let how = tokens.get(2 + end).and_then(Token::as_name).unwrap_or_default().to_ascii_uppercase();
    let Some(statement) = paused(&table, &name) else {
        let message = format!(
            "There is no pending resumable index operation for the index '{name}' on '{table}'."
        );
        return Err(SqlError::new(10638, 16, message));
    };
    let forget = catalogue::forget_build(&table, &name);
    match how.as_str() {
        "ABORT" => Ok((String::new(), vec![forget])),
        "RESUME" => Ok((statement, vec![forget])),
        other => Err(SqlError::unsupported(format!("ALTER INDEX {other}"))),
    }
}

pub fn create_schema(tokens: &[Token]) -> Result<Vec<String>, SqlError> {
    let name = tokens.first().and_then(Token::as_name).ok_or_else(missing("SCHEMA"))?;
    Ok(vec![format!(
        "INSERT INTO \"~schemas\" SELECT max(5, max(schema_id) + 1), {} FROM \"~schemas\"",
        text(name)
    )])
}

/// What stands in the parentheses of `EXEC (N'…')`, or after `sp_executesql`.
pub fn executed(tokens: &[Token]) -> Result<String, SqlError> {
    let open = tokens.iter().position(|token| token.symbol("("));
    let inside = match open {
        Some(open) => &tokens[open + 1..after_group(tokens, open)? - 1],
        None => tokens,
    };
    let texts = inside.iter().filter_map(Token::as_text);
    Ok(texts.collect::<Vec<_>>().concat())
}
