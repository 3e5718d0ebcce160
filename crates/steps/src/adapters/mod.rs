//! The only users of git2, of HTTP, of child processes, and of what it takes to connect to SQL Server.
//!
//! All but [`mssql`] blocks: callers that run on an async runtime wrap it in `spawn_blocking`.
//! No journal, no policy and no SQL: an adapter does one thing to the outside world and can be
//! asked afterwards ([`Probe`]) whether it is done.

pub mod disk;
pub mod git;
pub mod http;
pub mod mssql;
mod probe;
pub mod process;

pub use probe::Probe;
