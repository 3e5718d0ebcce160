//! What the server says, as tokens (MS-TDS 2.2.7): results, errors, changes of the environment.

use crate::{
    engine::{Outcome, Reply},
    error::SqlError,
    types::{COLLATION, Column},
    values,
    wire::{put_b_varchar, put_us_varchar},
};
use rusqlite::types::Value;

const MORE: u16 = 0x01;
const ERROR: u16 = 0x02;
const COUNT: u16 = 0x10;
pub const ATTENTION: u16 = 0x20;

const SELECT: u16 = 0xC1;
const NAME: &str = "stand-in";

/// Which DONE ends a statement, and which the message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Batch,
    Procedure,
}

#[derive(Default)]
pub struct Answer {
    pub bytes: Vec<u8>,
}

impl Answer {
    /// A whole reply; `transaction` is the descriptor of one that begins or ends.
    pub fn of(reply: &Reply, ending: Ending, transaction: u64) -> Self {
        let mut answer = Self::default();
        let last = reply.outcomes.iter().rposition(is_done);
        let mut failed = reply.error.clone();
        for (index, outcome) in reply.outcomes.iter().enumerate() {
            let more = failed.is_some() || ending == Ending::Procedure || Some(index) != last;
            match outcome {
                Outcome::Rows { columns, rows } => {
                    if let Err(error) = answer.rows(columns, rows) {
                        failed = Some(error);
                        break;
                    }
                    answer.statement(ending, SELECT, Some(rows.len() as u64), more);
                }
                Outcome::Done { command, count } => {
                    answer.statement(ending, *command, *count, more);
                }
                Outcome::Began => answer.transaction(8, transaction),
                Outcome::Committed => answer.transaction(9, transaction),
                Outcome::RolledBack => answer.transaction(10, transaction),
                Outcome::Database(name) => answer.changed(1, name, "kaizen"),
            }
        }
        let status = if failed.is_some() { ERROR } else { 0 };
        if let Some(error) = &failed {
            answer.error(error);
        }
        if ending == Ending::Procedure {
            let code = u8::from(failed.is_some());
            answer.bytes.extend([0x79, code, 0, 0, 0]);
            answer.done(0xFE, status, 0xE0, 0);
        } else if failed.is_some() || last.is_none() {
            answer.done(0xFD, status, 0, 0);
        }
        answer
    }

    fn statement(&mut self, ending: Ending, command: u16, count: Option<u64>, more: bool) {
        let token = if ending == Ending::Procedure { 0xFF } else { 0xFD };
        let status = if more { MORE } else { 0 } | count.map_or(0, |_| COUNT);
        self.done(token, status, command, count.unwrap_or(0));
    }

    pub fn done(&mut self, token: u8, status: u16, command: u16, count: u64) {
        self.bytes.push(token);
        self.bytes.extend(status.to_le_bytes());
        self.bytes.extend(command.to_le_bytes());
        self.bytes.extend(count.to_le_bytes());
    }

    fn rows(&mut self, columns: &[Column], rows: &[Vec<Value>]) -> Result<(), SqlError> {
        self.metadata(columns);
        for row in rows {
            self.bytes.push(0xD1);
            for (column, value) in columns.iter().zip(row) {
                values::write(&mut self.bytes, column.ty, column.nullable, value).map_err(
                    |text| SqlError::new(50000, 16, format!("column {}: {text}", column.name)),
                )?;
            }
        }
        Ok(())
    }

    fn metadata(&mut self, columns: &[Column]) {
        let count = u16::try_from(columns.len()).unwrap_or(u16::MAX);
        self.bytes.push(0x81);
        self.bytes.extend(count.to_le_bytes());
        for column in columns {
            // Nullable, case sensitive, and of unknown updatability, or an identity that is none.
            let mut flags = u16::from(column.nullable);
            flags |= if column.ty.is_text() { 0x02 } else { 0 };
            flags |= if column.identity { 0x10 } else { 0x08 };
            self.bytes.extend(0_u32.to_le_bytes());
            self.bytes.extend(flags.to_le_bytes());
            column.ty.write(column.nullable, &mut self.bytes);
            put_b_varchar(&mut self.bytes, &column.name);
        }
    }

    pub fn error(&mut self, error: &SqlError) {
        let mut body = Vec::new();
        body.extend(error.number.to_le_bytes());
        body.extend([error.state, error.class]);
        put_us_varchar(&mut body, &error.message);
        put_b_varchar(&mut body, NAME);
        put_b_varchar(&mut body, "");
        body.extend(error.line.max(1).to_le_bytes());
        self.sized(0xAA, &body);
    }

    fn sized(&mut self, token: u8, body: &[u8]) {
        self.bytes.push(token);
        self.bytes.extend(u16::try_from(body.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.bytes.extend(body);
    }

    /// ENVCHANGE of two texts.
    pub fn changed(&mut self, kind: u8, new: &str, old: &str) {
        let mut body = vec![kind];
        put_b_varchar(&mut body, new);
        put_b_varchar(&mut body, old);
        self.sized(0xE3, &body);
    }

    pub fn collation(&mut self) {
        let mut body = vec![7, 5];
        body.extend(COLLATION);
        body.push(0);
        self.sized(0xE3, &body);
    }

    fn transaction(&mut self, kind: u8, descriptor: u64) {
        let bytes = descriptor.to_le_bytes();
        let mut body = vec![kind];
        if kind == 8 {
            body.push(8);
            body.extend(bytes);
            body.push(0);
        } else {
            body.extend([0, 8]);
            body.extend(bytes);
        }
        self.sized(0xE3, &body);
    }

    pub fn login(&mut self) {
        let mut body = vec![1, 0x74, 0, 0, 4];
        put_b_varchar(&mut body, NAME);
        body.extend([16, 0, 0, 0]);
        self.sized(0xAD, &body);
    }
}

fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Rows { .. } | Outcome::Done { .. })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::types::SqlType;

    #[test]
    fn a_value_that_does_not_fit_its_type_is_an_error_not_a_broken_stream() {
        let column =
            Column { name: "n".to_owned(), ty: SqlType::Guid, nullable: true, identity: false };
        let rows = vec![vec![Value::Text("no guid".to_owned())]];
        let outcomes = vec![Outcome::Rows { columns: vec![column], rows }];
        let reply = Reply { outcomes, error: None };
        let answer = Answer::of(&reply, Ending::Batch, 0);
        assert!(answer.bytes.contains(&0xAA));
    }
}
