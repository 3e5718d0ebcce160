//! Indexes that another one makes superfluous: the same key, or its beginning.
//!
//! An index that merely no query of the workload uses stays: it may serve others. Unique ones
//! stay: they are a rule about the data. Whether a query misses the index is measured.

use super::{
    Error, Input,
    definition::quote,
    proposal::{is_rolled_back, title},
    schema::{Index, Schema, Table},
    verify::{self, Subject, Verified},
};
use crate::payload::{Candidate, ChangeFile, Kind, Risk};
use std::time::Instant;

/// An index to drop, and why.
struct Superfluous<'s> {
    index: &'s Index,
    sql: &'s str,
    why: String,
}

/// The change set that drops what is superfluous and not missed by any query, if there is any.
///
/// # Errors
/// Where a copy fails.
pub fn design(
    input: &Input<'_>,
    schema: &Schema,
    queries: &[Subject],
    deadline: Instant,
    notes: &mut Vec<String>,
) -> Result<Option<Candidate>, Error> {
    let found: Vec<Superfluous<'_>> = schema.tables.values().flat_map(superfluous).collect();
    let mut droppable = Vec::new();
    for one in found {
        let up = up(std::slice::from_ref(&one));
        if is_rolled_back(&up, input) || Instant::now() >= deadline {
            continue;
        }
        let verified = verify::verify(input, &up, queries, deadline)?;
        match verified.slower(allowed(input)).first() {
            Some(slower) => notes.push(format!(
                "{} is redundant ({}), but {} would get slower without it: {:.2} -> {:.2} ms",
                one.index.name,
                one.why,
                input.workload.queries[slower.query].name,
                slower.before_ms,
                slower.after_ms
            )),
            None => droppable.push(one),
        }
    }
    if droppable.is_empty() || is_rolled_back(&up(&droppable), input) {
        return Ok(None);
    }
    let verified = verify::verify(input, &up(&droppable), queries, deadline)?;
    if !verified.slower(allowed(input)).is_empty() || verified.grown_bytes >= 0 {
        notes.push("dropping the redundant indexes together slows a query down".to_owned());
        return Ok(None);
    }
    Ok(Some(candidate(&droppable, &verified)))
}

/// Half of what is allowed: nothing is gained here that would make up for it.
fn allowed(input: &Input<'_>) -> f64 {
    input.limits.max_regression_pct / 2.0
}

fn up(indexes: &[Superfluous<'_>]) -> String {
    indexes.iter().map(|one| format!("DROP INDEX {};\n", quote(&one.index.name))).collect()
}

fn candidate(dropped: &[Superfluous<'_>], verified: &Verified) -> Candidate {
    let names: Vec<String> = dropped.iter().map(|one| one.index.name.clone()).collect();
    let reasons: Vec<String> =
        dropped.iter().map(|one| format!("{}: {}", one.index.name, one.why)).collect();
    let rationale = format!(
        "{}. Without them the database is {} KiB smaller, and no query of the workload is slower.",
        reasons.join("; "),
        -verified.grown_bytes / 1024
    );
    let down = dropped.iter().rev().map(|one| format!("{};\n", one.sql)).collect();
    Candidate {
        change: ChangeFile {
            title: title("Drop redundant index", &names),
            kind: Some(Kind::DropIndex),
            risk: Some(Risk::Low),
            up: Some(up(dropped)),
            down: Some(down),
            rationale: Some(rationale.clone()),
            ..ChangeFile::default()
        },
        rationale,
        expected_improvement_pct: None,
        rollback_plan: "Create the same indexes again, with the statements that created them."
            .to_owned(),
    }
}

fn superfluous(table: &Table) -> Vec<Superfluous<'_>> {
    let mut found: Vec<Superfluous<'_>> = Vec::new();
    for (place, index) in table.indexes.iter().enumerate() {
        let Some(sql) = &index.sql else { continue };
        if index.unique || index.partial || index.keys.iter().any(|key| key.column.is_none()) {
            continue;
        }
        if let [key] = index.keys.as_slice()
            && key.column.as_deref().is_some_and(|name| table.is_rowid(name))
        {
            let why = "its column is the rowid, by which the table itself is ordered".to_owned();
            found.push(Superfluous { index, sql, why });
            continue;
        }
        let better = table.indexes.iter().enumerate().find(|(other_place, other)| {
            let gone = found.iter().any(|one| one.index.name == other.name);
            let first_of_equals = other.keys.len() > index.keys.len()
                || other.origin != "c"
                || other.unique
                || *other_place < place;
            *other_place != place
                && !gone
                && !other.partial
                && first_of_equals
                && other.keys.starts_with(&index.keys)
        });
        if let Some((_, other)) = better {
            let same = other.keys.len() == index.keys.len();
            let relation =
                if same { "the same key as" } else { "only the beginning of the key of" };
            found.push(Superfluous {
                index,
                sql,
                why: format!("it has {relation} {}", other.name),
            });
        }
    }
    found
}
