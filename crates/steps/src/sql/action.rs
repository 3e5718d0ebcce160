//! The actions that a statement can be, with the kind and the least risk of each.
//!
//! Deliberately not here: recognising them (`statement`).

use crate::payload::{Kind, Risk};
use std::fmt;

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Analyze,
    CreateIndex,
    CreateUniqueIndex,
    DropIndex,
    CreateView,
    DropView,
    CreateTrigger,
    DropTrigger,
    CreateTable,
    /// It may not create anything, so that dropping it is no undoing.
    CreateTableIfNotExists,
    AddColumn,
    DropColumn,
    DropTable,
    RenameTable,
    RenameColumn,
    Insert,
    Update,
    Delete,
    Unknown,
}

impl Action {
    pub fn kind(self) -> Kind {
        match self {
            Action::Analyze => Kind::Statistics,
            Action::CreateIndex | Action::CreateUniqueIndex => Kind::Index,
            Action::DropIndex => Kind::DropIndex,
            Action::CreateView | Action::DropView => Kind::View,
            Action::CreateTrigger | Action::DropTrigger => Kind::Trigger,
            Action::CreateTable
            | Action::CreateTableIfNotExists
            | Action::AddColumn
            | Action::DropColumn
            | Action::DropTable
            | Action::RenameTable
            | Action::RenameColumn => Kind::Schema,
            Action::Insert | Action::Update | Action::Delete => Kind::Data,
            Action::Unknown => Kind::Unclassified,
        }
    }

    pub fn risk(self) -> Risk {
        match self {
            Action::Analyze | Action::CreateIndex => Risk::Low,
            Action::CreateUniqueIndex
            | Action::DropIndex
            | Action::CreateView
            | Action::DropView
            | Action::CreateTable
            | Action::CreateTableIfNotExists
            | Action::AddColumn => Risk::Medium,
            Action::CreateTrigger
            | Action::DropTrigger
            | Action::RenameTable
            | Action::RenameColumn
            | Action::Insert
            | Action::Update
            | Action::Delete => Risk::High,
            Action::DropColumn | Action::DropTable | Action::Unknown => Risk::Critical,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Analyze => "ANALYZE",
            Action::CreateIndex => "CREATE INDEX",
            Action::CreateUniqueIndex => "CREATE UNIQUE INDEX",
            Action::DropIndex => "DROP INDEX",
            Action::CreateView => "CREATE VIEW",
            Action::DropView => "DROP VIEW",
            Action::CreateTrigger => "CREATE TRIGGER",
            Action::DropTrigger => "DROP TRIGGER",
            Action::CreateTable | Action::CreateTableIfNotExists => "CREATE TABLE",
            Action::AddColumn => "ALTER TABLE … ADD COLUMN",
            Action::DropColumn => "ALTER TABLE … DROP COLUMN",
            Action::DropTable => "DROP TABLE",
            Action::RenameTable => "ALTER TABLE … RENAME TO",
            Action::RenameColumn => "ALTER TABLE … RENAME COLUMN",
            Action::Insert => "INSERT",
            Action::Update => "UPDATE",
            Action::Delete => "DELETE",
            Action::Unknown => "a statement that could not be parsed",
        })
    }
}
