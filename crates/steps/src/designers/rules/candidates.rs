//! Which indexes could serve a query: derived from its predicates, many more than are worth
//! having.
//!
//! Equality columns come first, then a range or an order; then the same again as covering and as
//! partial indexes. Nothing is judged here: the planner says which of them it would use
//! ([`super::planner`]), measuring says which of those help ([`super::search`]).

use super::{
    definition::{Definition, Filter, Part},
    predicates::{Op, Term, Use, With},
    schema::{Schema, Table},
};
use std::collections::BTreeSet;

/// Key columns beyond which an index is no longer made covering: it would be the table again.
const WIDEST: usize = 7;
/// Average bytes of an entry beyond which the same holds.
const HEAVIEST: f64 = 100.0;
/// Candidates of one table reference; a query with dozens of predicates stops here.
const MOST: usize = 400;

/// Every index that could serve one of `uses` and does not exist yet, narrow ones first.
pub fn candidates(uses: &[Use], schema: &Schema) -> Vec<Definition> {
    let mut all = BTreeSet::new();
    for used in uses {
        let Some(table) = schema.tables.get(&used.table) else { continue };
        let keys = keys(used);
        let mut found = Vec::new();
        for key in &keys {
            extend(&mut found, used, table, key);
            if found.len() >= MOST {
                break;
            }
        }
        all.extend(found.into_iter().filter(|index| !index.exists_in(schema)));
    }
    let mut all: Vec<Definition> = all.into_iter().collect();
    all.sort_by_key(|index| (index.filter.is_some(), index.parts.len()));
    all
}

/// Keys worth trying for one table reference, before covering and partial variants.
fn keys(used: &Use) -> Vec<Vec<Part>> {
    let mut keys = Vec::new();
    for terms in std::iter::once(&used.terms).chain(&used.branches) {
        let mut equalities = prefixes(terms);
        equalities.push(Vec::new());
        let ranges: BTreeSet<&Part> =
            terms.iter().filter(|term| term.op == Op::Range).map(|term| &term.part).collect();
        for equality in &equalities {
            push(&mut keys, equality.clone());
            for range in &ranges {
                push(&mut keys, with(equality, &[(*range).clone()]));
            }
            for order in &used.orders {
                let rest: Vec<Part> =
                    order.iter().filter(|part| !used.is_fixed(part)).cloned().collect();
                push(&mut keys, with(equality, &rest));
                push(&mut keys, with(equality, order));
                // A sort can also be walked backwards, and a range may follow the order.
                for range in &ranges {
                    push(&mut keys, with(&with(equality, &rest), &[(*range).clone()]));
                }
            }
        }
        for range in &ranges {
            for other in &ranges {
                push(&mut keys, with(&[(*range).clone()], &[(*other).clone()]));
            }
            for equality in &equalities {
                push(&mut keys, with(&[(*range).clone()], equality));
            }
        }
    }
    keys
}

/// The sets of equality columns that can hold at once, each in the orders worth trying:
/// everything, constants alone, the columns that each join partner or outer query gives, and
/// single columns.
fn prefixes(terms: &[Term]) -> Vec<Vec<Part>> {
    let equal: Vec<&Term> = terms.iter().filter(|term| term.op == Op::Equal).collect();
    let pick = |wanted: &dyn Fn(&With) -> bool| -> Vec<Part> {
        let parts = equal.iter().filter(|term| wanted(&term.with));
        with(&[], &parts.map(|term| term.part.clone()).collect::<Vec<_>>())
    };
    let constants = pick(&|with| *with == With::Constant);
    let outer = pick(&|with| *with == With::Outer);
    let joins = pick(&|with| matches!(with, With::Join(_)));
    let partners: BTreeSet<usize> = equal
        .iter()
        .flat_map(|term| match &term.with {
            With::Join(partners) => partners.clone(),
            With::Constant | With::Outer => BTreeSet::new(),
        })
        .collect();
    let mut sets = vec![constants.clone(), outer.clone(), with(&outer, &constants)];
    for partner in partners {
        let given = pick(
            &|with| matches!(with, With::Join(from) if from.len() == 1 && from.contains(&partner)),
        );
        sets.push(with(&given, &constants));
        sets.push(with(&constants, &given));
        sets.push(with(&with(&outer, &given), &constants));
        sets.push(given);
    }
    sets.push(with(&constants, &outer));
    sets.push(with(&with(&joins, &outer), &constants));
    sets.push(with(&with(&constants, &outer), &joins));
    for term in &equal {
        sets.push(vec![term.part.clone()]);
        for other in &equal {
            sets.push(with(std::slice::from_ref(&term.part), std::slice::from_ref(&other.part)));
        }
    }
    let mut seen = BTreeSet::new();
    sets.retain(|set| !set.is_empty() && seen.insert(set.clone()));
    sets
}

/// The index itself, made covering, and made partial.
fn extend(found: &mut Vec<Definition>, used: &Use, table: &Table, key: &[Part]) {
    let key = usable(key, table);
    if key.is_empty() {
        return;
    }
    let mut add = |parts: Vec<Part>, filter: Option<Filter>| {
        let index = Definition { table: used.table.clone(), parts, filter };
        if !index.parts.is_empty() && !found.contains(&index) {
            found.push(index);
        }
    };
    add(key.clone(), None);
    let covering = covering(used, table, &key);
    if let Some(covering) = &covering {
        add(covering.clone(), None);
    }
    for filter in &used.filters {
        let free = |parts: &[Part]| -> Vec<Part> {
            let fixed = filter.fixes.as_deref();
            parts
                .iter()
                .filter(|part| fixed.is_none() || part.column_name() != fixed)
                .cloned()
                .collect()
        };
        let narrow = free(&key);
        if narrow.is_empty() {
            add(key.clone(), Some(filter.clone()));
        } else {
            add(narrow, Some(filter.clone()));
        }
        if let Some(covering) = &covering {
            add(free(covering), Some(filter.clone()));
        }
    }
}

/// The key with every other column that the query reads of this table behind it.
fn covering(used: &Use, table: &Table, key: &[Part]) -> Option<Vec<Part>> {
    let rest: Vec<Part> = used
        .columns
        .iter()
        .filter(|name| !table.is_rowid(name))
        .map(|name| Part::column(name))
        .collect();
    let wide = usable(&with(key, &rest), table);
    let bytes = |part: &Part| {
        let column = part.column_name().and_then(|name| table.column(name));
        column.map_or(0.0, |column| column.bytes)
    };
    let is_light = wide.iter().map(bytes).sum::<f64>() <= HEAVIEST;
    (is_light && wide.len() <= WIDEST && wide.len() > key.len()).then_some(wide)
}

/// Without what cannot or need not stand in an index: unknown columns, and the rowid at the end,
/// which every index carries anyway.
fn usable(key: &[Part], table: &Table) -> Vec<Part> {
    let known = |part: &&Part| part.column_name().is_none_or(|name| table.column(name).is_some());
    let mut key: Vec<Part> = key.iter().filter(known).cloned().collect();
    while key.last().is_some_and(|part| {
        !part.desc && part.column_name().is_some_and(|name| table.is_rowid(name))
    }) {
        key.pop();
    }
    key
}

/// `first` followed by what of `then` it does not hold yet.
fn with(first: &[Part], then: &[Part]) -> Vec<Part> {
    let mut key = first.to_vec();
    for part in then {
        if !key.iter().any(|seen| seen.key == part.key) {
            key.push(part.clone());
        }
    }
    key
}

fn push(keys: &mut Vec<Vec<Part>>, key: Vec<Part>) {
    if !key.is_empty() && !keys.contains(&key) {
        keys.push(key);
    }
}
