//! A connection in use: batches, rows and bulk loads, every answer read to its end, every failure
//! explained. One that met an error may hold half an answer or a transaction: drop it.

use super::{Client, Error, from_tiberius};
use tiberius::{ColumnData, FromSql, Row, ToSql, TokenRow};

/// A connection, logged in.
pub struct Session {
    client: Client,
    place: String,
}

impl Session {
    pub(super) fn new(client: Client, place: String) -> Session {
        Session { client, place }
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
        let wrap = |error| from_tiberius(&self.place, error);
        self.client.simple_query(sql).await.map_err(wrap)?.into_results().await.map_err(wrap)?;
        Ok(())
    }

    /// Runs one statement with parameters; answers how many rows it changed.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn execute(&mut self, sql: &str, params: &[&dyn ToSql]) -> Result<u64, Error> {
        let wrap = |error| from_tiberius(&self.place, error);
        Ok(self.client.execute(sql, params).await.map_err(wrap)?.total())
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
        let wrap = |error| from_tiberius(&self.place, error);
        // Without parameters a batch: what it makes stays in the session.
        let found = match params {
            [] => self.client.simple_query(sql).await,
            _ => self.client.query(sql, params).await,
        };
        let results = found.map_err(wrap)?.into_results().await.map_err(wrap)?;
        results.iter().flatten().map(read).collect::<tiberius::Result<_>>().map_err(wrap)
    }

    /// The rows of one statement as text, with the names of its columns.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub async fn table(&mut self, sql: &str) -> Result<(Vec<String>, Vec<Vec<String>>), Error> {
        let wrap = |error| from_tiberius(&self.place, error);
        let mut found = self.client.simple_query(sql).await.map_err(wrap)?;
        let columns = found.columns().await.map_err(wrap)?.unwrap_or_default();
        let columns = columns.iter().map(|column| column.name().to_owned()).collect();
        let rows = found.into_first_result().await.map_err(wrap)?;
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
        let wrap = |error| from_tiberius(&self.place, error);
        let mut request = self.client.bulk_insert(table).await.map_err(wrap)?;
        for row in rows {
            request.send(row).await.map_err(wrap)?;
        }
        request.finalize().await.map_err(wrap)?;
        Ok(())
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
