//! Which version of SQL Server it is, where statements differ by it.

use super::values::text;
use crate::adapters::mssql::{Error, Session};

/// SQL Server 2022 keeps Query Store for each group of replicas.
pub const REPLICAS: u32 = 16;

/// The first number of its version; 0 where it does not say.
///
/// # Errors
/// What the server says, or that it is gone.
pub async fn major(session: &mut Session) -> Result<u32, Error> {
    let sql = "SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)) AS version";
    let found = session.rows(sql, &[], |row| text(row, "version")).await?;
    let major = found.first().and_then(|version| version.split('.').next()?.parse().ok());
    Ok(major.unwrap_or(0))
}
