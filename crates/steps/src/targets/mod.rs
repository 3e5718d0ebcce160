//! What is being improved.

pub mod sqlite;
