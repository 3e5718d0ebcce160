//! Indexes that another one makes superfluous, or that nobody has used for long.

use super::{Limits, options, quoted, table};
use crate::payload::{
    Candidate, ChangeFile, Kind, Risk,
    server::{IndexSeen, ServerAnalysis},
};

pub fn candidates(
    analysis: &ServerAnalysis,
    limits: Limits,
    notes: &mut Vec<String>,
) -> Vec<Candidate> {
    let mut found = Vec::new();
    let mut kept: Vec<&IndexSeen> = Vec::new();
    // Smaller ones go first: of two alike one must stay.
    let mut order: Vec<&IndexSeen> = analysis.indexes.iter().collect();
    order.sort_by_key(|index| (index.held_by.is_empty(), -index.pages, index.name.clone()));
    for index in order {
        let covering = kept.iter().find(|other| covers(other, index));
        match (covering, index.held_by.first()) {
            (Some(other), Some(why)) => {
                notes
                    .push(format!("{} is covered by {}, and stays: {why}", index.name, other.name));
            }
            (Some(other), None) => {
                let why = format!(
                    "{} has the same leading columns and everything that it includes, so that it \
                     serves every query that this one serves",
                    other.name
                );
                found.push((index, why));
                continue;
            }
            (None, None) if is_unused(index) => match unused(analysis, limits) {
                Ok(why) => {
                    found.push((index, why));
                    continue;
                }
                Err(why) => notes.push(format!("{} has not been used: {why}", index.name)),
            },
            (None, _) => {}
        }
        kept.push(index);
    }
    found.sort_by_key(|(index, _)| -index.pages);
    found.into_iter().map(|(index, why)| candidate(index, &why, analysis)).collect()
}

/// Whether whatever `index` serves, `other` serves as well.
fn covers(other: &IndexSeen, index: &IndexSeen) -> bool {
    let here = other.schema == index.schema && other.table == index.table;
    let plain = other.kind == "NONCLUSTERED" && other.filter.is_none() && index.filter.is_none();
    let begins = other.keys.len() >= index.keys.len()
        && other.keys.iter().zip(&index.keys).all(|(have, want)| have == want);
    let holds = index.included.iter().all(|column| {
        other.included.contains(column) || other.keys.iter().any(|(key, _)| key == column)
    });
    here && plain && !index.keys.is_empty() && begins && holds && other.name != index.name
}

fn is_unused(index: &IndexSeen) -> bool {
    index.reads == 0 && index.writes > 0
}

/// Why it may be taken for unused, or why not.
fn unused(analysis: &ServerAnalysis, limits: Limits) -> Result<String, String> {
    if analysis.replicas > 1 {
        return Err(format!(
            "but only one of {} replicas was asked, and readers may use another",
            analysis.replicas
        ));
    }
    let (days, least) = (analysis.observed_days, limits.min_observed_days);
    if days < least {
        return Err(format!("but uses are counted for {days:.1} days only, {least:.0} are asked"));
    }
    Ok(format!("no query has used it for {days:.0} days, and every write keeps it up to date"))
}

fn candidate(index: &IndexSeen, why: &str, analysis: &ServerAnalysis) -> Candidate {
    let (name, on) = (quoted(&index.name), table(&index.schema, &index.table));
    let keys: Vec<String> = index
        .keys
        .iter()
        .map(|(key, descending)| {
            format!("{}{}", quoted(key), if *descending { " DESC" } else { "" })
        })
        .collect();
    let mut down = format!("CREATE NONCLUSTERED INDEX {name} ON {on} ({})", keys.join(", "));
    if !index.included.is_empty() {
        let included: Vec<String> = index.included.iter().map(|column| quoted(column)).collect();
        down += &format!(" INCLUDE ({})", included.join(", "));
    }
    down += &format!(" {};\n", options(analysis));
    let rationale = format!(
        "{why}. It takes {} MiB and was written {} times since the server was started.",
        (index.pages * 8) >> 10,
        index.writes
    );
    Candidate {
        change: ChangeFile {
            title: format!("Drop {}.{}.{}", index.schema, index.table, index.name),
            kind: Some(Kind::DropIndex),
            risk: Some(Risk::Medium),
            up: Some(format!("DROP INDEX {name} ON {on};\n")),
            down: Some(down),
            rationale: Some(rationale.clone()),
            expected_improvement_pct: None,
            ..ChangeFile::default()
        },
        rationale,
        expected_improvement_pct: None,
        rollback_plan: "Create the index again as it was.".to_owned(),
    }
}
