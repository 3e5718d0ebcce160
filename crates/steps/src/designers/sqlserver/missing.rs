//! Indexes that the optimizer would have used: its own list, merged and made modest.

use super::{options, quoted, table};
use crate::payload::{
    Candidate, ChangeFile, Kind, Risk,
    server::{IndexSeen, MissingIndexSeen, ServerAnalysis},
};

/// What is asked of a suggestion: fewer uses or less impact is noise. Microsoft's own guide asks for
/// judgement and names no number; these are ours.
const MIN_USES: i64 = 100;
const MIN_IMPACT_PCT: f64 = 30.0;

/// Columns beyond which an index costs more to write than it is likely to give.
const MOST_KEYS: usize = 4;
const MOST_INCLUDED: usize = 8;

pub fn candidates(analysis: &ServerAnalysis, notes: &mut Vec<String>) -> Vec<Candidate> {
    let mut found = Vec::new();
    for missing in &analysis.missing_indexes {
        match refuse(missing, analysis) {
            Some(why) => notes.push(format!("{}: {why}", what(missing))),
            None => found.push(candidate(missing, analysis)),
        }
    }
    found
}

/// `[dbo].[Orders](CustomerId, OrderDate)`.
fn what(missing: &MissingIndexSeen) -> String {
    format!("{}({})", table(&missing.schema, &missing.table), keys(missing).join(", "))
}

/// Equality columns first: only behind them can one range be searched.
fn keys(missing: &MissingIndexSeen) -> Vec<String> {
    missing.equality.iter().chain(missing.inequality.first()).cloned().collect()
}

fn included(missing: &MissingIndexSeen) -> Vec<String> {
    missing.inequality.iter().skip(1).chain(&missing.included).cloned().collect()
}

fn refuse(missing: &MissingIndexSeen, analysis: &ServerAnalysis) -> Option<String> {
    let keys = keys(missing);
    if keys.is_empty() {
        return Some("it names no key column".to_owned());
    }
    if missing.uses < MIN_USES {
        return Some(format!("asked for {} times, {MIN_USES} are the least", missing.uses));
    }
    if missing.impact_pct < MIN_IMPACT_PCT {
        return Some(format!(
            "would save {:.0} % by the optimizer's estimate, {MIN_IMPACT_PCT:.0} % is the least",
            missing.impact_pct
        ));
    }
    if keys.len() > MOST_KEYS {
        return Some(format!("{} key columns are too many", keys.len()));
    }
    if included(missing).len() > MOST_INCLUDED {
        return Some(format!("{} included columns are too many", included(missing).len()));
    }
    let serves = analysis.indexes.iter().find(|index| is_served(index, missing, &keys));
    serves.map(|index| format!("{} begins with the same columns already", index.name))
}

/// Whether an index that is there has these columns in front: then it wants a look by a person, not
/// another index.
fn is_served(index: &IndexSeen, missing: &MissingIndexSeen, keys: &[String]) -> bool {
    let here = index.schema.eq_ignore_ascii_case(&missing.schema)
        && index.table.eq_ignore_ascii_case(&missing.table);
    let begins = index.keys.len() >= keys.len()
        && index.keys.iter().zip(keys).all(|((have, _), want)| have.eq_ignore_ascii_case(want));
    here && begins && index.filter.is_none()
}

fn candidate(missing: &MissingIndexSeen, analysis: &ServerAnalysis) -> Candidate {
    let (keys, included) = (keys(missing), included(missing));
    let on = table(&missing.schema, &missing.table);
    let name = quoted(&name(missing, &keys));
    let list = |columns: &[String]| {
        columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(", ")
    };
    let mut up = format!("CREATE NONCLUSTERED INDEX {name} ON {on} ({})", list(&keys));
    if !included.is_empty() {
        up += &format!(" INCLUDE ({})", list(&included));
    }
    up += &format!(" {};\n", options(analysis));
    let rationale = format!(
        "The optimizer asked for it {} times since the server was started {:.1} days ago, and \
         expects {:.0} % less cost of those queries{}. It is an estimate: nothing was measured.",
        missing.uses,
        analysis.observed_days,
        missing.impact_pct,
        missing.rows.map(|rows| format!(", on a table of {rows} rows")).unwrap_or_default(),
    );
    Candidate {
        change: ChangeFile {
            title: format!("Index {}.{}({})", missing.schema, missing.table, keys.join(", ")),
            kind: Some(Kind::Index),
            risk: Some(Risk::Low),
            up: Some(up),
            down: Some(format!("DROP INDEX {name} ON {on};\n")),
            rationale: Some(rationale.clone()),
            // What the optimizer expects of some queries says nothing of the whole load.
            expected_improvement_pct: None,
            ..ChangeFile::default()
        },
        rationale,
        expected_improvement_pct: None,
        rollback_plan: "Drop the new index; no row and no other index is touched.".to_owned(),
    }
}

/// `kz_Orders_CustomerId`, within the 128 characters of a name.
fn name(missing: &MissingIndexSeen, keys: &[String]) -> String {
    let name = format!("kz_{}_{}", missing.table, keys.join("_"));
    name.chars().take(120).collect()
}
