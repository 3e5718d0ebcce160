//! Rows of a versioned table put back to a point in time.

use super::{Error, Feature, Item, Parameters, item, scripts};
use crate::adapters::mssql::Session;

/// Puts the rows of `table` back as they were at `as_of`, in one transaction; answers how many were
/// changed, added and removed. What they were before it stays in the history.
///
/// # Errors
/// [`Error::Parameter`]; what the server says: then nothing has changed. 13535 means that somebody
/// else changed rows meanwhile.
pub async fn restore(session: &mut Session, parameters: &Parameters) -> Result<Vec<Item>, Error> {
    let given = parameters.checked(Feature::Temporal)?;
    let sql = given.fill(Feature::Temporal, scripts::RESTORE)?;
    Ok(session.rows(&sql, &[], item).await?)
}
