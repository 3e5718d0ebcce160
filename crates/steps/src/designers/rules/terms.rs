//! Single conditions and orderings: what an index could seek by, and in what order it would help.

use super::{
    definition::{Filter, Key, Part},
    predicates::{Op, Term, Use, With},
    scope::{Resolved, Target, identifier, resolve},
    shallow,
    walk::Walker,
};
use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value};
use std::collections::BTreeSet;

/// A term and the slot of the table reference that it restricts.
type Placed = (usize, Term);

impl Walker<'_> {
    /// Notes what a condition offers, conjunct by conjunct.
    pub(super) fn conjunct(&mut self, expr: &Expr) {
        match expr {
            Expr::Nested(inner) => self.conjunct(inner),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.conjunct(left);
                self.conjunct(right);
            }
            Expr::BinaryOp { op: BinaryOperator::Or, .. } => self.disjunction(expr),
            _ => {
                for (slot, term) in self.terms(expr) {
                    self.uses[slot].terms.push(term);
                }
                if let Some((slot, filter)) = self.filter(expr) {
                    self.uses[slot].filters.insert(filter);
                }
            }
        }
    }

    /// Each branch of an OR can use an index of its own; what all branches share always holds.
    fn disjunction(&mut self, expr: &Expr) {
        let mut branches = Vec::new();
        flatten(expr, &BinaryOperator::Or, &mut branches);
        let placed: Vec<BTreeSet<Placed>> = branches
            .iter()
            .map(|branch| {
                let mut conjuncts = Vec::new();
                flatten(branch, &BinaryOperator::And, &mut conjuncts);
                conjuncts.iter().flat_map(|conjunct| self.terms(conjunct)).collect()
            })
            .collect();
        let shared = placed
            .iter()
            .skip(1)
            .fold(placed.first().cloned().unwrap_or_default(), |shared, branch| {
                shared.intersection(branch).cloned().collect()
            });
        for (slot, term) in shared {
            self.uses[slot].terms.push(term);
        }
        for branch in placed {
            let slots: BTreeSet<usize> = branch.iter().map(|(slot, _)| *slot).collect();
            for slot in slots {
                let terms = branch.iter().filter(|(at, _)| *at == slot);
                self.uses[slot].branches.push(terms.map(|(_, term)| term.clone()).collect());
            }
        }
    }

    fn terms(&self, expr: &Expr) -> Vec<Placed> {
        let found = match expr {
            Expr::Nested(inner) => return self.terms(inner),
            Expr::BinaryOp { left, op, right } => {
                return self.comparison(left, op, right);
            }
            Expr::Between { expr, negated: false, low, high } => {
                self.term(expr, Op::Range, &[low, high])
            }
            Expr::InList { expr, negated: false, list } => {
                self.term(expr, Op::Equal, &list.iter().collect::<Vec<_>>())
            }
            Expr::InSubquery { expr, negated: false, .. } => self
                .term(expr, Op::Equal, &[])
                .map(|(slot, term)| (slot, Term { with: With::Outer, ..term })),
            Expr::Like { negated: false, expr, pattern, .. } if is_prefix(pattern, &['%', '_']) => {
                self.prefix(expr, Some("nocase"))
            }
            Expr::IsNull(expr) => self.term(expr, Op::Equal, &[]),
            Expr::IsNotNull(expr) => self.term(expr, Op::Range, &[]),
            _ => None,
        };
        found.into_iter().collect()
    }

    fn comparison(&self, left: &Expr, op: &BinaryOperator, right: &Expr) -> Vec<Placed> {
        let op = match op {
            BinaryOperator::Eq => Op::Equal,
            BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => Op::Range,
            BinaryOperator::Glob if is_prefix(right, &['*', '?', '[']) => {
                return self.prefix(left, None).into_iter().collect();
            }
            _ => return Vec::new(),
        };
        let sides = [self.term(left, op, &[right]), self.term(right, op, &[left])];
        sides.into_iter().flatten().collect()
    }

    fn term(&self, expr: &Expr, op: Op, others: &[&Expr]) -> Option<Placed> {
        let (slot, part) = self.part(expr)?;
        let mut with = With::Constant;
        for other in others {
            with = with.max(self.with(other, slot)?);
        }
        Some((slot, Term { part, op, with }))
    }

    /// LIKE compares without case, so its index must; GLOB as the bytes are.
    fn prefix(&self, expr: &Expr, collation: Option<&str>) -> Option<Placed> {
        let (slot, mut part) = self.part(expr)?;
        let table = self.schema.tables.get(&self.uses[slot].table)?;
        if !part.column_name().and_then(|name| table.column(name)).is_some_and(|c| c.is_text) {
            return None;
        }
        part.collation = collation.map(str::to_owned);
        Some((slot, Term { part, op: Op::Range, with: With::Constant }))
    }

    /// What an index key would have to hold for `expr`, where it belongs to one table of this
    /// very SELECT.
    fn part(&self, expr: &Expr) -> Option<(usize, Part)> {
        match expr {
            Expr::Nested(inner) => return self.part(inner),
            Expr::Collate { expr, collation } => {
                let (slot, part) = self.part(expr)?;
                let collation = Some(collation.to_string().trim_matches('"').to_lowercase());
                return Some((slot, Part { collation, ..part }));
            }
            // `+x` is how people keep SQLite from using an index.
            Expr::UnaryOp { op: UnaryOperator::Plus, .. } => return None,
            _ => {}
        }
        if let Some(parts) = identifier(expr) {
            return match resolve(parts, &self.scopes, self.schema) {
                Resolved::Column(target, 0) => Some((target.slot, Part::column(&target.column))),
                _ => None,
            };
        }
        let slot = self.own_slot(expr)?;
        let key = Key::Expression(shallow::unqualified(expr));
        Some((slot, Part { key, collation: None, desc: false }))
    }

    /// The one slot that all names of an indexable expression belong to.
    fn own_slot(&self, expr: &Expr) -> Option<usize> {
        let seen = shallow::look(expr);
        if !seen.is_indexable() || seen.has_parameter {
            return None;
        }
        let mut slots = BTreeSet::new();
        for parts in &seen.names {
            match resolve(parts, &self.scopes, self.schema) {
                Resolved::Column(target, 0) if self.is_named(parts, &target) => {
                    slots.insert(target.slot);
                }
                _ => return None,
            }
        }
        (slots.len() == 1).then(|| slots.pop_first()).flatten()
    }

    /// Whether the base column has the name that the query uses; a derived table may rename it.
    fn is_named(&self, parts: &[sqlparser::ast::Ident], target: &Target) -> bool {
        parts.last().is_some_and(|ident| ident.value.eq_ignore_ascii_case(&target.column))
    }

    /// What the other side of a comparison with `slot` is; `None` where it is the same row.
    fn with(&self, other: &Expr, slot: usize) -> Option<With> {
        let seen = shallow::look(other);
        let mut partners = BTreeSet::new();
        let mut outer = !seen.queries.is_empty();
        for parts in &seen.names {
            match resolve(parts, &self.scopes, self.schema) {
                Resolved::Column(target, 0) if target.slot == slot => return None,
                Resolved::Column(target, 0) => {
                    partners.insert(target.slot);
                }
                Resolved::Column(..) | Resolved::Other(_) => outer = true,
                Resolved::Unknown => {}
            }
        }
        Some(match (partners.is_empty(), outer) {
            (true, false) => With::Constant,
            (false, _) => With::Join(partners),
            (true, true) => With::Outer,
        })
    }

    /// The condition as a partial index could state it: a plain column of one table against NULL
    /// or a literal.
    fn filter(&self, expr: &Expr) -> Option<(usize, Filter)> {
        let (inner, fixes, picks) = match expr {
            Expr::IsNull(inner) => (inner, true, false),
            Expr::IsNotNull(inner) => (inner, false, false),
            Expr::BinaryOp { left, op, right } if matches!(**right, Expr::Value(_)) => match op {
                BinaryOperator::Eq => (left, true, true),
                BinaryOperator::NotEq => (left, false, true),
                _ => return None,
            },
            _ => return None,
        };
        if shallow::look(expr).has_parameter {
            return None;
        }
        let (slot, part) = self.part(inner)?;
        let column = part.column_name()?.to_owned();
        let sql = shallow::unqualified(expr);
        let filter =
            Filter { sql, fixes: fixes.then(|| column.clone()), picks: picks.then_some(column) };
        // A derived table may have renamed the column.
        self.own_slot(expr).map(|_| (slot, filter))
    }

    /// Notes an order in which rows are wanted: the leading terms that belong to one table.
    pub(super) fn order_by(&mut self, items: &[(Expr, bool)]) {
        let mut parts: Vec<Part> = Vec::new();
        let mut at = None;
        for (expr, desc) in items {
            match self.part(expr) {
                Some((slot, part)) if at.is_none_or(|first| first == slot) => {
                    at = Some(slot);
                    if !parts.iter().any(|seen| seen.key == part.key) {
                        parts.push(Part { desc: *desc, ..part });
                    }
                }
                _ => break,
            }
        }
        if let Some(slot) = at {
            note(&mut self.uses[slot], parts);
        }
    }

    /// The same for columns that are already resolved.
    pub(super) fn order_of(&mut self, targets: Vec<Target>) {
        let Some(slot) = targets.first().map(|target| target.slot) else { return };
        let parts = targets.iter().take_while(|target| target.slot == slot);
        let parts = parts.map(|target| Part::column(&target.column)).collect();
        note(&mut self.uses[slot], parts);
    }
}

fn note(used: &mut Use, parts: Vec<Part>) {
    if !parts.is_empty() && !used.orders.contains(&parts) {
        used.orders.push(parts);
    }
}

fn flatten<'e>(expr: &'e Expr, wanted: &BinaryOperator, out: &mut Vec<&'e Expr>) {
    match expr {
        Expr::Nested(inner) => flatten(inner, wanted, out),
        Expr::BinaryOp { left, op, right } if op == wanted => {
            flatten(left, wanted, out);
            flatten(right, wanted, out);
        }
        _ => out.push(expr),
    }
}

fn is_prefix(pattern: &Expr, wildcards: &[char]) -> bool {
    let Expr::Value(value) = pattern else { return false };
    match &value.value {
        Value::SingleQuotedString(text) => {
            text.chars().next().is_some_and(|first| !wildcards.contains(&first))
        }
        // A parameter may well be a prefix; measuring tells.
        Value::Placeholder(_) => true,
        _ => false,
    }
}
