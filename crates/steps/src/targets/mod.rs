//! What is being improved.

pub mod command;
pub mod sqlite;
pub mod sqlserver;
