//! Rules of SQL Server about where a statement stands, which SQLite has not: what sp_executesql and
//! EXEC leave behind, what must begin a batch, how much one statement may carry. A client learns of
//! them only from an error, so the double gives these.

use crate::{
    batch,
    engine::{Engine, Reply, Variables},
    error::SqlError,
    lexer::{self, Token, after_group, by_commas, render},
};

/// Parameters of a call, its statement and their declarations among them.
pub const MOST_PARAMETERS: usize = 2100;

const MOST_ROWS_OF_VALUES: usize = 1000;

impl Engine {
    /// Runs a call of sp_executesql.
    pub fn run_procedure(&mut self, sql: &str, variables: Variables) -> Reply {
        self.run_one(|engine| engine.scoped(sql, variables))
    }

    /// In a scope of its own: temporary tables made in it end with it, and it must leave as many
    /// transactions open as it found.
    pub(crate) fn scoped(&mut self, sql: &str, variables: Variables) -> Result<(), SqlError> {
        let (tables, open) = (self.temporary_tables()?, self.transactions);
        let outer = std::mem::replace(&mut self.variables, variables);
        let result = self.batch(sql);
        self.variables = outer;
        for name in self.temporary_tables()?.iter().filter(|name| !tables.contains(name)) {
            self.db.execute_batch(&format!("DROP TABLE {}", render(&[Token::name(name)])))?;
        }
        result?;
        if self.transactions == open {
            return Ok(());
        }
        let message = format!(
            "Transaction count after EXECUTE indicates a mismatching number of BEGIN and COMMIT \
             statements. Previous count = {open}, current count = {}.",
            self.transactions
        );
        Err(SqlError { state: 2, ..SqlError::new(266, 16, message) })
    }

    fn temporary_tables(&self) -> Result<Vec<String>, SqlError> {
        let find = "SELECT name FROM sqlite_temp_schema WHERE type = 'table'";
        let mut statement = self.db.prepare(find)?;
        let names = statement.query_map([], |row| row.get(0))?;
        Ok(names.collect::<rusqlite::Result<_>>()?)
    }

    pub(crate) fn batch(&mut self, sql: &str) -> Result<(), SqlError> {
        sql.clone_into(&mut self.source);
        for (index, statement) in batch::statements(&lexer::tokens(sql)?)?.iter().enumerate() {
            if let Some(kind) = alone(statement).filter(|_| index > 0) {
                let message =
                    format!("'CREATE {kind}' must be the first statement in a query batch.");
                return Err(SqlError::new(111, 15, message));
            }
            self.at_line(statement)?;
        }
        Ok(())
    }

    pub(crate) fn block(&mut self, tokens: &[Token]) -> Result<(), SqlError> {
        for statement in batch::statements(tokens)? {
            if let Some(kind) = alone(&statement) {
                let message = format!("Incorrect syntax near the keyword '{kind}'.");
                return Err(SqlError::new(156, 15, message));
            }
            self.at_line(&statement)?;
        }
        Ok(())
    }

    fn at_line(&mut self, tokens: &[Token]) -> Result<(), SqlError> {
        let line = tokens[0].line;
        self.statement(tokens).map_err(|error| match error.line {
            0 => SqlError { line, ..error },
            _ => error,
        })
    }
}

/// What a statement creates, if that must begin a batch.
fn alone(statement: &[Token]) -> Option<String> {
    let [first, rest @ ..] = statement else { return None };
    let kind = if rest.first()?.is("OR") { rest.get(2)? } else { rest.first()? };
    let alone = kind.is_any(&["VIEW", "TRIGGER", "SCHEMA", "PROCEDURE", "PROC", "FUNCTION"]);
    (first.is("CREATE") && alone).then(|| kind.as_name().map(str::to_ascii_uppercase))?
}

/// INSERT … VALUES takes a thousand rows.
pub fn check_values(tokens: &[Token]) -> Result<(), SqlError> {
    let values = match tokens.iter().position(|token| token.is("VALUES")) {
        Some(at) if tokens[0].is("INSERT") && is_flat(tokens, at) => &tokens[at + 1..],
        _ => return Ok(()),
    };
    if by_commas(values).len() <= MOST_ROWS_OF_VALUES {
        return Ok(());
    }
    let message = "The number of row value expressions in the INSERT statement exceeds the maximum \
         allowed number of 1000 row values.";
    Err(SqlError::new(10738, 15, message))
}

/// Whether no parenthesis is open before `at`.
fn is_flat(tokens: &[Token], at: usize) -> bool {
    let mut index = 0;
    while index < at {
        if tokens[index].symbol("(") {
            index = after_group(tokens, index).unwrap_or(tokens.len());
        } else {
            index += 1;
        }
    }
    index == at
}
