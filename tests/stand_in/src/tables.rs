//! CREATE TABLE for SQLite: the T-SQL type of each column travels in its declaration
//! (`types`), the length of a text is a CHECK, names of constraints stay. What SQLite needs beside is
//! written to the catalogue (`catalogue`).

use crate::{
    catalogue::text,
    error::SqlError,
    lexer::{Token, after_group, by_commas, render},
    syntax::{parts, sql_type},
    translate::Translator,
    types::Column,
};

/// Words that end the expression of a DEFAULT.
const AFTER_DEFAULT: &[&str] =
    &["NULL", "NOT", "CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "REFERENCES", "WITH"];

/// A table under its whole name (`kaizen.events`, `#events`).
struct Table {
    name: String,
    columns: Vec<Column>,
    elements: Vec<String>,
    /// Key columns as SQLite names them in an error, kind and name of the constraint.
    keys: Vec<(String, &'static str, String)>,
}

/// `CREATE TABLE name (…)`, from the name on.
pub fn create_table(
    tokens: &[Token],
    translator: &mut Translator<'_>,
) -> Result<Vec<String>, SqlError> {
    let (names, end) = parts(tokens, 0);
    let name = translator.table(&names).as_name().unwrap_or_default().to_owned();
    let after = after_group(tokens, end)?;
    if let Some(more) = tokens.get(after)
        && !more.is_any(&["ON", "WITH", "TEXTIMAGE_ON"])
    {
        return Err(SqlError::syntax(&render(std::slice::from_ref(more))));
    }
    let mut table = Table { name, columns: vec![], elements: vec![], keys: vec![] };
    for element in by_commas(&tokens[end + 1..after - 1]) {
        let Some(first) = element.first() else { continue };
        if first.is_any(&["CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK"]) {
            table.constraint(element, translator)?;
        } else {
            table.column(element, translator)?;
        }
    }
    let name = render(&[Token::name(table.name.clone())]);
    let create = if table.is_temporary() { "CREATE TEMP TABLE" } else { "CREATE TABLE" };
    let mut sql = vec![format!("{create} {name} ({})", table.elements.join(", "))];
    if !table.is_temporary() {
        sql.extend(table.catalogued());
    }
    Ok(sql)
}

/// `ALTER TABLE name ADD column type …`, from the column on; one column for each comma.
pub fn add_columns(
    name: &str,
    tokens: &[Token],
    translator: &mut Translator<'_>,
) -> Result<Vec<String>, SqlError> {
    let mut table =
        Table { name: name.to_owned(), columns: vec![], elements: vec![], keys: vec![] };
    for element in by_commas(tokens) {
        if element.first().is_some_and(|token| token.is_any(&["CONSTRAINT", "CHECK", "FOREIGN"])) {
            return Err(SqlError::unsupported("ALTER TABLE … ADD CONSTRAINT"));
        }
        table.column(element, translator)?;
    }
    let quoted = render(&[Token::name(name)]);
    let mut sql: Vec<String> = table
        .elements
        .iter()
        .map(|element| format!("ALTER TABLE {quoted} ADD COLUMN {element}"))
        .collect();
    sql.extend(table.columns_catalogued());
    Ok(sql)
}

impl Table {
    fn is_temporary(&self) -> bool {
        self.name.starts_with('#')
    }

    fn column(
        &mut self,
        tokens: &[Token],
        translator: &mut Translator<'_>,
    ) -> Result<(), SqlError> {
        let name = tokens.first().and_then(Token::as_name);
        let name = name.ok_or_else(|| SqlError::syntax("CREATE TABLE"))?.to_owned();
        let (ty, used) = sql_type(&tokens[1..])?;
        let mut column = Column { name, ty, nullable: true, identity: false };
        let (mut rest, mut at) = (Vec::new(), 1 + used);
        let mut constraint = String::new();
        while let Some(token) = tokens.get(at) {
            let next = tokens.get(at + 1);
            let opens = next.is_some_and(|next| next.symbol("("));
            if token.is("COLLATE") {
                at += 2;
            } else if token.is("NULL") || token.is_any(&["CLUSTERED", "NONCLUSTERED"]) {
                at += 1;
            } else if token.is("NOT") {
                column.nullable = false;
                at += 2;
            } else if token.is("IDENTITY") {
                (column.identity, column.nullable) = (true, false);
                at = if opens { after_group(tokens, at + 1)? } else { at + 1 };
            } else if token.is("CONSTRAINT") {
                constraint = next.and_then(Token::as_name).unwrap_or_default().to_owned();
                at += 2;
            } else if token.is("DEFAULT") {
                let end = default_end(tokens, at + 1)?;
                let value = translator.level(&tokens[at + 1..end])?;
                rest.push(format!("DEFAULT ({})", render(&value)));
                at = end;
            } else if token.is("PRIMARY") || token.is("UNIQUE") {
                let primary = token.is("PRIMARY");
                column.nullable &= !primary;
                self.key(primary, &constraint, &[column.name.as_str()]);
                rest.push(if primary { "PRIMARY KEY" } else { "UNIQUE" }.to_owned());
                at += if primary { 2 } else { 1 };
            } else if token.is("CHECK") && opens {
                let end = after_group(tokens, at + 1)?;
                rest.push(named(&constraint, &render(&translator.level(&tokens[at..end])?)));
                at = end;
            } else if token.is("REFERENCES") {
                if !self.is_temporary() {
                    rest.push(render(&translator.level(&tokens[at..])?));
                }
                at = tokens.len();
            } else {
                return Err(SqlError::syntax(&render(std::slice::from_ref(token))));
            }
        }
        self.elements.push(self.column_element(&column, &rest));
        self.columns.push(column);
        Ok(())
    }

    fn column_element(&self, column: &Column, rest: &[String]) -> String {
        let quoted = render(&[Token::name(column.name.clone())]);
        if column.identity {
            // Only this very spelling counts up in SQLite.
            return format!("{quoted} INTEGER PRIMARY KEY AUTOINCREMENT");
        }
        let mut element = format!("{quoted} {}", column.ty.declared(column.nullable));
        if column.ty == crate::types::SqlType::Guid {
            element.push_str(" COLLATE NOCASE");
        }
        if !column.nullable {
            element.push_str(" NOT NULL");
        }
        for part in rest {
            element.push(' ');
            element.push_str(part);
        }
        if let Some(limit) = column.ty.limit() {
            // UTF-8 has never fewer bytes than UTF-16 has units: the built-in function settles most.
            let longer = if column.ty.is_text() {
                format!(" OR ts_units({quoted}) <= {limit}")
            } else {
                String::new()
            };
            let check = format!("CHECK (octet_length({quoted}) <= {limit}{longer})");
            let name = format!("length:{}:{}", self.name, column.name);
            element.push(' ');
            element.push_str(&named(&name, &check));
        }
        element
    }

    fn constraint(
        &mut self,
        tokens: &[Token],
        translator: &mut Translator<'_>,
    ) -> Result<(), SqlError> {
        let (name, tokens) = match tokens {
            [first, name, rest @ ..] if first.is("CONSTRAINT") => {
                (name.as_name().unwrap_or_default().to_owned(), rest)
            }
            other => (String::new(), other),
        };
        let first = tokens.first().ok_or_else(|| SqlError::syntax("CONSTRAINT"))?;
        if first.is("FOREIGN") && self.is_temporary() {
            // As SQL Server does.
            return Ok(());
        }
        let kept: Vec<Token> = tokens
            .iter()
            .filter(|token| !token.is_any(&["CLUSTERED", "NONCLUSTERED"]))
            .cloned()
            .collect();
        if first.is_any(&["PRIMARY", "UNIQUE"])
            && let Some(open) = kept.iter().position(|token| token.symbol("("))
        {
            let end = after_group(&kept, open)?;
            let columns = by_commas(&kept[open + 1..end - 1]);
            let columns: Vec<&str> = columns.iter().filter_map(|c| c.first()?.as_name()).collect();
            let element = format!(
                "{} ({})",
                if first.is("PRIMARY") { "PRIMARY KEY" } else { "UNIQUE" },
                render(&kept[open + 1..end - 1])
            );
            self.elements.push(named(&name, &element));
            self.key(first.is("PRIMARY"), &name, &columns);
            return Ok(());
        }
        let element = render(&translator.level(&kept)?);
        self.elements.push(named(&name, &element));
        Ok(())
    }

    fn key(&mut self, primary: bool, name: &str, columns: &[&str]) {
        let columns: Vec<String> = columns.iter().map(|c| format!("{}.{c}", self.name)).collect();
        let kind = if primary { "PRIMARY KEY" } else { "UNIQUE KEY" };
        self.keys.push((columns.join(", "), kind, name.to_owned()));
    }

    /// What the catalogue must know of a new table.
    fn catalogued(&self) -> Vec<String> {
        let mut sql = vec![crate::catalogue::add_object(&self.name, "U", None)];
        sql.extend(self.columns_catalogued());
        for (columns, kind, name) in &self.keys {
            sql.push(format!(
                "INSERT OR REPLACE INTO \"~keys\" VALUES ({}, {}, {})",
                text(columns),
                text(kind),
                text(name)
            ));
        }
        sql
    }

    fn columns_catalogued(&self) -> Vec<String> {
        let insert = |column: &Column| {
            format!(
                "INSERT INTO \"~columns\" SELECT object_id, \
                 (SELECT count(*) + 1 FROM \"~columns\" AS c WHERE c.object_id = o.object_id), \
                 {}, {}, {}, {}, {} FROM \"~objects\" AS o WHERE o.whole = {}",
                text(&column.name),
                text(column.ty.code().split('(').next().unwrap_or_default()),
                max_length(column),
                i32::from(column.nullable),
                i32::from(column.identity),
                text(&self.name)
            )
        };
        self.columns.iter().map(insert).collect()
    }
}

/// In bytes, -1 for max, as in sys.columns.
fn max_length(column: &Column) -> i32 {
    use crate::types::SqlType;
    match column.ty {
        ty if ty.is_max() => -1,
        SqlType::NVarChar(Some(n)) | SqlType::NChar(n) => i32::from(n) * 2,
        ty => ty.limit().map_or(8, i32::from),
    }
}

fn named(name: &str, constraint: &str) -> String {
    if name.is_empty() {
        return constraint.to_owned();
    }
    format!("CONSTRAINT {} {constraint}", render(&[Token::name(name)]))
}

fn default_end(tokens: &[Token], start: usize) -> Result<usize, SqlError> {
    let mut at = start;
    while let Some(token) = tokens.get(at) {
        if token.symbol("(") {
            at = after_group(tokens, at)?;
        } else if at > start && token.is_any(AFTER_DEFAULT) {
            break;
        } else {
            at += 1;
        }
    }
    Ok(at)
}
