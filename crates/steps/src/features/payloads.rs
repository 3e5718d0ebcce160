//! Payloads moved from files into a table, batch by batch, until none is left that can be.

use super::{Error, Feature, Parameters, needed, scripts};
use crate::adapters::mssql::{self, Session};

/// What was moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Moved {
    pub moved: u64,
    /// Attempts that failed; `dbo.PayloadMigration` says of what and why.
    pub failed: u64,
    /// Payloads that wait; those given up after three attempts are not among them.
    pub remaining: u64,
}

/// Moves one batch of at most 100 payloads after the other and tells `progress` the sum after each,
/// which answers whether to go on. It may be broken off anywhere and called again.
///
/// # Errors
/// [`Error::Parameter`]; what the server says: what was moved stays moved.
pub async fn move_payloads(
    session: &mut Session,
    parameters: &Parameters,
    mut progress: impl FnMut(Moved) -> bool,
) -> Result<Moved, Error> {
    let given = parameters.checked(Feature::Filestream)?;
    let sql = given.fill(Feature::Filestream, scripts::MIGRATE)?;
    let mut sum = Moved::default();
    loop {
        let found = session.rows(&sql, &[], |row| {
            let (moved, failed): (i32, i32) = (needed(row, "moved")?, needed(row, "failed")?);
            let remaining: i64 = needed(row, "remaining")?;
            let of = |count: i32| u64::from(count.max(0).unsigned_abs());
            let remaining = remaining.max(0).unsigned_abs();
            Ok(Moved { moved: of(moved), failed: of(failed), remaining })
        });
        let Some(batch) = found.await?.into_iter().next() else {
            let why = "a batch of payloads was moved without an answer".to_owned();
            return Err(mssql::Error::Protocol { place: session.place().to_owned(), why }.into());
        };
        let is_last = sum.add(batch);
        if !progress(sum) || is_last {
            return Ok(sum);
        }
    }
}

impl Moved {
    /// Takes up what a batch did; answers whether another would do nothing more.
    pub(super) fn add(&mut self, batch: Moved) -> bool {
        self.moved += batch.moved;
        self.failed += batch.failed;
        self.remaining = batch.remaining;
        batch.remaining == 0 || (batch.moved == 0 && batch.failed == 0)
    }
}
