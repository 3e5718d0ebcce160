//! What each judged run teaches, by the latest revision of its record: a kept change that was rolled
//! back later is a failure from then on.
//!
//! Deliberately not here: fitting (`models`), and whether a new version is taken (`fit`).

use super::Error;
use crate::{
    models::{Example, Features, QualityFeatures, Rated, Shown, ShownExample, score_of},
    payload::ProvenanceRecord,
};
use kaizen_engine::shell::Reader;

/// What one run teaches.
#[derive(Debug, Clone, Default)]
pub struct Lesson {
    pub run: i64,
    /// Whether its change was kept and still stands, or ended in its time; `None`: it was not judged.
    pub success: Option<bool>,
    pub features: Option<Features>,
    pub quality: Option<QualityFeatures>,
    pub ratings: Vec<u8>,
    pub shown: Vec<Shown>,
}

/// Examples for each model, by the number of the run, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Examples {
    pub judged: Vec<Example>,
    pub rated: Vec<Rated>,
    pub shown: Vec<ShownExample>,
}

/// Reads every run's latest record.
///
/// # Errors
/// Where the journal cannot be read, or a record is of another shape.
pub fn lessons(reader: &Reader) -> Result<Vec<Lesson>, Error> {
    let history = reader.history()?.into_iter();
    let lesson = |row: kaizen_engine::shell::reader::HistoryRow| match row.record.read() {
        Ok(record) => Ok(Lesson::of(row.run, record)),
        Err(source) => Err(Error::History { run: row.run, source }),
    };
    history.map(lesson).collect()
}

impl Lesson {
    /// What the record of a run teaches.
    #[must_use]
    pub fn of(run: i64, record: ProvenanceRecord) -> Lesson {
        Lesson {
            run,
            success: success(&record),
            features: record.features,
            quality: record.quality,
            ratings: record.ratings,
            shown: record.shown,
        }
    }
}

/// Whether a run's change was judged, and how. A change whose time was over did what it was to do.
#[must_use]
pub fn success(record: &ProvenanceRecord) -> Option<bool> {
    match record.outcome.as_str() {
        "kept" => Some(true),
        "rolled_back" => Some(record.ended_in_time),
        _ => None,
    }
}

impl Examples {
    /// The examples of these lessons, which come in any order; a later one of a run replaces an
    /// earlier one.
    #[must_use]
    pub fn of(lessons: impl IntoIterator<Item = Lesson>) -> Examples {
        let by_run: std::collections::BTreeMap<i64, Lesson> =
            lessons.into_iter().map(|lesson| (lesson.run, lesson)).collect();
        let mut examples = Examples::default();
        for (number, lesson) in by_run {
            let run = format!("r{number}");
            if let (Some(features), Some(success)) = (lesson.features, lesson.success) {
                examples.judged.push(Example { features, success, run: run.clone() });
            }
            if let (Some(features), Some(score)) = (lesson.quality, score_of(&lesson.ratings)) {
                examples.rated.push(Rated { features, score, run: run.clone() });
            }
            if let Some(kept) = lesson.success {
                examples.shown.extend(lesson.shown.into_iter().map(|shown| ShownExample {
                    features: shown.features,
                    useful: shown.drew_on && kept,
                    run: run.clone(),
                }));
            }
        }
        examples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(outcome: &str, ended_in_time: bool) -> ProvenanceRecord {
        let text = serde_json::json!({
            "run_id": "", "outcome": outcome, "title": null, "change_type": null, "risk_level": null,
            "estimated_impact_pct": null, "designer": null, "files": [], "tables": [], "up": null,
            "git_commit": null, "revert_commit": null, "success_score": null, "tests_passed": 0,
            "tests_failed": 0, "performance_delta_pct": null, "error_message": null,
            "was_deployed": true, "was_rolled_back": false, "started_at": "", "completed_at": "",
            "rolled_back_at": null, "approved_by": [], "target": "", "features": null,
        });
        let read = serde_json::from_value(text);
        let record: ProvenanceRecord = read.unwrap_or_else(|e| panic!("an old record: {e}"));
        ProvenanceRecord { ended_in_time, ..record }
    }

    #[test]
    fn only_what_was_judged_is_a_success_or_a_failure() {
        for (outcome, ended_in_time, expected) in [
            ("kept", false, Some(true)),
            ("rolled_back", false, Some(false)),
            ("rolled_back", true, Some(true)),
            ("no_change", false, None),
            ("rejected", false, None),
            ("failed", false, None),
            ("dry_run", false, None),
            ("", false, None),
        ] {
            assert_eq!(success(&record(outcome, ended_in_time)), expected, "{outcome}");
        }
    }

    #[test]
    fn the_later_lesson_of_a_run_holds_and_runs_are_in_their_order() {
        let quality = QualityFeatures {
            tests_share: 1.0,
            diff_lines_log: 1.0,
            complexity_log: 1.0,
            files_log: 1.0,
            past_score: 60.0,
        };
        let lesson = |run: i64, rating: u8| Lesson {
            run,
            quality: Some(quality),
            ratings: vec![rating],
            ..Lesson::default()
        };
        let rated = Examples::of([lesson(7, 5), lesson(2, 3), lesson(7, 1), lesson(9, 0)]).rated;
        let told: Vec<_> = rated.iter().map(|one| (one.run.as_str(), one.score)).collect();
        assert_eq!(told, [("r2", 60.0), ("r7", 20.0)]);
    }

    #[test]
    fn showing_an_attempt_was_of_use_where_a_kept_change_drew_on_it() {
        use crate::models::{ShownFeatures, ShownOutcome};
        let features = ShownFeatures {
            lexical: 0.5,
            same_tables: 1.0,
            same_kind: true,
            same_designer: false,
            outcome: ShownOutcome::Kept,
            age_days: 1.0,
        };
        let shown = |drew_on| Shown { run: "r1".to_owned(), features, drew_on };
        let lesson = |run, success| Lesson {
            run,
            success,
            shown: vec![shown(true), shown(false)],
            ..Lesson::default()
        };
        let examples =
            Examples::of([lesson(2, Some(true)), lesson(3, Some(false)), lesson(4, None)]).shown;
        let useful: Vec<_> = examples.iter().map(|one| (one.run.as_str(), one.useful)).collect();
        assert_eq!(useful, [("r2", true), ("r2", false), ("r3", false), ("r3", false)]);
    }
}
