//! Earlier attempts, the most similar first: what designers are told, and what `kaizen audit search` finds.
//!
//! The index is made for each question, in memory: a history is some thousand rows, and what is not
//! stored cannot be wrong.

use crate::payload::ProvenanceRecord;
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

/// What made the change of an earlier run, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// `r12`.
    pub run: String,
    pub title: String,
    pub kind: Option<String>,
    pub outcome: String,
    pub verdict: Option<String>,
    /// Percent of the objective, as measured; positive is better.
    pub improvement_pct: Option<f64>,
    pub designer: Option<String>,
    pub tables: Vec<String>,
    pub files: Vec<String>,
    /// The up script, without literals.
    pub up: Option<String>,
    pub error: Option<String>,
    pub ended_at: String,
    /// Whether it was made on the same target.
    pub same_target: bool,
    /// How well the words fit, 0 to 1; the best has 1.
    pub fit: f64,
}

/// Attempts that made a change, by how well they fit the words; without words, the newest first.
///
/// # Errors
/// Where SQLite's full-text search does not answer.
pub fn search(
    history: &[(i64, ProvenanceRecord)],
    words: &str,
    target: Option<&str>,
    limit: usize,
) -> Result<Vec<Attempt>, rusqlite::Error> {
    let asked = question(words);
    let db = Connection::open_in_memory()?;
    db.execute_batch(
        "CREATE VIRTUAL TABLE attempt USING fts5(title, kind, outcome, places, body, \
         tokenize = \"unicode61 tokenchars '_'\")",
    )?;
    let tried = || history.iter().filter(|(_, record)| record.title.is_some());
    {
        let mut insert = db.prepare(
            "INSERT INTO attempt (rowid, title, kind, outcome, places, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for (run, record) in tried() {
            let places = [record.tables.join(" "), record.files.join(" ")].join(" ");
            let body =
                [&record.up, &record.error_message].map(|text| text.clone().unwrap_or_default());
            insert.execute(params![
                run,
                record.title,
                record.change_type,
                record.outcome,
                places.replace(['/', '.', '-'], " "),
                body.join(" "),
            ])?;
        }
    }
    let mut found: Vec<Attempt> = match asked {
        None => tried().rev().map(|(run, record)| attempt(*run, record, target, 0.0)).collect(),
        Some(asked) => {
            // Titles and places say more than scripts.
            let sql = "SELECT rowid, bm25(attempt, 4.0, 1.0, 1.0, 3.0, 1.0) FROM attempt \
                       WHERE attempt MATCH ?1 ORDER BY 2, rowid DESC";
            let mut select = db.prepare(sql)?;
            let rows = select.query_map([asked], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let rows: Vec<(i64, f64)> = rows.collect::<Result<_, _>>()?;
            let best = rows.first().map_or(1.0, |(_, score)| score.min(-1e-9));
            let record = |run: i64| history.iter().find(|(number, _)| *number == run);
            let found = rows.iter().filter_map(|(run, score)| {
                record(*run).map(|(run, record)| attempt(*run, record, target, score / best))
            });
            found.collect()
        }
    };
    // The same target first where the words fit alike.
    found.sort_by(|a, b| rank(b).total_cmp(&rank(a)));
    found.truncate(limit);
    Ok(found)
}

fn rank(attempt: &Attempt) -> f64 {
    attempt.fit + if attempt.same_target { 0.5 } else { 0.0 }
}

fn attempt(run: i64, record: &ProvenanceRecord, target: Option<&str>, fit: f64) -> Attempt {
    Attempt {
        run: format!("r{run}"),
        title: record.title.clone().unwrap_or_default(),
        kind: record.change_type.clone(),
        outcome: record.outcome.clone(),
        verdict: record.verdict.clone(),
        improvement_pct: record.performance_delta_pct,
        designer: record.designer.clone(),
        tables: record.tables.clone(),
        files: record.files.clone(),
        up: record.up.as_deref().map(crate::sql::strip_literals),
        error: record.error_message.clone(),
        ended_at: record.completed_at.clone(),
        same_target: target.is_some_and(|target| target == record.target),
        fit,
    }
}

/// The words as a question of FTS5: any of them. Each is quoted, so that none is an operator.
fn question(words: &str) -> Option<String> {
    let words: Vec<String> = words
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
        .map(|word| format!("\"{word}\""))
        .collect();
    (!words.is_empty()).then(|| words.join(" OR "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn record(title: &str, table: &str, outcome: &str, target: &str) -> ProvenanceRecord {
        let json = serde_json::json!({
            "run_id": "", "outcome": outcome, "title": title, "change_type": "index",
            "risk_level": null, "estimated_impact_pct": null, "designer": "rules", "files": [],
            "tables": [table], "up": format!("CREATE INDEX i ON {table} (x)"), "git_commit": null,
            "revert_commit": null, "success_score": null, "tests_passed": 0, "tests_failed": 0,
            "performance_delta_pct": 4.0, "error_message": null, "was_deployed": true,
            "was_rolled_back": false, "started_at": "", "completed_at": "", "rolled_back_at": null,
            "approved_by": [], "target": target, "features": null,
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn the_most_similar_come_first() {
        let history = [
            (1, record("Index item(owner)", "item", "kept", "a")),
            (2, record("Index orders(customer)", "orders", "rolled_back", "a")),
            (3, record("Index item(amount)", "item", "kept", "b")),
        ];
        let runs = |words: &str, target| -> Vec<String> {
            let found = search(&history, words, target, 10).unwrap();
            found.into_iter().map(|attempt| attempt.run).collect()
        };
        assert_eq!(runs("orders", None), ["r2"]);
        assert_eq!(runs("item amount", None), ["r3", "r1"]);
        // Where it was tried here that counts for more than a word.
        assert_eq!(runs("item", Some("b")), ["r3", "r1"]);
        assert_eq!(runs("", None), ["r3", "r2", "r1"]);
        assert_eq!(runs("nothing such", None), Vec::<String>::new());
        for nonsense in ["\" OR 1", "NEAR(", "item AND", "*", "title:x", "a\0b"] {
            runs(nonsense, None);
        }
    }
}
