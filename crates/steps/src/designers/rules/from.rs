//! FROM items: tables become slots, subqueries, CTEs and views what their columns stand for, join
//! constraints conditions.
//!
//! Not in here: what happens to the conditions ([`super::terms`]).

use super::{
    predicates::Use,
    scope::{Cte, Outputs, Source},
    walk::{Walker, last, lower},
};
use sqlparser::{
    ast::{
        Expr, Ident, JoinConstraint, JoinOperator, Statement, TableAlias, TableFactor,
        TableWithJoins,
    },
    dialect::SQLiteDialect,
    parser::Parser,
};

impl Walker<'_> {
    pub(super) fn joined(&mut self, item: &TableWithJoins, conditions: &mut Vec<Expr>) {
        self.factor(&item.relation, conditions);
        for join in &item.joins {
            self.factor(&join.relation, conditions);
            match constraint(&join.join_operator) {
                Some(JoinConstraint::On(expr)) => conditions.push(expr.clone()),
                Some(JoinConstraint::Using(names)) => {
                    let names: Vec<String> = names.iter().map(last).collect();
                    self.equate(&names, conditions);
                }
                Some(JoinConstraint::Natural) => {
                    let names = self.newest_columns();
                    self.equate(&names, conditions);
                }
                Some(JoinConstraint::None) | None => {}
            }
        }
    }

    fn factor(&mut self, factor: &TableFactor, conditions: &mut Vec<Expr>) {
        match factor {
            TableFactor::Table { name, alias, args, .. } => {
                let source = match args {
                    Some(args) => {
                        self.read(args);
                        Source::Opaque
                    }
                    None => self.relation(&last(name)),
                };
                let alias = alias.as_ref().map_or_else(|| last(name), |alias| lower(&alias.name));
                self.scope().sources.push((alias, source));
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let outputs = self.query(subquery, false);
                let (alias, outputs) = renamed(alias.as_ref(), outputs);
                self.scope().sources.push((alias, Source::Derived(outputs)));
            }
            TableFactor::NestedJoin { table_with_joins, .. } => {
                self.joined(table_with_joins, conditions);
            }
            _ => self.scope().sources.push((String::new(), Source::Opaque)),
        }
    }

    fn relation(&mut self, name: &str) -> Source {
        if let Some(index) = self.ctes.iter().rposition(|(cte, _)| cte == name) {
            return self.cte(name, index);
        }
        if self.schema.tables.contains_key(name) {
            let slot = self.uses.len();
            self.uses.push(Use { table: name.to_owned(), ..Use::default() });
            return Source::Base(slot, name.to_owned());
        }
        self.view(name).unwrap_or(Source::Opaque)
    }

    fn cte(&mut self, name: &str, index: usize) -> Source {
        let cte = self.ctes[index].1.clone();
        let Some(body) = cte.query else { return Source::Opaque };
        // Inside its own body the name is the recursion, and the query around is not visible.
        let later = self.ctes.split_off(index + 1);
        self.ctes.push((name.to_owned(), Cte { query: None, columns: Vec::new() }));
        let around = std::mem::take(&mut self.scopes);
        let mut outputs = self.query(&body, false);
        self.scopes = around;
        self.ctes.pop();
        self.ctes.extend(later);
        rename(&mut outputs, cte.columns);
        Source::Derived(outputs)
    }

    fn view(&mut self, name: &str) -> Option<Source> {
        let sql = self.schema.views.get(name)?;
        let statements = Parser::parse_sql(&SQLiteDialect {}, sql).ok()?;
        let Some(Statement::CreateView(view)) = statements.first() else { return None };
        let around = std::mem::take(&mut self.scopes);
        let ctes = std::mem::take(&mut self.ctes);
        let mut outputs = self.query(&view.query, false);
        self.scopes = around;
        self.ctes = ctes;
        rename(&mut outputs, view.columns.iter().map(|column| lower(&column.name)));
        Some(Source::Derived(outputs))
    }

    fn newest_columns(&self) -> Vec<String> {
        let newest = self.scopes.last().and_then(|scope| scope.sources.last());
        let columns = newest.map(|(_, source)| self.all_columns(source)).unwrap_or_default();
        columns.into_iter().map(|(name, _)| name).collect()
    }

    /// The equalities that USING or NATURAL stand for: the newest FROM item with an earlier one.
    fn equate(&self, names: &[String], conditions: &mut Vec<Expr>) {
        let Some(((newest, _), earlier)) =
            self.scopes.last().and_then(|scope| scope.sources.split_last())
        else {
            return;
        };
        for name in names {
            let partner = earlier.iter().find(|(_, source)| {
                self.all_columns(source).iter().any(|(column, _)| column == name)
            });
            if let Some((partner, _)) = partner {
                let side = |alias: &str| {
                    let parts = vec![Ident::with_quote('"', alias), Ident::with_quote('"', name)];
                    Box::new(Expr::CompoundIdentifier(parts))
                };
                let op = sqlparser::ast::BinaryOperator::Eq;
                conditions.push(Expr::BinaryOp { left: side(newest), op, right: side(partner) });
            }
        }
    }
}

fn constraint(operator: &JoinOperator) -> Option<&JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint)
        | JoinOperator::CrossJoin(constraint) => Some(constraint),
        _ => None,
    }
}

fn renamed(alias: Option<&TableAlias>, mut outputs: Outputs) -> (String, Outputs) {
    let Some(alias) = alias else { return (String::new(), outputs) };
    rename(&mut outputs, alias.columns.iter().map(|column| lower(&column.name)));
    (lower(&alias.name), outputs)
}

/// A column list renames the outputs in their order; what it does not reach keeps its name.
fn rename(outputs: &mut Outputs, names: impl IntoIterator<Item = String>) {
    for (output, name) in outputs.iter_mut().zip(names) {
        output.0 = name;
    }
}
