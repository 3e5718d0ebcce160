//! The history row of a run: what its record says, in columns.

use crate::payload::{ChangeSet, ProvenanceRecord};
use kaizen_engine::{
    journal::{Event, Fact, Payload, Phase, Timestamp},
    shell::{Error, Reader},
};

/// One row of `kaizen.history`.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRow {
    pub run: i64,
    /// The run's UUID, as its record has it.
    pub run_id: Option<String>,
    /// 1, and one more each time the run was reopened.
    pub revision: i32,
    /// The event that holds the record.
    pub seq: u64,
    pub outcome: String,
    /// What Analyze found, as JSON; `None` where it never came to it, or retention took it.
    pub analysis: Option<String>,
    /// The up script; the diff where only files change.
    pub code: Option<String>,
    pub target_file: Option<String>,
    pub change_type: Option<String>,
    pub risk: Option<String>,
    pub estimated_impact: Option<String>,
    pub git_commit: Option<String>,
    /// Four decimals.
    pub success_score: Option<String>,
    pub tests_passed: i32,
    pub tests_failed: i32,
    /// Percent, four decimals.
    pub performance_delta: Option<String>,
    pub error: Option<String>,
    pub was_deployed: bool,
    pub was_rolled_back: bool,
    pub started_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    pub rolled_back_at: Option<Timestamp>,
    pub approved_by: Option<String>,
    /// Whether retention took what `analysis` and `code` are made of.
    pub pruned: bool,
}

/// What `decimal(10, 4)` can hold.
const LARGEST: f64 = 999_999.999_9;

impl HistoryRow {
    /// The row that the event at `seq` stands for; `None` where it records nothing.
    ///
    /// # Errors
    /// Where the journal cannot be read, or a payload is of another shape.
    pub fn of(
        reader: &Reader,
        run: i64,
        seq: u64,
        event: &Event,
    ) -> Result<Option<HistoryRow>, Error> {
        let Some(stored) = output(event, Phase::RecordProvenance) else { return Ok(None) };
        let record: ProvenanceRecord = reader.payload(stored)?;
        let mut row = HistoryRow::from(&record, run, seq);
        let (mut analysis, mut change) = (None, None);
        for earlier in reader.rows(Some(run), 0, u32::MAX)? {
            if earlier.seq > seq {
                break;
            }
            if earlier.is_pruned() {
                row.pruned = true;
                continue;
            }
            let event = Event::decode(&earlier.event)?;
            row.revision += i32::from(output(&event, Phase::RecordProvenance).is_some());
            analysis = output(&event, Phase::Analyze).cloned().or(analysis);
            change = output(&event, Phase::Generate).cloned().or(change);
        }
        row.analysis = analysis.map(|payload| text(reader, &payload)).transpose()?;
        if let Some(change) = change {
            let change: ChangeSet = reader.payload(&change)?;
            let code = if change.up.is_empty() { &change.diff } else { &change.up };
            row.code = Some(clean(code));
        } else {
            row.code = record.up.as_deref().map(clean);
        }
        Ok(Some(row))
    }

    fn from(record: &ProvenanceRecord, run: i64, seq: u64) -> HistoryRow {
        // A decimal knows no negative zero.
        let four = |value: f64| match format!("{value:.4}") {
            nothing if nothing == "-0.0000" => "0.0000".to_owned(),
            text => text,
        };
        let percent = |pct: f64| four(pct.clamp(-LARGEST, LARGEST));
        let count = |count| i32::try_from(count).unwrap_or(i32::MAX);
        let approved = short(&clean(&record.approved_by.join(", ")));
        HistoryRow {
            run,
            run_id: Some(record.run_id.clone()),
            revision: 0,
            seq,
            outcome: record.outcome.clone(),
            analysis: None,
            code: None,
            target_file: record.files.first().map(|file| short(&clean(file))),
            change_type: record.change_type.clone(),
            risk: record.risk_level.clone(),
            estimated_impact: record
                .estimated_impact_pct
                .map(|pct| format!("{:.1} %", pct.clamp(-LARGEST, LARGEST))),
            git_commit: record.git_commit.clone(),
            success_score: record
                .success_score
                .map(|score| format!("{:.4}", score.clamp(0.0, 1.0))),
            tests_passed: count(record.tests_passed),
            tests_failed: count(record.tests_failed),
            performance_delta: record.performance_delta_pct.map(percent),
            error: record.error_message.as_deref().map(clean),
            was_deployed: record.was_deployed,
            was_rolled_back: record.was_rolled_back,
            started_at: Timestamp::parse(&record.started_at),
            completed_at: Timestamp::parse(&record.completed_at),
            rolled_back_at: record.rolled_back_at.as_deref().and_then(Timestamp::parse),
            approved_by: (!approved.is_empty()).then_some(approved),
            pruned: false,
        }
    }

    /// The names of the columns in which the two differ; what retention took is not compared.
    #[must_use]
    pub fn differences(&self, other: &HistoryRow) -> Vec<&'static str> {
        let whole = !(self.pruned || other.pruned);
        let columns = [
            ("run_id", self.run_id == other.run_id),
            ("revision", self.revision == other.revision),
            ("seq", self.seq == other.seq),
            ("outcome", self.outcome == other.outcome),
            ("analysis", !whole || self.analysis == other.analysis),
            // The record keeps the up script, whatever retention took.
            ("code", self.code == other.code || (!whole && self.code.is_none())),
            ("target_file", self.target_file == other.target_file),
            ("change_type", self.change_type == other.change_type),
            ("risk", self.risk == other.risk),
            ("estimated_impact", self.estimated_impact == other.estimated_impact),
            ("git_commit", self.git_commit == other.git_commit),
            ("success_score", self.success_score == other.success_score),
            ("tests_passed", self.tests_passed == other.tests_passed),
            ("tests_failed", self.tests_failed == other.tests_failed),
            ("performance_delta", self.performance_delta == other.performance_delta),
            ("error", self.error == other.error),
            ("was_deployed", self.was_deployed == other.was_deployed),
            ("was_rolled_back", self.was_rolled_back == other.was_rolled_back),
            ("started_at", self.started_at == other.started_at),
            ("completed_at", self.completed_at == other.completed_at),
            ("rolled_back_at", self.rolled_back_at == other.rolled_back_at),
            ("approved_by", self.approved_by == other.approved_by),
        ];
        columns.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }
}

/// What the event says that this phase has handed over.
fn output(event: &Event, of: Phase) -> Option<&Payload> {
    match &event.fact {
        Fact::PhaseCompleted { phase, output, .. } if *phase == of => Some(output),
        _ => None,
    }
}

/// Within a column: the event has the whole.
fn short(text: &str) -> String {
    text.chars().take(2_000).collect()
}

/// Without NUL, which not every server's text can hold.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

fn text(reader: &Reader, payload: &Payload) -> Result<String, Error> {
    match payload {
        Payload::Inline(json) => Ok(json.text().to_owned()),
        Payload::Artifact(digest) => Ok(clean(&String::from_utf8_lossy(&reader.artifact(digest)?))),
    }
}
