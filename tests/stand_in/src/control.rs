//! What a statement does, by its first word: blocks, conditions, variables, definitions. Queries and
//! changes are `engine`'s, transactions `transactions`'.

use crate::{
    batch,
    bulk::Bulk,
    catalogue,
    engine::{Engine, Outcome, Variables},
    error::SqlError,
    fault::pause,
    lexer::{Kind, Token, after_group, by_commas, render},
    modules,
    permissions::Access,
    results,
    syntax::{parts, sql_type},
    tables,
};
use rusqlite::types::Value;
use std::time::Duration;

/// `RESUMABLE = ON` among the options of an index.
fn is_resumable(tokens: &[Token]) -> bool {
    tokens.windows(3).any(|words| words[0].is("RESUMABLE") && words[2].is("ON"))
}

impl Engine {
    pub(crate) fn statement(&mut self, tokens: &[Token]) -> Result<(), SqlError> {
        let second = tokens.get(1);
        let second_is = |words: &[&str]| second.is_some_and(|token| token.is_any(words));
        let word = tokens[0].as_name().unwrap_or_default().to_ascii_uppercase();
        match word.as_str() {
            "INSERT" if second_is(&["BULK"]) => self.begin_bulk(tokens),
            "SELECT" | "WITH" | "VALUES" | "INSERT" | "UPDATE" | "DELETE" | "" => {
                self.query(tokens)
            }
            "BEGIN" if second_is(&["TRAN", "TRANSACTION"]) => {
                self.begin(tokens.get(2).and_then(Token::as_name))
            }
            "BEGIN" => {
                let end = batch::after_end(tokens, 0)?;
                self.block(&tokens[1..end - 1])
            }
            "COMMIT" => self.commit(),
            "ROLLBACK" => self.rollback(tokens.get(2).and_then(Token::as_name)),
            "SAVE" => self.savepoint(tokens.get(2).and_then(Token::as_name).unwrap_or("save")),
            "IF" => self.conditional(tokens),
            "EXEC" | "EXECUTE" => self.execute(&tokens[1..]),
            "DECLARE" => self.declare(&tokens[1..]),
            "SET" if second.is_some_and(|t| matches!(t.kind, Kind::Variable(_))) => {
                self.assign(&tokens[1], tokens.get(3..).unwrap_or_default())
            }
            "CREATE" | "DROP" | "ALTER"
                if second_is(&["LOGIN", "USER", "ROLE", "DATABASE", "SERVER"]) =>
            {
                self.principal(tokens)
            }
            "CREATE" | "DROP" | "ALTER" | "ENABLE" | "DISABLE" => self.define(tokens),
            "GRANT" | "DENY" | "REVOKE" => self.grant(tokens),
            "TRUNCATE" => self.truncate(tokens.get(2..).unwrap_or_default()),
            "THROW" => Err(modules::thrown(tokens)?),
            "RAISERROR" => Err(SqlError::new(50000, 16, modules::executed(&tokens[1..])?)),
            "USE" => {
                self.database = second.and_then(Token::as_name).unwrap_or("kaizen").to_owned();
                self.outcomes.push(Outcome::Database(self.database.clone()));
                Ok(())
            }
            "WAITFOR" => self.wait_for(tokens.get(2).and_then(Token::as_text).unwrap_or("0")),
            "SET" if second_is(&["LOCK_TIMEOUT"]) => {
                let Some(Kind::Number(digits)) = tokens.get(2).map(|token| &token.kind) else {
                    return self.done(0xF9, None);
                };
                self.lock_timeout = Duration::from_millis(digits.parse().unwrap_or(0));
                self.done(0xF9, None)
            }
            // Taken, and without any effect here.
            "SET" | "PRINT" => self.done(0xF9, None),
            _ => Err(SqlError::syntax(&render(&tokens[..1]))),
        }
    }

    fn conditional(&mut self, tokens: &[Token]) -> Result<(), SqlError> {
        let body = batch::condition_end(tokens, 1)?;
        let end = batch::skip_body(tokens, body)?;
        let test = self.scalar(&[
            &[Token::raw("CASE WHEN")],
            &tokens[1..body],
            &[Token::raw("THEN 1 ELSE 0 END")],
        ])?;
        if test == Value::Integer(1) {
            return self.block(&tokens[body..end]);
        }
        let rest = &tokens[end..];
        match rest.iter().position(|token| token.is("ELSE")) {
            Some(at) => self.block(&rest[at + 1..]),
            None => Ok(()),
        }
    }

    /// The value of an expression.
    fn scalar(&self, expression: &[&[Token]]) -> Result<Value, SqlError> {
        let tokens = expression.concat();
        let sql = self.translated(|translator| Ok(render(&translator.level(&tokens)?)))?;
        let sql = format!("SELECT {sql}");
        let found = self.waiting(|| results::run(&self.db, &sql, &self.variables))?;
        let value = found.rows.and_then(|(_, rows)| rows.into_iter().flatten().next());
        Ok(value.unwrap_or(Value::Null))
    }

    fn execute(&mut self, tokens: &[Token]) -> Result<(), SqlError> {
        // `EXEC @result = procedure …`
        let tokens = match tokens.iter().position(|token| token.symbol("=")) {
            Some(1) => &tokens[2..],
            _ => tokens,
        };
        let name = tokens.first().and_then(Token::as_name).unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "" | "sp_executesql" => {
                let sql = modules::executed(tokens)?;
                self.scoped(&sql, Variables::new())
            }
            // Transactions come one after the other anyway.
            "sp_getapplock" | "sp_releaseapplock" => self.done(0xE0, None),
            _ => Err(SqlError::new(2812, 16, format!("Could not find stored procedure '{name}'."))),
        }
    }

    fn declare(&mut self, tokens: &[Token]) -> Result<(), SqlError> {
        for part in by_commas(tokens) {
            let skip = if part.get(1).is_some_and(|token| token.is("AS")) { 2 } else { 1 };
            let (ty, used) = sql_type(part.get(skip..).unwrap_or_default())?;
            if let Kind::Variable(name) = &part[0].kind {
                self.variables.insert(name.clone(), (ty, Value::Null));
            }
            if part.len() > skip + used + 1 {
                self.assign(&part[0], &part[skip + used + 1..])?;
            }
        }
        Ok(())
    }

    fn assign(&mut self, variable: &Token, expression: &[Token]) -> Result<(), SqlError> {
        let value = self.scalar(&[expression])?;
        let Kind::Variable(name) = &variable.kind else { return Ok(()) };
        let declared = self.variables.get_mut(name).ok_or_else(|| SqlError::undeclared(name))?;
        declared.1 = crate::cast::cast(&value, declared.0)?;
        Ok(())
    }

    fn define(&mut self, tokens: &[Token]) -> Result<(), SqlError> {
        let create = tokens[0].is("CREATE");
        let alters_module = tokens[0].is("ALTER")
            && tokens.get(1).is_some_and(|token| token.is_any(&["VIEW", "TRIGGER"]));
        let replace = tokens.get(1).is_some_and(|token| token.is("OR")) || alters_module;
        let at = if tokens.get(1).is_some_and(|token| token.is("OR")) { 3 } else { 1 };
        let kind = tokens.get(at).and_then(Token::as_name).unwrap_or_default().to_ascii_uppercase();
        let rest = tokens.get(at + 1..).unwrap_or_default();
        if kind == "INDEX" && tokens[0].is("ALTER") {
            return self.alter_index(rest);
        }
        if create && self.transactions > 0 && is_resumable(tokens) {
            let message = "CREATE INDEX with RESUMABLE=ON cannot be used in a user transaction.";
            return Err(SqlError::new(574, 16, message));
        }
        let exists = |name: &str| {
            let find = "SELECT 1 FROM \"~objects\" WHERE whole = ?1 \
                 UNION ALL SELECT 1 FROM sqlite_temp_schema WHERE name = ?1 COLLATE NOCASE";
            self.db.prepare(find).and_then(|mut s| s.exists([name])).unwrap_or(false)
        };
        let (sql, named) = self.translated(|translator| {
            let sql = match kind.as_str() {
                "SCHEMA" if create => modules::create_schema(rest)?,
                "TABLE" if create => tables::create_table(rest, translator)?,
                "VIEW" if create || alters_module => {
                    modules::create_view(rest, replace, &self.source, translator)?
                }
                "TRIGGER" if create || alters_module => {
                    modules::create_trigger(rest, replace, &self.source, translator)?
                }
                "TRIGGER" if tokens[0].is_any(&["ENABLE", "DISABLE"]) => {
                    modules::switch_triggers(tokens, translator)?
                }
                "INDEX" | "UNIQUE" | "CLUSTERED" | "NONCLUSTERED" if create => {
                    modules::create_index(&tokens[1..], translator)?
                }
                "TABLE" if tokens[0].is("ALTER") => modules::alter_table(rest, translator)?,
                _ if tokens[0].is("DROP") => modules::drop(tokens, translator, &exists)?,
                other => return Err(SqlError::unsupported(format!("CREATE {other}"))),
            };
            Ok((sql, translator.tables.first().cloned()))
        })?;
        if let Some(table) = named.or_else(|| (kind == "SCHEMA").then(|| "dbo.schema".to_owned())) {
            if create {
                self.permissions.check_create(&self.user, &kind, &table)?;
            } else {
                self.permissions.check(&self.user, Access::Alter, &table)?;
            }
        }
        self.together(&sql)?;
        self.done(0xC6, None)
    }

    /// Ends a paused build, or goes on with it.
    fn alter_index(&mut self, tokens: &[Token]) -> Result<(), SqlError> {
        let paused = |table: &str, name: &str| -> Option<String> {
            let find = "SELECT r.statement FROM \"sys.index_resumable_operations\" AS r \
                 INNER JOIN \"~objects\" AS o ON o.object_id = r.object_id \
                 WHERE o.whole = ?1 AND r.name = ?2 COLLATE NOCASE";
            self.db.query_row(find, [table, name], |row| row.get(0)).ok()
        };
        let (statement, sql) =
            self.translated(|translator| modules::alter_index(tokens, translator, &paused))?;
        self.together(&sql)?;
        if statement.is_empty() { self.done(0xC6, None) } else { self.batch(&statement) }
    }

    /// Several statements of SQLite, all or none.
    fn together(&self, sql: &[String]) -> Result<(), SqlError> {
        self.waiting(|| {
            self.db.execute_batch("SAVEPOINT together")?;
            let result = sql.iter().try_for_each(|sql| self.db.execute_batch(sql));
            if result.is_err() {
                self.db.execute_batch("ROLLBACK TO together").ok();
            }
            self.db.execute_batch("RELEASE together")?;
            result
        })
    }

    fn truncate(&mut self, tokens: &[Token]) -> Result<(), SqlError> {
        let (names, _) = parts(tokens, 0);
        let table = self.translated(|translator| Ok(translator.table(&names)))?;
        let whole = table.as_name().unwrap_or_default();
        self.permissions.check(&self.user, Access::Alter, whole)?;
        let referenced = "SELECT 1 FROM sqlite_schema AS m, pragma_foreign_key_list(m.name) AS f \
             WHERE f.\"table\" = ?1 COLLATE NOCASE";
        if self.db.prepare(referenced)?.exists([whole])? {
            let message = format!(
                "Cannot truncate table '{whole}' because it is being referenced by a FOREIGN KEY \
                 constraint."
            );
            return Err(SqlError::new(4712, 16, message));
        }
        // No trigger fires for TRUNCATE: they are off for its length, whatever they were.
        let switch = |by: &str| {
            format!(
                "UPDATE \"~objects\" SET is_disabled = is_disabled {by} WHERE type = 'TR' AND \
                 parent_object_id = (SELECT object_id FROM \"~objects\" WHERE whole = {})",
                catalogue::text(whole)
            )
        };
        let delete = format!("DELETE FROM {}", render(std::slice::from_ref(&table)));
        self.together(&[switch("+ 2"), delete, switch("- 2")])?;
        self.done(0xC4, None)
    }

    fn wait_for(&mut self, clock: &str) -> Result<(), SqlError> {
        let parts = clock.split(':').map(|part| part.parse::<f64>().unwrap_or(0.0));
        let seconds = parts.fold(0.0, |sum, part| sum * 60.0 + part);
        pause(Duration::from_secs_f64(seconds), &self.stopping);
        self.done(0xF9, None)
    }

    fn begin_bulk(&mut self, tokens: &[Token]) -> Result<(), SqlError> {
        let after = tokens.iter().position(|token| token.symbol("("));
        let open = after.ok_or_else(|| SqlError::syntax("INSERT BULK"))?;
        let (names, _) = parts(tokens, 2);
        let table = self.translated(|translator| Ok(translator.table(&names)))?;
        let table = table.as_name().unwrap_or_default().to_owned();
        self.permissions.check(&self.user, Access::Insert, &table)?;
        let end = after_group(tokens, open)?;
        let mut columns = Vec::new();
        for column in by_commas(&tokens[open + 1..end - 1]) {
            let name = column.first().and_then(Token::as_name).unwrap_or_default().to_owned();
            columns.push((name, sql_type(&column[1..])?.0));
        }
        self.bulk = Some(Bulk { table, columns });
        self.done(0xF0, None)
    }
}
