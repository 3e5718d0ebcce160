//! What is being improved.

pub mod sqlite;
pub mod sqlserver;
