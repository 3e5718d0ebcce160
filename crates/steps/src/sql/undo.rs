//! The down script that follows from an up script, where it follows without guessing.

use super::{action::Action, split::Statement, statement::read};

/// The statements that take `up` back, last first; `original(index)` is the SQL that an existing
/// index was made with. `None`: some statement cannot be taken back by rule.
pub fn undo(up: &[Statement], original: impl Fn(&str) -> Option<String>) -> Option<Vec<String>> {
    let undone = up.iter().rev().map(|statement| {
        let understood = read(statement).ok()?;
        let name = format!("\"{}\"", understood.object.replace('"', "\"\""));
        match understood.action {
            Action::CreateIndex | Action::CreateUniqueIndex => Some(format!("DROP INDEX {name}")),
            Action::CreateView => Some(format!("DROP VIEW {name}")),
            Action::CreateTrigger => Some(format!("DROP TRIGGER {name}")),
            Action::CreateTable => Some(format!("DROP TABLE {name}")),
            Action::DropIndex => original(&understood.object),
            Action::Analyze
            | Action::DropView
            | Action::DropTrigger
            | Action::CreateTableIfNotExists
            | Action::AddColumn
            | Action::DropColumn
            | Action::DropTable
            | Action::RenameTable
            | Action::RenameColumn
            | Action::Insert
            | Action::Update
            | Action::Delete
            | Action::Unknown => None,
        }
    });
    undone.collect()
}

/// What a script's statements make and take away, by name (lower case), in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objects {
    /// Indexes, tables, views and triggers created.
    pub created: Vec<String>,
    /// Tables dropped, with their rows.
    pub dropped_tables: Vec<String>,
    /// Columns dropped: table and column.
    pub dropped_columns: Vec<(String, String)>,
}

/// The objects that a script is about. What cannot be read is left out: nobody claims anything
/// about it.
pub fn objects(statements: &[String]) -> Objects {
    let mut found = Objects::default();
    let split = statements.iter().filter_map(|text| super::split(text).ok()).flatten();
    for understood in split.filter_map(|statement| read(&statement).ok()) {
        let object = understood.object;
        match understood.action {
            Action::CreateIndex
            | Action::CreateUniqueIndex
            | Action::CreateView
            | Action::CreateTrigger
            | Action::CreateTable => found.created.push(object),
            Action::DropTable => found.dropped_tables.push(object),
            Action::DropColumn => {
                found.dropped_columns.push((object, understood.column.unwrap_or_default()));
            }
            Action::Analyze
            | Action::DropIndex
            | Action::DropView
            | Action::DropTrigger
            | Action::CreateTableIfNotExists
            | Action::AddColumn
            | Action::RenameTable
            | Action::RenameColumn
            | Action::Insert
            | Action::Update
            | Action::Delete
            | Action::Unknown => {}
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{super::split, objects, undo};

    #[test]
    fn the_objects_of_a_script_are_named() {
        let up = ["CREATE TABLE T (a)", "CREATE INDEX i ON T (a)"].map(str::to_owned);
        assert_eq!(objects(&up).created, ["t", "i"]);
        let down = ["DROP INDEX i", "DROP TABLE T"].map(str::to_owned);
        assert_eq!(objects(&down).dropped_tables, ["t"]);
    }

    #[test]
    fn what_is_created_is_dropped_and_what_is_dropped_is_made_again() {
        let up = split("CREATE INDEX a ON t (x); DROP INDEX B;").unwrap();
        let down = undo(&up, |name| (name == "b").then(|| "CREATE INDEX B ON t (y)".to_owned()));
        assert_eq!(down.unwrap(), ["CREATE INDEX B ON t (y)", "DROP INDEX \"a\""]);
    }

    #[test]
    fn rows_and_columns_are_not_guessed_back() {
        for up in ["DELETE FROM t", "ALTER TABLE t DROP COLUMN c", "DROP TABLE t"] {
            assert_eq!(undo(&split(up).unwrap(), |_| None), None, "{up}");
        }
    }
}
