//! How a query uses each base table: what it compares, orders, groups and reads.
//!
//! [`uses`] walks the whole statement, subqueries, CTEs, derived tables and views included, and
//! gives one [`Use`] per reference to a base table. Not in here: which indexes follow from that
//! ([`super::candidates`]), and any judgement of selectivity; measuring does that.

use super::{
    definition::{Filter, Part},
    schema::Schema,
    walk::Walker,
};
use sqlparser::{ast::Statement, dialect::SQLiteDialect, parser::Parser};
use std::collections::BTreeSet;

/// One reference to a base table in one query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Use {
    /// Lower-case name of the table.
    pub table: String,
    /// Comparisons that must all hold.
    pub terms: Vec<Term>,
    /// Comparisons of the branches of an OR: each inner list holds for one branch.
    pub branches: Vec<Vec<Term>>,
    /// Orders in which the rows would be welcome: ORDER BY, GROUP BY, DISTINCT, windows.
    pub orders: Vec<Vec<Part>>,
    /// Conditions on this table alone, with literals only, that a partial index could state.
    pub filters: BTreeSet<Filter>,
    /// Lower-case names of every column that is read.
    pub columns: BTreeSet<String>,
}

/// One comparison that an index could serve.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term {
    /// What is compared; ascending.
    pub part: Part,
    /// How.
    pub op: Op,
    /// With what.
    pub with: With,
}

/// How a column is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// `=`, `IS`, `IN`, `IS NULL`: an index can seek, and go on with its next column.
    Equal,
    /// `<`, `BETWEEN`, a LIKE prefix, `IS NOT NULL`: an index can seek, but no further.
    Range,
}

/// What a column is compared with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum With {
    /// Literals or parameters.
    Constant,
    /// Columns of other tables of the same FROM clause: the indexes of their uses.
    Join(BTreeSet<usize>),
    /// Columns of an enclosing query, or the result of a subquery.
    Outer,
}

/// Why a query could not be taken apart.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The parser does not know its syntax.
    #[error("not understood: {0}")]
    Syntax(#[from] sqlparser::parser::ParserError),
    /// It is no single query.
    #[error("not a single SELECT")]
    NotAQuery,
}

/// How `sql` uses the tables of `schema`.
///
/// # Errors
/// Where the statement cannot be parsed or is no query.
pub fn uses(sql: &str, schema: &Schema) -> Result<Vec<Use>, Unreadable> {
    let statements = Parser::parse_sql(&SQLiteDialect {}, sql)?;
    let [Statement::Query(query)] = statements.as_slice() else {
        return Err(Unreadable::NotAQuery);
    };
    Ok(Walker::new(schema).walk(query))
}

impl Use {
    /// Whether the named column is compared by equality with a constant.
    pub fn is_fixed(&self, part: &Part) -> bool {
        self.terms.iter().any(|term| {
            term.op == Op::Equal && term.with == With::Constant && term.part.key == part.key
        })
    }
}
