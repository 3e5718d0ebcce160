//! What an expression mentions at its own level: column names, and subqueries left closed.
//!
//! sqlparser's visitor goes everywhere; this one stops at subqueries, which have a scope of their
//! own.

use sqlparser::ast::{
    Expr, Function, FunctionArguments, Ident, ObjectNamePart, OrderBySort, Query, Value, Visit,
    VisitMut, Visitor, VisitorMut, WindowType,
};
use std::ops::ControlFlow;

/// Names, subqueries and function calls at an expression's own level.
#[derive(Debug, Default)]
pub struct Shallow {
    /// Each column name, as its parts.
    pub names: Vec<Vec<Ident>>,
    /// Each subquery, unopened, and whether only the existence of its rows matters.
    pub queries: Vec<(Query, bool)>,
    /// Each function called.
    pub functions: Vec<Function>,
    /// Whether there is a parameter (`?`, `:name`).
    pub has_parameter: bool,
    depth: usize,
    exists: bool,
}

/// Looks at `node` without opening its subqueries.
pub fn look<N: Visit>(node: &N) -> Shallow {
    let mut seen = Shallow::default();
    let _ = node.visit(&mut seen);
    seen
}

impl Visitor for Shallow {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if self.depth == 0 {
            let exists = std::mem::take(&mut self.exists);
            self.queries.push((query.clone(), exists));
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if self.depth == 0 {
            match expr {
                Expr::Identifier(ident) => self.names.push(vec![ident.clone()]),
                Expr::CompoundIdentifier(parts) => self.names.push(parts.clone()),
                Expr::Function(function) => self.functions.push(function.clone()),
                Expr::Exists { .. } => self.exists = true,
                Expr::Value(value) => {
                    self.has_parameter |= matches!(value.value, Value::Placeholder(_));
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }
}

impl Shallow {
    /// Whether the expression could stand in an index: it calls only functions that always answer
    /// alike and never fail on a value that a row may hold. (Dates may be `'now'`, JSON may be
    /// malformed: an index on those can make a later INSERT fail.)
    pub fn is_indexable(&self) -> bool {
        const SAFE: [&str; 17] = [
            "lower",
            "upper",
            "length",
            "substr",
            "substring",
            "trim",
            "ltrim",
            "rtrim",
            "ifnull",
            "coalesce",
            "nullif",
            "instr",
            "replace",
            "round",
            "unicode",
            "hex",
            "typeof",
        ];
        self.queries.is_empty()
            && self.functions.iter().all(|function| {
                let plain = function.over.is_none() && function.filter.is_none();
                plain && SAFE.contains(&name(function).as_str())
            })
    }
}

/// A function's lower-case name.
pub fn name(function: &Function) -> String {
    match function.name.0.as_slice() {
        [ObjectNamePart::Identifier(ident)] => ident.value.to_lowercase(),
        _ => String::new(),
    }
}

/// The expressions by which a window is partitioned and ordered.
pub fn window_keys(function: &Function) -> Vec<(Expr, bool)> {
    let Some(WindowType::WindowSpec(spec)) = &function.over else { return Vec::new() };
    let partition = spec.partition_by.iter().map(|expr| (expr.clone(), false));
    let order = spec
        .order_by
        .iter()
        .map(|item| (item.expr.clone(), item.options.sort == Some(OrderBySort::Desc)));
    partition.chain(order).collect()
}

/// Whether the call is of the form `count(DISTINCT x)`.
pub fn is_distinct(function: &Function) -> bool {
    use sqlparser::ast::DuplicateTreatment;
    let FunctionArguments::List(list) = &function.args else { return false };
    list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
}

/// The sole plain argument of a function call.
pub fn sole_argument(function: &Function) -> Option<&Expr> {
    use sqlparser::ast::{FunctionArg, FunctionArgExpr};
    let FunctionArguments::List(list) = &function.args else { return None };
    match list.args.as_slice() {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))] => Some(expr),
        _ => None,
    }
}

struct Unqualify;

impl VisitorMut for Unqualify {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let last = match expr {
            Expr::CompoundIdentifier(parts) => parts.last().cloned(),
            Expr::Identifier(ident) => Some(ident.clone()),
            _ => None,
        };
        if let Some(ident) = last {
            *expr = Expr::Identifier(Ident::new(super::definition::quote(&ident.value)));
        }
        ControlFlow::Continue(())
    }
}

/// The expression as SQL with its columns unqualified, as CREATE INDEX wants them.
pub fn unqualified(expr: &Expr) -> String {
    let mut expr = expr.clone();
    let _ = VisitMut::visit(&mut expr, &mut Unqualify);
    expr.to_string()
}
