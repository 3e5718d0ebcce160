//! What a naive adviser does: an index on the first equality predicate of the most frequent
//! query, nothing measured.
//!
//! It exists to show what the gates behind a designer are for: on TPC-H it proposes an index on
//! `lineitem(l_linestatus)`, two distinct values, which makes SQLite sort half the table for a
//! query that the primary key answered at once.

use super::{
    Error, Input,
    definition::{Definition, Part},
    predicates::{self, Op, With},
    proposal::{is_rolled_back, scripts},
    schema::Schema,
};
use crate::{
    payload::{Candidate, ChangeFile, Kind, Proposal, Risk, Source},
    targets::sqlite::{Query, measure},
};

/// Proposes without measuring.
///
/// # Errors
/// Where the snapshot's schema cannot be read.
pub fn design(input: &Input<'_>) -> Result<Proposal, Error> {
    let schema = Schema::read(&measure::open_copy(input.snapshot)?)?;
    let mut queries: Vec<&Query> = input.workload.queries.iter().collect();
    queries.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let mut notes =
        vec!["greedy: chosen by the most frequent query alone, not measured".to_owned()];
    for query in queries {
        let Ok(uses) = predicates::uses(&query.sql, &schema) else { continue };
        let columns = uses.iter().flat_map(|used| {
            let constant =
                |term: &&predicates::Term| term.op == Op::Equal && term.with == With::Constant;
            used.terms.iter().filter(constant).map(|term| (used.table.clone(), &term.part))
        });
        for (table, part) in columns {
            let Some(name) = part.column_name() else { continue };
            let index = Definition { table, parts: vec![Part::column(name)], filter: None };
            let scripts = scripts(&[&index], &schema);
            if index.exists_in(&schema) || is_rolled_back(&scripts.up, input) {
                continue;
            }
            let rationale = format!(
                "{} runs most often and compares {name} with a constant; not measured.",
                query.name
            );
            let candidate = Candidate {
                change: ChangeFile {
                    title: scripts.title,
                    kind: Some(Kind::Index),
                    risk: Some(Risk::Low),
                    up: Some(scripts.up),
                    down: Some(scripts.down),
                    rationale: Some(rationale.clone()),
                    ..ChangeFile::default()
                },
                rationale,
                expected_improvement_pct: None,
                rollback_plan: "Drop the new index.".to_owned(),
            };
            return Ok(Proposal {
                candidates: vec![candidate],
                source: Source::Rules,
                notes,
                shown: Vec::new(),
            });
        }
    }
    notes.push("no query compares an unindexed column with a constant".to_owned());
    Ok(Proposal { candidates: Vec::new(), source: Source::Rules, notes, shown: Vec::new() })
}
