//! Whether the trail's schema is still as its migrations make it: columns, triggers, and the text
//! of triggers and views. What is expected is read from the migrations themselves.

use super::{rows, schema};
use crate::adapters::mssql::{self, Session};
use std::collections::{BTreeMap, BTreeSet};

/// What the migrations make.
#[derive(Debug, Default, PartialEq, Eq)]
struct Objects {
    /// `events.seq` to `bigint NOT NULL`.
    columns: BTreeMap<String, String>,
    /// Triggers and views by name: their text, white space apart.
    modules: BTreeMap<String, String>,
    triggers: BTreeSet<String>,
}

/// Everything that is not as `scripts` make it, one sentence each.
///
/// # Errors
/// Where the server does not answer.
pub async fn drift(
    session: &mut Session,
    scripts: &[schema::Step],
) -> Result<Vec<String>, mssql::Error> {
    let mut expected = Objects::default();
    schema::batches(schema::PREPARE).for_each(|batch| expected.read(&batch));
    for script in scripts {
        schema::batches(&script.sql).for_each(|batch| expected.read(&batch));
    }
    let mut drifted = Vec::new();
    let found = found_columns(session).await?;
    for (column, definition) in &expected.columns {
        match found.get(column) {
            None => drifted.push(format!("the column kaizen.{column} is gone")),
            Some(found) if found != definition => {
                drifted.push(format!("kaizen.{column} is {found}, not {definition}"));
            }
            Some(_) => {}
        }
    }
    let strange = found.keys().filter(|column| !expected.columns.contains_key(*column));
    drifted.extend(strange.map(|column| format!("kaizen.{column} is no column of Kaizen's")));
    let triggers = session.rows(include_str!("sql/triggers.sql"), &[], |row| {
        let name: &str = rows::needed(row, "trigger_name")?;
        Ok((name.to_lowercase(), rows::needed(row, "disabled")?))
    });
    let triggers: BTreeMap<String, i32> = triggers.await?.into_iter().collect();
    if triggers.is_empty() && !expected.triggers.is_empty() {
        drifted.push(UNSEEN.to_owned());
    }
    for trigger in expected.triggers.iter().filter(|_| !triggers.is_empty()) {
        match triggers.get(trigger) {
            None => drifted.push(format!("the trigger {trigger} is gone")),
            Some(0) => {}
            Some(_) => drifted.push(format!("the trigger {trigger} is disabled")),
        }
    }
    let strange = triggers.keys().filter(|trigger| !expected.triggers.contains(*trigger));
    drifted.extend(strange.map(|trigger| format!("the trigger {trigger} is none of Kaizen's")));
    let modules = session.rows(include_str!("sql/modules.sql"), &[], |row| {
        let definition: Option<&str> = row.try_get("definition")?;
        let name: &str = rows::needed(row, "module_name")?;
        Ok((name.to_lowercase(), definition.map(plain)))
    });
    for (name, definition) in modules.await? {
        // What the server does not show cannot be compared.
        let (Some(expected), Some(definition)) = (expected.modules.get(&name), definition) else {
            continue;
        };
        if *expected != definition {
            drifted.push(format!("the text of {name} is not the migrations'"));
        }
    }
    Ok(drifted)
}

const UNSEEN: &str = "no trigger of the trail is to be seen: they are gone, or this login may not see \
                      them (GRANT VIEW DEFINITION ON SCHEMA::kaizen)";

async fn found_columns(session: &mut Session) -> Result<BTreeMap<String, String>, mssql::Error> {
    let columns = session.rows(include_str!("sql/columns.sql"), &[], |row| {
        let (table, column): (&str, &str) =
            (rows::needed(row, "table_name")?, rows::needed(row, "column_name")?);
        let (kind, nullable): (&str, i32) =
            (rows::needed(row, "type_name")?, rows::needed(row, "nullable")?);
        Ok((format!("{table}.{column}").to_lowercase(), definition(kind, nullable == 0)))
    });
    Ok(columns.await?.into_iter().collect())
}

fn definition(kind: &str, not_null: bool) -> String {
    format!("{} {}", kind.to_lowercase(), if not_null { "NOT NULL" } else { "NULL" })
}

/// From `CREATE` on, each run of white space one blank: what stands before it is a comment.
fn plain(text: &str) -> String {
    let from = text.find("CREATE ").unwrap_or(0);
    let words: Vec<_> = text[from..].split_whitespace().collect();
    words.join(" ").trim_end_matches(';').to_owned()
}

impl Objects {
    /// Takes up what a batch makes. It knows how our own migrations are laid out, no more.
    fn read(&mut self, batch: &str) {
        let mut table = None;
        for line in batch.lines() {
            let trimmed = line.trim();
            if let Some(rest) = trimmed.strip_prefix("CREATE TABLE kaizen.") {
                table = rest.split_whitespace().next();
            } else if trimmed.starts_with(");") {
                table = None;
            } else if let Some(table) = table {
                self.column(table, trimmed);
            }
        }
        for (kind, is_trigger) in [("CREATE TRIGGER ", true), ("CREATE VIEW ", false)] {
            let Some(at) = batch.find(kind) else { continue };
            let name = batch[at + kind.len()..].split_whitespace().next().unwrap_or_default();
            let name = name.rsplit('.').next().unwrap_or(name).to_lowercase();
            self.modules.insert(name.clone(), plain(batch));
            if is_trigger {
                self.triggers.insert(name);
            }
        }
    }

    fn column(&mut self, table: &str, line: &str) {
        let mut words = line.split_whitespace();
        let (Some(name), Some(kind)) = (words.next(), words.next()) else { return };
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            return;
        }
        let kind = kind.split('(').next().unwrap_or(kind);
        let definition = definition(kind, line.contains(" NOT NULL"));
        self.columns.insert(format!("{table}.{name}"), definition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_expected_is_what_the_migrations_make() {
        let mut objects = Objects::default();
        let first = include_str!("../../../../sql/server/migrations/V1__trail.sql");
        for script in [include_str!("sql/prepare.sql"), first] {
            schema::batches(script).for_each(|batch| objects.read(&batch));
        }
        let column = |name: &str| objects.columns.get(name).map(String::as_str);
        assert_eq!(column("events.seq"), Some("bigint NOT NULL"));
        assert_eq!(column("history.performance_delta"), Some("decimal NULL"));
        assert_eq!(column("events.received_at"), Some("datetime2 NOT NULL"));
        assert_eq!(column("schema_history.checksum"), Some("nvarchar NOT NULL"));
        assert_eq!(objects.columns.len(), 2 + 5 + 13 + 4 + 25 + 4, "{:?}", objects.columns);
        assert_eq!(objects.triggers.len(), 6);
        assert_eq!(objects.modules.len(), 8);
    }
}
