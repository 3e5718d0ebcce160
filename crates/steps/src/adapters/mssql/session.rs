//! A connection in use: batches, rows and bulk loads, every answer read to its end, every failure
//! explained. One that met an error may hold half an answer or a transaction: drop it.

use super::{Client, Error, from_tiberius};
use std::time::Duration;
use tiberius::{ColumnData, FromSql, Row, ToSql, TokenRow};

/// A connection, logged in.
pub struct Session {
    client: Client,
    place: String,
    /// How long a call may take; `None`: as long as it takes. The driver bounds answers alone, and a
    /// peer that reads no more would hold up what is sent to it for ever.
    limit: Option<Duration>,
}

/// Waits no longer than that.
async fn within<T>(
    limit: Option<Duration>,
    place: &str,
    work: impl Future<Output = tiberius::Result<T>>,
) -> Result<T, Error> {
    let wrap = |error| from_tiberius(place, error);
    match limit {
        None => work.await.map_err(wrap),
        Some(limit) => match tokio::time::timeout(limit, work).await {
            Ok(done) => done.map_err(wrap),
            Err(_) => Err(Error::TimedOut { place: place.to_owned() }),
        },
    }
}

impl Session {
    pub(super) fn new(client: Client, place: String, limit: Option<Duration>) -> Session {
        Session { client, place, limit }
    }

    /// Where it leads, without secrets.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Runs a batch whose rows nobody asks for. An error may come after the first result, so that
    /// all of them are read.
    ///
    /// # Errors
    /// What the server says, or that it is gone.
    pub async fn run(&mut self, sql: &str) -> Result<(), Error> {
        let client = &mut self.client;
        let run = async { client.simple_query(sql).await?.into_results().await };
        within(self.limit, &self.place, run).await.map(drop)
    }

    /// Runs one statement with parameters; answers how many rows it changed.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn execute(&mut self, sql: &str, params: &[&dyn ToSql]) -> Result<u64, Error> {
        let done = self.client.execute(sql, params);
        Ok(within(self.limit, &self.place, done).await?.total())
    }

    /// The rows of a statement, or of several one after the other, each as `read` has it.
    ///
    /// # Errors
    /// As [`Session::run`], and where a column is not of its type.
    pub async fn rows<T>(
        &mut self,
        sql: &str,
        params: &[&dyn ToSql],
        read: impl Fn(&Row) -> tiberius::Result<T>,
    ) -> Result<Vec<T>, Error> {
        let client = &mut self.client;
        let results = async {
            // Without parameters a batch: what it makes stays in the session.
            let found = match params {
                [] => client.simple_query(sql).await?,
                _ => client.query(sql, params).await?,
            };
            found.into_results().await
        };
        let results = within(self.limit, &self.place, results).await?;
        let rows = results.iter().flatten().map(read).collect::<tiberius::Result<_>>();
        rows.map_err(|error| from_tiberius(&self.place, error))
    }

    /// The rows of one statement as text, with the names of its columns.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn table(&mut self, sql: &str) -> Result<(Vec<String>, Vec<Vec<String>>), Error> {
        let client = &mut self.client;
        let found = async {
            let mut found = client.simple_query(sql).await?;
            let columns = found.columns().await?.unwrap_or_default();
            let columns = columns.iter().map(|column| column.name().to_owned()).collect();
            Ok((columns, found.into_first_result().await?))
        };
        let (columns, rows): (Vec<String>, Vec<Row>) =
            within(self.limit, &self.place, found).await?;
        let rows = rows.iter().map(|row| row.cells().map(|(_, value)| shown(value)).collect());
        Ok((columns, rows.collect()))
    }

    /// The first column of the first row; `None`: there is none, or it is NULL.
    ///
    /// # Errors
    /// As [`Session::rows`].
    pub async fn one<T>(&mut self, sql: &str, params: &[&dyn ToSql]) -> Result<Option<T>, Error>
    where
        T: for<'a> FromSql<'a>,
    {
        let found = self.rows(sql, params, |row| row.try_get(0)).await?;
        Ok(found.into_iter().next().flatten())
    }

    /// Loads rows, whose values are in the order of the table's columns.
    ///
    /// # Errors
    /// As [`Session::run`], and where a value is not of its column's type.
    pub async fn load<'a>(
        &mut self,
        table: &str,
        rows: impl ExactSizeIterator<Item = TokenRow<'a>>,
    ) -> Result<(), Error> {
        if rows.len() == 0 {
            return Ok(());
        }
        let (limit, place) = (self.limit, &self.place);
        let mut request = within(limit, place, self.client.bulk_insert(table)).await?;
        for row in rows {
            within(limit, place, request.send(row)).await?;
        }
        within(limit, place, request.finalize()).await.map(drop)
    }
}

/// A value for people; NULL is nothing.
fn shown(value: &ColumnData<'static>) -> String {
    fn some<T: ToString>(value: Option<T>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    match value {
        ColumnData::U8(value) => some(*value),
        ColumnData::I16(value) => some(*value),
        ColumnData::I32(value) => some(*value),
        ColumnData::I64(value) => some(*value),
        ColumnData::F32(value) => some(*value),
        ColumnData::F64(value) => some(*value),
        ColumnData::Bit(value) => some(*value),
        ColumnData::String(value) => some(value.as_ref()),
        ColumnData::Guid(value) => some(*value),
        ColumnData::Numeric(value) => some(value.as_ref()),
        other => {
            // Dates and times, in the form that chrono gives them.
            let at = chrono::NaiveDateTime::from_sql(other).ok().flatten();
            at.map(|at| at.format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
        }
    }
}
