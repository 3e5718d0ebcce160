//! Reading the trail back, page by page.

use super::{history::HistoryRow, one, rows};
use crate::adapters::mssql::{self, Client};
use kaizen_engine::journal::Timestamp;
use serde::Serialize;
use tiberius::{Row, Uuid};

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
    client: &'a mut Client,
    place: String,
    journal: Uuid,
}

type Read<T> = Result<T, mssql::Error>;

impl<'a> HeldJournal<'a> {
    /// What `client` holds of this journal.
    pub fn new(client: &'a mut Client, place: &str, journal: Uuid) -> HeldJournal<'a> {
        HeldJournal { client, place: place.to_owned(), journal }
    }

    /// The trail's own identity; `None` where its schema was applied in part.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn trail(&mut self) -> Read<Option<String>> {
        let id: Option<Uuid> = one(self.client, &self.place, include_str!("sql/trail.sql")).await?;
        Ok(id.map(|id| id.to_string()))
    }

    /// The next events after `seq`, in order; none: that was all.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn events(&mut self, seq: u64) -> Read<Vec<HeldEvent>> {
        let place = self.place.clone();
        let wrap = |error| mssql::from_tiberius(&place, error);
        let sql = include_str!("sql/read_events.sql");
        let found = self.client.query(sql, &[&self.journal, &seq.cast_signed()]).await;
        let found = found.map_err(wrap)?.into_first_result().await.map_err(wrap)?;
        found.iter().map(event).collect::<tiberius::Result<_>>().map_err(wrap)
    }

    /// The next artifacts after the one with this digest, in the order of their digests.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn artifacts(&mut self, digest: &str) -> Read<Vec<(String, Vec<u8>)>> {
        let place = self.place.clone();
        let wrap = |error| mssql::from_tiberius(&place, error);
        let sql = include_str!("sql/read_artifacts.sql");
        let found = self.client.query(sql, &[&self.journal, &digest]).await;
        let found = found.map_err(wrap)?.into_first_result().await.map_err(wrap)?;
        let artifact = |row: &Row| {
            let content: &[u8] = rows::needed(row, "content")?;
            Ok((trimmed(row, "digest")?, content.to_vec()))
        };
        found.iter().map(artifact).collect::<tiberius::Result<_>>().map_err(wrap)
    }

    /// The history of the runs after `after` up to `until`.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn history(&mut self, after: i64, until: i64) -> Read<Vec<HistoryRow>> {
        let place = self.place.clone();
        let wrap = |error| mssql::from_tiberius(&place, error);
        let sql = include_str!("sql/read_history.sql");
        let found = self.client.query(sql, &[&self.journal, &after, &until]).await;
        let found = found.map_err(wrap)?.into_first_result().await.map_err(wrap)?;
        found.iter().map(history).collect::<tiberius::Result<_>>().map_err(wrap)
    }
}

fn trimmed(row: &Row, column: &str) -> tiberius::Result<String> {
    rows::needed(row, column).map(|text: &str| text.trim_end().to_owned())
}

fn owned(row: &Row, column: &str) -> tiberius::Result<Option<String>> {
    Ok(row.try_get::<&str, _>(column)?.map(str::to_owned))
}

/// A decimal with four places.
fn decimal(row: &Row, column: &str) -> tiberius::Result<Option<String>> {
    Ok(row.try_get::<f64, _>(column)?.map(|value| format!("{value:.4}")))
}

fn event(row: &Row) -> tiberius::Result<HeldEvent> {
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

fn history(row: &Row) -> tiberius::Result<HistoryRow> {
    Ok(HistoryRow {
        run: rows::needed(row, "run")?,
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
