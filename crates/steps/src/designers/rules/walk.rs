//! The walk over a query: FROM items become slots, conditions become terms, orderings are noted.
//!
//! Every subquery is walked with the scopes around it, so that `l_partkey = p_partkey` inside a
//! correlated subquery is a seek on the inner table by a value from outside. Not in here: taking
//! a single condition apart ([`super::terms`]).

use super::{
    predicates::Use,
    schema::Schema,
    scope::{Cte, Outputs, Resolved, Scope, Source, Target, identifier, resolve},
    shallow,
};
use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, Ident, ObjectName, OrderByExpr, OrderByKind, OrderBySort, Query,
    Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Visit,
};
use std::rc::Rc;

/// Walks one statement.
pub struct Walker<'a> {
    pub(super) schema: &'a Schema,
    pub(super) uses: Vec<Use>,
    pub(super) scopes: Vec<Scope>,
    pub(super) ctes: Vec<(String, Cte)>,
}

impl<'a> Walker<'a> {
    /// Starts with nothing seen.
    pub fn new(schema: &'a Schema) -> Walker<'a> {
        Walker { schema, uses: Vec::new(), scopes: Vec::new(), ctes: Vec::new() }
    }

    /// One use per reference to a base table.
    pub fn walk(mut self, query: &Query) -> Vec<Use> {
        self.query(query, false);
        self.uses
    }

    pub(super) fn query(&mut self, query: &Query, exists: bool) -> Outputs {
        let outer = self.ctes.len();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let columns = cte.alias.columns.iter().map(|column| lower(&column.name)).collect();
            let body = Some(Rc::new((*cte.query).clone()));
            self.ctes.push((lower(&cte.alias.name), Cte { query: body, columns }));
        }
        let order = match query.order_by.as_ref().map(|order| &order.kind) {
            Some(OrderByKind::Expressions(items)) => items.as_slice(),
            Some(OrderByKind::All(_)) | None => &[],
        };
        let outputs = self.body(&query.body, order, exists);
        self.ctes.truncate(outer);
        outputs
    }

    fn body(&mut self, body: &SetExpr, order: &[OrderByExpr], exists: bool) -> Outputs {
        match body {
            SetExpr::Select(select) => self.select(select, order, exists),
            SetExpr::Query(query) => self.query(query, exists),
            SetExpr::SetOperation { left, right, .. } => {
                let outputs = self.body(left, order, false);
                self.body(right, order, false);
                outputs
            }
            SetExpr::Values(values) => {
                self.read(values);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn select(&mut self, select: &Select, order: &[OrderByExpr], exists: bool) -> Outputs {
        self.scopes.push(Scope::default());
        let mut conditions = Vec::new();
        for item in &select.from {
            self.joined(item, &mut conditions);
        }
        for item in &select.projection {
            if let SelectItem::ExprWithAlias { expr, alias } = item {
                self.scope().results.insert(lower(alias), expr.clone());
            }
        }
        conditions.extend(select.selection.clone());
        for condition in &conditions {
            self.read(condition);
            self.conjunct(condition);
        }
        for item in order {
            self.read(&item.expr);
        }
        let outputs = self.outputs(&select.projection, exists);
        self.orderings(select, order, &outputs);
        self.scopes.pop();
        outputs
    }

    fn orderings(&mut self, select: &Select, order: &[OrderByExpr], outputs: &Outputs) {
        let mut groups = Vec::new();
        if let GroupByExpr::Expressions(exprs, _) = &select.group_by {
            self.read(exprs);
            groups = exprs.iter().map(|expr| (self.result(expr, select, false), false)).collect();
        }
        self.read(&select.having);
        self.order_by(&groups);
        let items: Vec<(Expr, bool)> = order
            .iter()
            .map(|item| {
                let desc = item.options.sort == Some(OrderBySort::Desc);
                (self.result(&item.expr, select, true), desc)
            })
            .collect();
        self.order_by(&items);
        if matches!(select.distinct, Some(Distinct::Distinct)) {
            let names = outputs.iter().filter_map(|(_, target)| target.clone()).collect();
            self.order_of(names);
        }
    }

    /// What a GROUP BY or ORDER BY term means: a result column by position or alias, or itself.
    fn result(&mut self, expr: &Expr, select: &Select, alias_first: bool) -> Expr {
        if let Ok(position) = expr.to_string().parse::<usize>() {
            let item = position.checked_sub(1).and_then(|index| select.projection.get(index));
            if let Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) =
                item
            {
                return expr.clone();
            }
        }
        if let Some([ident]) = identifier(expr) {
            let known = resolve(std::slice::from_ref(ident), &self.scopes, self.schema);
            if (alias_first || known == Resolved::Unknown)
                && let Some(result) = self.scope().results.get(&lower(ident))
            {
                return result.clone();
            }
        }
        expr.clone()
    }

    /// Notes every column that `node` reads, and walks its subqueries.
    pub(super) fn read<N: Visit>(&mut self, node: &N) {
        let seen = shallow::look(node);
        for parts in &seen.names {
            if let Resolved::Column(target, _) = resolve(parts, &self.scopes, self.schema) {
                self.uses[target.slot].columns.insert(target.column);
            }
        }
        for function in &seen.functions {
            self.order_by(&shallow::window_keys(function));
            // An index gives the least and the greatest at once, and duplicates side by side.
            let ordered = ["min", "max"].contains(&shallow::name(function).as_str());
            if (ordered || shallow::is_distinct(function))
                && let Some(argument) = shallow::sole_argument(function)
                && identifier(argument).is_some()
            {
                self.order_by(&[(argument.clone(), false)]);
            }
        }
        for (query, exists) in &seen.queries {
            let outputs = self.query(query, *exists);
            // `x IN (SELECT col …)` can look straight into an index on col.
            if let ([(_, Some(target))], false) = (outputs.as_slice(), *exists) {
                self.order_of(vec![target.clone()]);
            }
        }
    }

    fn outputs(&mut self, projection: &[SelectItem], exists: bool) -> Outputs {
        let mut outputs = Vec::new();
        for item in projection {
            match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAliases { expr, .. } => {
                    let name = identifier(expr).and_then(<[Ident]>::last).map(lower);
                    outputs.push((name.unwrap_or_default(), self.target(expr)));
                    self.read(expr);
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    outputs.push((lower(alias), self.target(expr)));
                    self.read(expr);
                }
                SelectItem::Wildcard(_) => outputs.extend(self.wildcard(None)),
                SelectItem::QualifiedWildcard(kind, _) => {
                    if let SelectItemQualifiedWildcardKind::ObjectName(name) = kind {
                        outputs.extend(self.wildcard(Some(&last(name))));
                    }
                }
            }
        }
        if !exists {
            for target in outputs.iter().filter_map(|(_, target)| target.as_ref()) {
                self.uses[target.slot].columns.insert(target.column.clone());
            }
        }
        outputs
    }

    fn wildcard(&self, qualifier: Option<&str>) -> Outputs {
        let Some(scope) = self.scopes.last() else { return Vec::new() };
        let wanted = scope.sources.iter().filter(|(alias, _)| qualifier.is_none_or(|q| q == alias));
        wanted.flat_map(|(_, source)| self.all_columns(source)).collect()
    }

    pub(super) fn all_columns(&self, source: &Source) -> Outputs {
        match source {
            Source::Base(slot, table) => self.schema.tables[table]
                .columns
                .iter()
                .map(|column| {
                    let column = column.name.to_lowercase();
                    (column.clone(), Some(Target { slot: *slot, column }))
                })
                .collect(),
            Source::Derived(outputs) => outputs.clone(),
            Source::Opaque => Vec::new(),
        }
    }

    fn target(&self, expr: &Expr) -> Option<Target> {
        match resolve(identifier(expr)?, &self.scopes, self.schema) {
            Resolved::Column(target, 0) => Some(target),
            _ => None,
        }
    }

    #[expect(clippy::expect_used, reason = "only called between a push and its pop")]
    pub(super) fn scope(&mut self) -> &mut Scope {
        self.scopes.last_mut().expect("a SELECT is being walked")
    }
}

pub(super) fn lower(ident: &Ident) -> String {
    ident.value.to_lowercase()
}

pub(super) fn last(name: &ObjectName) -> String {
    let ident = name.0.last().and_then(|part| part.as_ident());
    ident.map(lower).unwrap_or_default()
}
