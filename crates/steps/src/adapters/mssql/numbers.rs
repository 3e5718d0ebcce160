//! What SQL Server's error numbers mean for Kaizen. Numbers alone decide, since messages are
//! translated and change between releases.

/// Errors that the same statement or login may not meet again.
const TRANSIENT: &[u32] = &[
    // Microsoft.Data.SqlClient, SqlConfigurableRetryFactory, baseline list. Its 0, 20, 64, 233 and
    // 100xx are what a client makes up for a broken connection; a gateway may pass them on.
    0, 20, 64, 233, 997, 1204, 1205, 1222, 4221, 10053, 10054, 10060, 10928, 10929, 40143, 40197,
    40501, 40540, 40613, 42108, 42109, 49918, 49919, 49920,
    // Entity Framework Core, SqlServerTransientExceptionDetector: a FILESTREAM transaction without
    // resources; an update under snapshot isolation that lost; time-outs for memory and for login.
    3935, 3960, 8645, 8651, 17197,
    // "Transactions with Memory-Optimized Tables", retry logic: conflicts and dependencies.
    41301, 41302, 41305, 41325, 41839,
    // "Database Engine events and errors": the server is upgrading its databases, or shutting down.
    6005, 18401,
];

/// A login that the server refused, or whose database it would not open: 18450 to 18452 and 18456
/// to 18489 without those above ("Database Engine events and errors"), Azure's firewalls (40532,
/// 40615, 40914), and a login's database.
pub(super) fn is_login(number: u32) -> bool {
    let refused = matches!(number, 18450..=18452 | 18456..=18489 | 40532 | 40615 | 40914);
    refused || matches!(number, 4060 | 4062 | 4063 | 4064 | 4067)
}

/// Whether the same thing may work later, by Microsoft's lists.
///
/// 4060 ("cannot open database") is on the list of SqlClient for Azure's sake, where a database
/// may be moving. It is not on this one: on a server of one's own it is a misspelt name or a user
/// that is missing, and waiting would hide it.
///
/// Sources: SqlClient's [`SqlConfigurableRetryFactory`], Entity Framework Core's
/// `SqlServerTransientExceptionDetector`, and [memory-optimized transactions].
///
/// [`SqlConfigurableRetryFactory`]: https://learn.microsoft.com/dotnet/api/microsoft.data.sqlclient.sqlconfigurableretryfactory
/// [memory-optimized transactions]: https://learn.microsoft.com/sql/relational-databases/in-memory-oltp/transactions-with-memory-optimized-tables
pub fn is_transient(number: u32) -> bool {
    TRANSIENT.contains(&number)
}

/// A database that is not there, or not for this login.
pub(super) fn is_database(number: u32) -> bool {
    matches!(number, 911 | 4060 | 4062 | 4063 | 4064 | 4067)
}

/// A permission that is missing.
pub(super) fn is_denied(number: u32) -> bool {
    matches!(number, 229 | 230 | 262 | 297 | 300 | 916)
}

/// No space left, in the data files or in the log.
pub(super) fn is_full(number: u32) -> bool {
    matches!(number, 1105 | 9002)
}
