//! The rules, from reading a query to a proposal on a real database.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod candidates;
mod end_to_end;
mod predicates;
mod what_if;

use super::schema::Schema;
use rusqlite::Connection;

/// The schema that `sql` creates.
fn schema(sql: &str) -> Schema {
    let conn = Connection::open_in_memory().unwrap();
    conn.execute_batch(sql).unwrap();
    Schema::read(&conn).unwrap()
}
