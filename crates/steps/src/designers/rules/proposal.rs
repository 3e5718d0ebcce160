//! From a set of definitions to what people and the next phase see: scripts, title, rationale.

use super::{
    Input,
    definition::{Definition, quote},
    schema::Schema,
    verify::Verified,
};
use crate::payload::{Candidate, ChangeFile, Kind, Risk};
use std::collections::BTreeSet;

/// The scripts of one change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scripts {
    /// Makes the change.
    pub up: String,
    /// Takes it back.
    pub down: String,
    /// What it does, in one line.
    pub title: String,
}

/// CREATE INDEX for each definition, DROP INDEX in reverse.
pub fn scripts(definitions: &[&Definition], schema: &Schema) -> Scripts {
    let mut taken = BTreeSet::new();
    let names: Vec<String> =
        definitions.iter().map(|index| index.name(schema, &mut taken)).collect();
    let up = definitions
        .iter()
        .zip(&names)
        .map(|(index, name)| format!("{};\n", index.create(name, schema)))
        .collect();
    let down = names.iter().rev().map(|name| format!("DROP INDEX {};\n", quote(name))).collect();
    let bodies: Vec<String> = definitions.iter().map(|index| index.body(schema)).collect();
    Scripts { up, down, title: title("Index", &bodies) }
}

/// `Index a(x) and b(y)`, shortened where there are many.
pub fn title(verb: &str, things: &[String]) -> String {
    const LONGEST: usize = 110;
    let all = format!("{verb} {}", things.join(" and "));
    match things {
        [first, rest @ ..] if all.chars().count() > LONGEST && !rest.is_empty() => {
            let first: String = first.chars().take(LONGEST).collect();
            format!("{verb} {first} and {} more", rest.len())
        }
        _ => all,
    }
}

/// Whether that script was rolled back before, whatever its spelling.
pub fn is_rolled_back(up: &str, input: &Input<'_>) -> bool {
    input.already_rolled_back.iter().any(|script| normal(script) == normal(up))
}

/// Statements without white space, quotes and case, in any order; the index's name does not
/// count, its definition does.
pub fn normal(script: &str) -> BTreeSet<String> {
    let statements = script.split(';').map(|statement| {
        let lower = statement.to_lowercase();
        let words: Vec<&str> = lower.split_whitespace().collect();
        let what = match words.iter().position(|word| *word == "on") {
            Some(on) if words.first() == Some(&"create") => words[on..].concat(),
            _ => words.concat(),
        };
        what.replace(['"', '`', '[', ']'], "")
    });
    statements.filter(|statement| !statement.is_empty()).collect()
}

/// The candidate for a verified set of new indexes.
pub fn candidate(scripts: Scripts, verified: &Verified, input: &Input<'_>) -> Candidate {
    let pct = verified.improvement_pct(input);
    let mut lines = Vec::new();
    let mut changed: Vec<_> = verified.queries.iter().filter(|c| c.changed).collect();
    changed.sort_by(|a, b| (b.before_ms - b.after_ms).total_cmp(&(a.before_ms - a.after_ms)));
    for compared in changed.iter().take(8) {
        let name = &input.workload.queries[compared.query].name;
        lines.push(format!("{name}: {:.2} ms -> {:.2} ms", compared.before_ms, compared.after_ms));
    }
    if changed.len() > lines.len() {
        lines.push(format!("and {} more queries", changed.len() - lines.len()));
    }
    let rationale = format!(
        "Measured on copies of the database, with and without the change in turn: the workload \
         takes {pct:.1} % less time. {}. The new indexes take {} KiB.",
        lines.join("; "),
        verified.grown_bytes / 1024
    );
    Candidate {
        change: ChangeFile {
            title: scripts.title,
            kind: Some(Kind::Index),
            risk: Some(Risk::Low),
            up: Some(scripts.up),
            down: Some(scripts.down),
            rationale: Some(rationale.clone()),
            expected_improvement_pct: Some(pct),
            ..ChangeFile::default()
        },
        rationale,
        expected_improvement_pct: Some(pct),
        rollback_plan: "Drop the new indexes; no row and no other index is touched.".to_owned(),
    }
}
