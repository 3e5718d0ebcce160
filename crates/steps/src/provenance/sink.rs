//! The relay's sink: batches into session temp tables by bulk load, then one insert for what is not
//! there yet, in one transaction.

use super::{DUPLICATE, history::HistoryRow, installed, rows, sink_error, usable};
use crate::adapters::mssql::{
    self, ColumnData, Connector, IntoSql, Row, Session, TokenRow, Uuid, ValueResult,
};
use async_trait::async_trait;
use kaizen_engine::{
    digest::Digest,
    shell::{
        Reader,
        relay::{Batch, End, Shipment, Sink, SinkError},
    },
};
use std::time::Duration;

/// What a trail is told of who ships to it.
#[derive(Debug, Clone)]
pub struct About {
    pub host: String,
    pub project: String,
    pub kaizen: String,
}

/// A trail in SQL Server.
pub struct SqlServer {
    connector: Connector,
    /// How long connecting is tried again.
    patience: Duration,
    reader: Reader,
    about: About,
    /// Dropped after any error: what a session holds then is not known.
    session: Option<Session>,
}

impl SqlServer {
    /// A trail that is not connected yet. `reader` reads the journal that is shipped.
    #[must_use]
    pub fn new(
        connector: Connector,
        patience: Duration,
        reader: Reader,
        about: About,
    ) -> SqlServer {
        SqlServer { connector, patience, reader, about, session: None }
    }

    async fn connected(&mut self) -> Result<Session, SinkError> {
        match self.session.take() {
            Some(session) => Ok(session),
            None => {
                let connected = self.connector.session_within(self.patience).await;
                connected.map_err(|error| sink_error(&error))
            }
        }
    }
}

#[async_trait]
impl Sink for SqlServer {
    async fn end(&mut self, journal: Uuid) -> Result<End, SinkError> {
        let mut session = self.connected().await?;
        let end = end(&mut session, journal, &self.about).await;
        self.session = end.is_ok().then_some(session);
        end
    }

    async fn hash_at(&mut self, journal: Uuid, seq: u64) -> Result<Option<Digest>, SinkError> {
        let mut session = self.connected().await?;
        let hash = hash_at(&mut session, journal, seq).await;
        self.session = hash.is_ok().then_some(session);
        hash.map_err(|error| sink_error(&error))
    }

    async fn ship(&mut self, batch: &Batch) -> Result<(), SinkError> {
        let mut history = Vec::new();
        for shipment in &batch.shipments {
            let Some(event) = &shipment.event else { continue };
            let row = HistoryRow::of(&self.reader, shipment.row.run, shipment.row.seq, event);
            let row = row.map_err(|error| SinkError::Refused {
                code: "damaged_journal",
                message: error.to_string(),
            })?;
            history.extend(row.map(|row| (row, shipment.run_id)));
        }
        for again in [true, false] {
            let mut session = self.connected().await?;
            match ship(&mut session, batch, &history).await {
                Ok(()) => {
                    self.session = Some(session);
                    return Ok(());
                }
                Err(Unshipped::Server(mssql::Error::Server { number, .. }))
                    if again && DUPLICATE.contains(&number) => {}
                Err(Unshipped::Server(error)) => return Err(sink_error(&error)),
                Err(Unshipped::Sink(error)) => return Err(error),
            }
        }
        Err(SinkError::Away("others ship the same events at the same time".to_owned()))
    }
}

/// Why a batch is not there.
enum Unshipped {
    Server(mssql::Error),
    Sink(SinkError),
}

impl From<mssql::Error> for Unshipped {
    fn from(error: mssql::Error) -> Unshipped {
        Unshipped::Server(error)
    }
}

async fn end(session: &mut Session, journal: Uuid, about: &About) -> Result<End, SinkError> {
    let told = |error: mssql::Error| sink_error(&error);
    let place = session.place().to_owned();
    usable(installed(session).await.map_err(told)?, &place)?;
    let id = |row: &Row| rows::needed::<Uuid>(row, "trail_id");
    let ids = session.rows(include_str!("sql/trail.sql"), &[], id).await.map_err(told)?;
    let [trail] = ids.as_slice() else {
        let message =
            format!("the trail in {place} has {} identities, and must have one", ids.len());
        return Err(SinkError::Refused { code: "sqlserver_divergent_trail", message });
    };
    let (host, project, kaizen) = (&*about.host, &*about.project, &*about.kaizen);
    let sql = include_str!("sql/add_journal.sql");
    session.execute(sql, &[&journal, &host, &project, &kaizen]).await.map_err(told)?;
    let read = |row: &Row| {
        let seq: i64 = rows::needed(row, "seq")?;
        Ok((seq.unsigned_abs(), hash(row)?))
    };
    let last = session.rows(include_str!("sql/end.sql"), &[&journal], read).await.map_err(told)?;
    Ok(End { trail: trail.to_string(), place, last: last.into_iter().next() })
}

/// What is no digest is not the journal's hash either.
fn hash(row: &Row) -> ValueResult<Digest> {
    let hash: &str = rows::needed(row, "journal_hash")?;
    Ok(hash.trim_end().parse().unwrap_or_default())
}

async fn hash_at(
    session: &mut Session,
    journal: Uuid,
    seq: u64,
) -> Result<Option<Digest>, mssql::Error> {
    let sql = include_str!("sql/hash_at.sql");
    let found = session.rows(sql, &[&journal, &seq.cast_signed()], hash).await?;
    Ok(found.into_iter().next())
}

async fn ship(
    session: &mut Session,
    batch: &Batch,
    history: &[(HistoryRow, Uuid)],
) -> Result<(), Unshipped> {
    let journal = batch.journal;
    session.run(include_str!("sql/stage.sql")).await?;
    session.load("#events", batch.shipments.iter().map(|s| event(journal, s))).await?;
    let artifacts = batch.artifacts.iter().map(|(digest, bytes)| artifact(journal, digest, bytes));
    session.load("#artifacts", artifacts).await?;
    session.load("#history", history.iter().map(|(row, id)| record(journal, *id, row))).await?;
    fill_in(session, batch, history).await?;
    session.run("BEGIN TRANSACTION").await?;
    if let Some((seq, hash)) = batch.after
        && hash_at(session, journal, seq).await? != Some(hash)
    {
        let why = "the event before the batch is not the journal's there".to_owned();
        return Err(Unshipped::Sink(SinkError::Forged { seq, why }));
    }
    let inserted = session.execute(include_str!("sql/insert_events.sql"), &[]).await?;
    if inserted < batch.shipments.len() as u64 {
        let forged: Option<i64> = session.one(include_str!("sql/forged.sql"), &[]).await?;
        if let Some(seq) = forged {
            let why = "it was edited, or written by somebody else".to_owned();
            return Err(Unshipped::Sink(SinkError::Forged { seq: seq.unsigned_abs(), why }));
        }
    }
    if !batch.artifacts.is_empty() {
        session.run(include_str!("sql/insert_artifacts.sql")).await?;
    }
    if !history.is_empty() {
        session.run(include_str!("sql/insert_history.sql")).await?;
    }
    session.run("COMMIT TRANSACTION").await?;
    Ok(())
}

/// Bytes above which the driver does not take a value in a bulk load, whatever the column: 65,535 in
/// the form that it is sent in. A character of text is two bytes there, and at least one here.
const LARGE_TEXT: usize = 32_000;
const LARGE_CONTENT: usize = 65_000;

/// What is loaded in place of a large value until it is filled in.
fn loaded(value: &str) -> &str {
    if value.len() > LARGE_TEXT { "" } else { value }
}

/// Large values, one by one, into the rows that were loaded without them.
async fn fill_in(
    session: &mut Session,
    batch: &Batch,
    history: &[(HistoryRow, Uuid)],
) -> Result<(), mssql::Error> {
    for Shipment { row, .. } in &batch.shipments {
        if row.event.len() > LARGE_TEXT {
            let (event, seq) = (row.event.as_str(), row.seq.cast_signed());
            session.execute(include_str!("sql/fill_event.sql"), &[&event, &seq]).await?;
        }
    }
    for (digest, content) in &batch.artifacts {
        if content.len() > LARGE_CONTENT {
            let (content, digest) = (content.as_slice(), digest.to_string());
            session.execute(include_str!("sql/fill_artifact.sql"), &[&content, &digest]).await?;
        }
    }
    for (row, _) in history {
        let columns = [
            (&row.analysis, include_str!("sql/fill_analysis.sql")),
            (&row.code, include_str!("sql/fill_code.sql")),
            (&row.error, include_str!("sql/fill_error.sql")),
        ];
        for (value, sql) in columns {
            if let Some(value) = value.as_deref().filter(|value| value.len() > LARGE_TEXT) {
                session.execute(sql, &[&value, &row.seq.cast_signed()]).await?;
            }
        }
    }
    Ok(())
}

fn text(value: Option<&str>) -> ColumnData<'_> {
    value.into_sql()
}

fn row<const N: usize>(values: [ColumnData<'_>; N]) -> TokenRow<'_> {
    let mut row = TokenRow::with_capacity(N);
    values.into_iter().for_each(|value| row.push(value));
    row
}

fn event(journal: Uuid, shipment: &Shipment) -> TokenRow<'_> {
    let (stored, event) = (&shipment.row, shipment.event.as_ref());
    row([
        journal.into_sql(),
        stored.seq.cast_signed().into_sql(),
        stored.run.into_sql(),
        shipment.run_id.into_sql(),
        stored.run_seq.cast_signed().into_sql(),
        rows::datetime2(event.map(|event| event.at)),
        text(event.map(|event| event.actor.as_str())),
        text(event.map(|event| event.fact.kind())),
        event.and_then(|event| event.fact.phase()).map(|phase| phase.to_string()).into_sql(),
        loaded(&stored.event).into_sql(),
        stored.event_hash.to_string().into_sql(),
        stored.journal_hash.to_string().into_sql(),
    ])
}

fn artifact<'a>(journal: Uuid, digest: &Digest, content: &'a [u8]) -> TokenRow<'a> {
    let content = if content.len() > LARGE_CONTENT { &[] } else { content };
    row([journal.into_sql(), digest.to_string().into_sql(), content.into_sql()])
}

fn record(journal: Uuid, run_id: Uuid, of: &HistoryRow) -> TokenRow<'_> {
    row([
        journal.into_sql(),
        of.run.into_sql(),
        of.revision.into_sql(),
        of.seq.cast_signed().into_sql(),
        run_id.into_sql(),
        of.outcome.as_str().into_sql(),
        text(of.analysis.as_deref().map(loaded)),
        text(of.code.as_deref().map(loaded)),
        text(of.target_file.as_deref()),
        text(of.change_type.as_deref()),
        text(of.risk.as_deref()),
        text(of.estimated_impact.as_deref()),
        text(of.git_commit.as_deref()),
        text(of.success_score.as_deref()),
        of.tests_passed.into_sql(),
        of.tests_failed.into_sql(),
        text(of.performance_delta.as_deref()),
        text(of.error.as_deref().map(loaded)),
        i32::from(of.was_deployed).into_sql(),
        i32::from(of.was_rolled_back).into_sql(),
        rows::datetime2(of.started_at),
        rows::datetime2(of.completed_at),
        rows::datetime2(of.rolled_back_at),
        text(of.approved_by.as_deref()),
    ])
}
