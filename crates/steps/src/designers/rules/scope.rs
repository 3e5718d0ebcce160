//! Names in a query: which column of which table reference an identifier means.
//!
//! A scope belongs to one SELECT; an identifier is looked up in it and then outwards. Not in
//! here: what the columns are used for.

use super::schema::Schema;
use sqlparser::ast::{Expr, Ident, Query};
use std::{collections::BTreeMap, rc::Rc};

/// A column of one table reference (`slot` is an index into the walker's uses).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Which use.
    pub slot: usize,
    /// Lower-case column name.
    pub column: String,
}

/// Output columns of a subquery, in order: name, and the base column it passes through, if any.
pub type Outputs = Vec<(String, Option<Target>)>;

/// What a FROM item offers.
#[derive(Debug, Clone)]
pub enum Source {
    /// A base table: its slot and lower-case table name.
    Base(usize, String),
    /// A subquery, CTE or view.
    Derived(Outputs),
    /// Something whose columns are unknown: a table function, a recursive reference.
    Opaque,
}

/// A CTE that is in force: walked anew for each reference, so that each gets slots of its own.
#[derive(Debug, Clone)]
pub struct Cte {
    /// Its body; `None` while its own recursion is walked.
    pub query: Option<Rc<Query>>,
    /// The names in its column list.
    pub columns: Vec<String>,
}

/// The names one SELECT can see.
#[derive(Debug, Default)]
pub struct Scope {
    /// FROM items by lower-case alias, in order.
    pub sources: Vec<(String, Source)>,
    /// Result columns by lower-case alias, for GROUP BY and ORDER BY.
    pub results: BTreeMap<String, Expr>,
}

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// A base column, and how many scopes outwards it was found.
    Column(Target, usize),
    /// A known name with no base column behind it.
    Other(usize),
    /// Not a column that anybody knows.
    Unknown,
}

impl Source {
    fn find(&self, column: &str, schema: &Schema) -> Option<Option<Target>> {
        match self {
            Source::Base(slot, table) => {
                let table = schema.tables.get(table)?;
                let is_rowid = ["rowid", "oid", "_rowid_"].contains(&column);
                if table.column(column).is_none() && !is_rowid {
                    return None;
                }
                Some(Some(Target { slot: *slot, column: column.to_owned() }))
            }
            Source::Derived(outputs) => {
                outputs.iter().find(|(name, _)| name == column).map(|(_, target)| target.clone())
            }
            Source::Opaque => None,
        }
    }
}

/// Resolves an identifier in the innermost scope first (the last of `scopes`).
pub fn resolve(parts: &[Ident], scopes: &[Scope], schema: &Schema) -> Resolved {
    let Some(column) = parts.last().map(|ident| ident.value.to_lowercase()) else {
        return Resolved::Unknown;
    };
    let qualifier = (parts.len() > 1).then(|| parts[parts.len() - 2].value.to_lowercase());
    for (depth, scope) in scopes.iter().rev().enumerate() {
        for (alias, source) in &scope.sources {
            if qualifier.as_ref().is_some_and(|name| name != alias) {
                continue;
            }
            match source.find(&column, schema) {
                Some(Some(target)) => return Resolved::Column(target, depth),
                Some(None) => return Resolved::Other(depth),
                None if qualifier.is_some() => return Resolved::Other(depth),
                None => {}
            }
        }
    }
    Resolved::Unknown
}

/// The identifier's parts, where the expression is nothing but a column name.
pub fn identifier(expr: &Expr) -> Option<&[Ident]> {
    match expr {
        Expr::Identifier(ident) => Some(std::slice::from_ref(ident)),
        Expr::CompoundIdentifier(parts) => Some(parts),
        Expr::Nested(inner) => identifier(inner),
        _ => None,
    }
}
