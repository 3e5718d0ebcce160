//! Reading the trail back, page by page.

use super::{history::HistoryRow, rows};
use crate::adapters::mssql::{self, Row, Session, Uuid, ValueResult};
use kaizen_engine::journal::Timestamp;
use serde::Serialize;

/// An event as the trail holds it. Hashes are text: they may be anything there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeldEvent {
    pub seq: u64,
    pub run: i64,
    pub run_id: Uuid,
    pub run_seq: u64,
    pub happened_at: Option<Timestamp>,
    pub actor: Option<String>,
    pub kind: Option<String>,
    pub phase: Option<String>,
    pub event: String,
    pub event_hash: String,
    pub journal_hash: String,
    /// When the server got it, by its own clock.
    pub received_at: Option<Timestamp>,
}

/// A journal's part of a trail, opened for reading.
pub struct HeldJournal<'a> {
    session: &'a mut Session,
    journal: Uuid,
}

type Read<T> = Result<T, mssql::Error>;

impl<'a> HeldJournal<'a> {
    /// What a server holds of this journal.
    pub fn new(session: &'a mut Session, journal: Uuid) -> HeldJournal<'a> {
        HeldJournal { session, journal }
    }

    /// Where it is, without secrets.
    #[must_use]
    pub fn place(&self) -> &str {
        self.session.place()
    }

    /// The trail's own identity: there is just one.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn identities(&mut self) -> Read<Vec<String>> {
        let id = |row: &Row| rows::needed(row, "trail_id").map(|id: Uuid| id.to_string());
        self.session.rows(include_str!("sql/trail.sql"), &[], id).await
    }

    /// The trail's own identity; `None` where it has none, or several.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn trail(&mut self) -> Read<Option<String>> {
        let mut ids = self.identities().await?;
        Ok(ids.pop().filter(|_| ids.is_empty()))
    }

    /// The last event that the trail holds of this journal.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn end(&mut self) -> Read<u64> {
        let seq: Option<i64> =
            self.session.one(include_str!("sql/end.sql"), &[&self.journal]).await?;
        Ok(seq.map_or(0, i64::unsigned_abs))
    }

    /// Journals that rows are under and that never announced themselves.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn strangers(&mut self) -> Read<Vec<String>> {
        self.session.rows(include_str!("sql/strangers.sql"), &[], journal).await
    }

    /// Other journals that hold the run of this id.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn twins(&mut self, run: Uuid) -> Read<Vec<String>> {
        self.session.rows(include_str!("sql/twins.sql"), &[&self.journal, &run], journal).await
    }

    /// The next events after `seq`, in order; none: that was all.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn events(&mut self, seq: u64) -> Read<Vec<HeldEvent>> {
        let sql = include_str!("sql/read_events.sql");
        self.session.rows(sql, &[&self.journal, &seq.cast_signed()], event).await
    }

    /// The next artifacts after the one with this digest, in the order of their digests.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn artifacts(&mut self, digest: &str) -> Read<Vec<(String, Vec<u8>)>> {
        let sql = include_str!("sql/read_artifacts.sql");
        let read = |row: &Row| {
            let content: &[u8] = rows::needed(row, "content")?;
            Ok((trimmed(row, "digest")?, content.to_vec()))
        };
        self.session.rows(sql, &[&self.journal, &digest], read).await
    }

    /// The history of the runs after `after` up to `until`.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn history(&mut self, after: i64, until: i64) -> Read<Vec<HistoryRow>> {
        let sql = include_str!("sql/read_history.sql");
        self.session.rows(sql, &[&self.journal, &after, &until], history).await
    }
}

fn journal(row: &Row) -> ValueResult<String> {
    rows::needed(row, "journal_id").map(|id: Uuid| id.to_string())
}

fn trimmed(row: &Row, column: &str) -> ValueResult<String> {
    rows::needed(row, column).map(|text: &str| text.trim_end().to_owned())
}

fn owned(row: &Row, column: &str) -> ValueResult<Option<String>> {
    Ok(row.try_get::<&str, _>(column)?.map(str::to_owned))
}

/// A decimal with four places.
fn decimal(row: &Row, column: &str) -> ValueResult<Option<String>> {
    Ok(row.try_get::<f64, _>(column)?.map(|value| format!("{value:.4}")))
}

fn event(row: &Row) -> ValueResult<HeldEvent> {
    Ok(HeldEvent {
        seq: rows::needed::<i64>(row, "seq")?.unsigned_abs(),
        run: rows::needed(row, "run")?,
        run_id: rows::needed(row, "run_id")?,
        run_seq: rows::needed::<i64>(row, "run_seq")?.unsigned_abs(),
        happened_at: rows::timestamp(row, "happened_at")?,
        actor: owned(row, "actor")?,
        kind: owned(row, "kind")?,
        phase: owned(row, "phase")?,
        event: rows::needed::<&str>(row, "event")?.to_owned(),
        event_hash: trimmed(row, "event_hash")?,
        journal_hash: trimmed(row, "journal_hash")?,
        received_at: rows::timestamp(row, "received_at")?,
    })
}

fn history(row: &Row) -> ValueResult<HistoryRow> {
    Ok(HistoryRow {
        run: rows::needed(row, "run")?,
        run_id: Some(rows::needed::<Uuid>(row, "run_id")?.to_string()),
        revision: rows::needed(row, "revision")?,
        seq: rows::needed::<i64>(row, "seq")?.unsigned_abs(),
        outcome: rows::needed::<&str>(row, "outcome")?.to_owned(),
        analysis: owned(row, "analysis")?,
        code: owned(row, "code")?,
        target_file: owned(row, "target_file")?,
        change_type: owned(row, "change_type")?,
        risk: owned(row, "risk")?,
        estimated_impact: owned(row, "estimated_impact")?,
        git_commit: owned(row, "git_commit")?,
        success_score: decimal(row, "success_score")?,
        tests_passed: rows::needed(row, "tests_passed")?,
        tests_failed: rows::needed(row, "tests_failed")?,
        performance_delta: decimal(row, "performance_delta")?,
        error: owned(row, "error")?,
        was_deployed: rows::needed::<i32>(row, "was_deployed")? != 0,
        was_rolled_back: rows::needed::<i32>(row, "was_rolled_back")? != 0,
        started_at: rows::timestamp(row, "started_at")?,
        completed_at: rows::timestamp(row, "completed_at")?,
        rolled_back_at: rows::timestamp(row, "rolled_back_at")?,
        approved_by: owned(row, "approved_by")?,
        pruned: false,
    })
}
