//! An index as data: its key, its WHERE clause, its name and its SQL.
//!
//! Not in here: whether it is a good idea.

use super::{
    proposal,
    schema::{Index, Schema, Table},
};
use std::collections::BTreeSet;

/// What one key position holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A column, by its lower-case name.
    Column(String),
    /// An expression over the table's columns, as SQL.
    Expression(String),
}

/// One position of an index's key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// What it holds.
    pub key: Key,
    /// An explicit collation; `None`: the column's own.
    pub collation: Option<String>,
    /// Descending.
    pub desc: bool,
}

/// The WHERE clause of a partial index: one condition that the workload's query states.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Filter {
    /// The condition, its columns unqualified.
    pub sql: String,
    /// The lower-case column, where it fixes one by `=` or `IS NULL`: no need to index it too.
    pub fixes: Option<String>,
    /// The lower-case column, where it compares one with a literal other than NULL.
    pub picks: Option<String>,
}

/// An index that might be created.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Definition {
    /// Lower-case name of its table.
    pub table: String,
    /// The key, most significant first.
    pub parts: Vec<Part>,
    /// The WHERE clause of a partial index.
    pub filter: Option<Filter>,
}

impl Part {
    /// An ascending column with its own collation.
    pub fn column(name: &str) -> Part {
        Part { key: Key::Column(name.to_lowercase()), collation: None, desc: false }
    }

    /// The lower-case column name, where it is a column.
    pub fn column_name(&self) -> Option<&str> {
        match &self.key {
            Key::Column(name) => Some(name),
            Key::Expression(_) => None,
        }
    }

    fn sql(&self, table: &Table) -> String {
        let mut sql = match &self.key {
            Key::Column(name) => {
                quote(table.column(name).map_or(name.as_str(), |column| &column.name))
            }
            Key::Expression(sql) => format!("({sql})"),
        };
        if let Some(collation) = &self.collation {
            sql.push_str(" COLLATE ");
            sql.push_str(&quote(collation));
        }
        if self.desc {
            sql.push_str(" DESC");
        }
        sql
    }
}

impl Definition {
    /// What stands after `ON`: `lineitem(l_partkey, l_quantity)`, with the WHERE clause.
    pub fn body(&self, schema: &Schema) -> String {
        let fallback = Table::default();
        let table = schema.tables.get(&self.table).unwrap_or(&fallback);
        let parts: Vec<String> = self.parts.iter().map(|part| part.sql(table)).collect();
        let name = if table.name.is_empty() { &self.table } else { &table.name };
        let filter = self.filter.as_ref().map(|filter| format!(" WHERE {}", filter.sql));
        let filter = filter.unwrap_or_default();
        format!("{}({}){filter}", quote(name), parts.join(", "))
    }

    /// The statement that creates it under `name`.
    pub fn create(&self, name: &str, schema: &Schema) -> String {
        format!("CREATE INDEX {} ON {}", quote(name), self.body(schema))
    }

    /// A readable name, unique in the schema and among `taken` (which it joins).
    pub fn name(&self, schema: &Schema, taken: &mut BTreeSet<String>) -> String {
        const LONGEST: usize = 56;
        let mut words = vec!["kz".to_owned(), self.table.clone()];
        for part in &self.parts {
            words.push(match &part.key {
                Key::Column(name) => name.clone(),
                Key::Expression(sql) => sql.clone(),
            });
        }
        if self.filter.is_some() {
            words.push("part".to_owned());
        }
        let mut stem: String = words
            .join("_")
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
            .collect();
        stem.truncate(LONGEST);
        let stem = stem.trim_end_matches('_').to_owned();
        let mut name = stem.clone();
        let mut suffix = 2;
        while taken.contains(&name) || is_taken(schema, &name) {
            name = format!("{stem}_{suffix}");
            suffix += 1;
        }
        taken.insert(name.clone());
        name
    }

    /// Whether what exists already does this index's work: an index with the same leading key, or
    /// the table's own b-tree.
    pub fn exists_in(&self, schema: &Schema) -> bool {
        let Some(table) = schema.tables.get(&self.table) else { return true };
        let first = self.parts.first().and_then(Part::column_name);
        if first.is_some_and(|name| table.is_rowid(name)) {
            return true;
        }
        let own = proposal::normal(&self.create("x", schema));
        table.indexes.iter().any(|index| {
            let same_text = index.sql.as_ref().is_some_and(|sql| proposal::normal(sql) == own);
            let all_rows = self.filter.is_none() && !index.partial;
            same_text || (all_rows && self.begins(index))
        })
    }

    /// Whether this index's key begins with all of `other`'s and both hold the same rows.
    pub fn extends(&self, other: &Definition) -> bool {
        self.table == other.table
            && self.filter == other.filter
            && self.parts.starts_with(&other.parts)
    }

    /// Whether the existing index's key begins with this one's.
    fn begins(&self, index: &Index) -> bool {
        index.keys.len() >= self.parts.len()
            && self.parts.iter().zip(&index.keys).all(|(part, key)| {
                let same_collation =
                    part.collation.as_ref().is_none_or(|name| *name == key.collation);
                part.column_name().is_some()
                    && part.column_name() == key.column.as_deref()
                    && part.desc == key.desc
                    && same_collation
            })
    }
}

fn is_taken(schema: &Schema, name: &str) -> bool {
    schema.has_index(name) || schema.tables.contains_key(name) || schema.views.contains_key(name)
}

/// The identifier as it can stand in SQL: bare where it is a plain word that is no keyword.
pub fn quote(name: &str) -> String {
    let mut chars = name.chars();
    let plain = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain && !is_keyword(name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// The words of SQLite's grammar. Some of them could stand bare; quoting one too many is harmless.
const KEYWORDS: &str = " abort action add after all alter always analyze and as asc attach \
    autoincrement before begin between by cascade case cast check collate column commit conflict \
    constraint create cross current current_date current_time current_timestamp database default \
    deferrable deferred delete desc detach distinct do drop each else end escape except exclude \
    exclusive exists explain fail filter first following for foreign from full generated glob \
    group groups having if ignore immediate in index indexed initially inner insert instead \
    intersect into is isnull join key last left like limit match materialized natural no not \
    nothing notnull null nulls of offset on or order others outer over partition plan pragma \
    preceding primary query raise range recursive references regexp reindex release rename \
    replace restrict returning right rollback row rows savepoint select set table temp temporary \
    then ties to transaction trigger unbounded union unique update using vacuum values view \
    virtual when where window with without ";

fn is_keyword(name: &str) -> bool {
    KEYWORDS.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(name))
}
