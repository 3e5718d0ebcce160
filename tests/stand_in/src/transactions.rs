//! Transactions, whether by statement or by the transaction manager. They are serial: BEGIN takes the
//! database's only lock for writing, so that none fails halfway because another wrote in between.

use crate::{
    engine::{Engine, Outcome},
    error::SqlError,
    lexer::{Token, render},
};

impl Engine {
    pub fn begin(&mut self, name: Option<&str>) -> Result<(), SqlError> {
        if self.transactions == 0 {
            self.transaction_name = name.map(str::to_owned);
            self.waiting(|| self.db.execute_batch("BEGIN IMMEDIATE"))?;
            self.outcomes.push(Outcome::Began);
        }
        self.transactions += 1;
        self.done(0xD4, None)
    }

    pub fn commit(&mut self) -> Result<(), SqlError> {
        match self.transactions {
            0 => {
                let message =
                    "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.";
                return Err(SqlError::new(3902, 16, message));
            }
            1 => {
                self.waiting(|| self.db.execute_batch("COMMIT"))?;
                self.outcomes.push(Outcome::Committed);
            }
            _ => {}
        }
        self.transactions -= 1;
        self.done(0xD5, None)
    }

    /// All of it, or to a savepoint; the name of the outermost transaction means all of it.
    pub fn rollback(&mut self, name: Option<&str>) -> Result<(), SqlError> {
        if self.transactions == 0 {
            let message =
                "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.";
            return Err(SqlError::new(3903, 16, message));
        }
        let savepoint = name.filter(|_| self.transaction_name.as_deref() != name);
        if let Some(name) = savepoint {
            let name = render(&[Token::name(name)]);
            self.db.execute_batch(&format!("ROLLBACK TO {name}"))?;
        } else {
            self.undo();
            self.transactions = 0;
            self.outcomes.push(Outcome::RolledBack);
        }
        self.done(0xD2, None)
    }

    pub fn savepoint(&mut self, name: &str) -> Result<(), SqlError> {
        self.db.execute_batch(&format!("SAVEPOINT {}", render(&[Token::name(name)])))?;
        self.done(0xD6, None)
    }
}
