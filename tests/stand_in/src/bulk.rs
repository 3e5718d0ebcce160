//! A bulk load: COLMETADATA and rows as the client sends them (MS-TDS 2.2.6.1), into one table, all
//! or none. Other than SQL Server, constraints are checked and triggers fire whatever the options.

use crate::{
    engine::Engine,
    error::SqlError,
    lexer::{Token, render},
    types::SqlType,
    values,
    wire::{Broken, Reader},
    wire_type::WireType,
};
use rusqlite::Connection;

/// What INSERT BULK announced.
#[derive(Debug, Clone)]
pub struct Bulk {
    /// Its whole name.
    pub table: String,
    pub columns: Vec<(String, SqlType)>,
}

const COLMETADATA: u8 = 0x81;
const ROW: u8 = 0xD1;

impl From<Broken> for SqlError {
    fn from(broken: Broken) -> Self {
        let message = format!(
            "The incoming tabular data stream (TDS) protocol stream is incorrect: {}.",
            broken.0
        );
        Self::new(4002, 16, message)
    }
}

impl Engine {
    /// Loads the data of the INSERT BULK before.
    pub fn load(&mut self, data: &[u8]) -> Result<(), SqlError> {
        let bulk =
            self.bulk.take().ok_or_else(|| SqlError::unsupported("data without INSERT BULK"))?;
        let mut from = Reader::new(data);
        let types = bulk.types(&mut from)?;
        let names: Vec<Token> =
            bulk.columns.iter().map(|(name, _)| Token::name(name.clone())).collect();
        let list = |parts: Vec<String>| parts.join(", ");
        let sql = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            render(&[Token::name(bulk.table.clone())]),
            list(names.iter().map(|name| render(std::slice::from_ref(name))).collect()),
            list((1..=names.len()).map(|n| format!("?{n}")).collect())
        );
        let rows = from.rest();
        let count = self.waiting(|| {
            self.db.execute_batch("SAVEPOINT bulk")?;
            let result = insert_all(&self.db, &sql, &types, Reader::new(rows));
            if result.is_err() {
                self.db.execute_batch("ROLLBACK TO bulk").ok();
            }
            self.db.execute_batch("RELEASE bulk")?;
            result
        })?;
        self.done(0xF0, Some(count))
    }
}

impl Bulk {
    /// The types on the wire, which must be those that the statement declared.
    fn types(&self, from: &mut Reader<'_>) -> Result<Vec<WireType>, SqlError> {
        if from.u8()? != COLMETADATA {
            return Err(Broken("no COLMETADATA".to_owned()).into());
        }
        let count = usize::from(from.u16()?);
        if count != self.columns.len() {
            return Err(Broken(format!("{count} columns for {}", self.columns.len())).into());
        }
        let mut types = Vec::with_capacity(count);
        for (index, (_, declared)) in self.columns.iter().enumerate() {
            from.u32()?;
            from.u16()?;
            let wire = WireType::read(from)?;
            from.b_varchar()?;
            if declared.is_max() != wire.ty.is_max() {
                let message =
                    format!("Invalid column type from bcp client for colid {}.", index + 1);
                return Err(SqlError { state: 2, ..SqlError::new(4816, 16, message) });
            }
            types.push(wire);
        }
        Ok(types)
    }
}

fn insert_all(
    db: &Connection,
    sql: &str,
    types: &[WireType],
    mut from: Reader<'_>,
) -> rusqlite::Result<u64> {
    let mut insert = db.prepare(sql)?;
    let broken = |broken: Broken| SqlError::from(broken).raised();
    let mut count = 0;
    while !from.is_empty() && from.u8().map_err(broken)? == ROW {
        for (index, wire) in types.iter().enumerate() {
            let value = values::read(&mut from, *wire).map_err(broken)?;
            insert.raw_bind_parameter(index + 1, value)?;
        }
        insert.raw_execute()?;
        count += 1;
    }
    Ok(count)
}
