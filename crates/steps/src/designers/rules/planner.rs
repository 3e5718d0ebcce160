//! What SQLite would do if an index existed, without building it.
//!
//! SQLite's planner looks at the schema and at `sqlite_stat1` and `sqlite_stat4`, never at the
//! data. So an empty in-memory database with the same schema and the same statistics gives the
//! same plans, and an index on it costs nothing to create. What it says is checked again on a
//! real copy before it counts.

use super::{
    Error,
    pool::{Pool, Set},
};
use crate::targets::sqlite::measure;
use rusqlite::{Connection, types::Value};

/// An empty twin of the database.
pub struct Planner {
    conn: Connection,
    visible: Set,
    impossible: Set,
}

impl Planner {
    /// Copies schema and statistics, no rows.
    ///
    /// # Errors
    /// Where `source` cannot be read.
    pub fn new(source: &Connection) -> Result<Planner, Error> {
        let conn = Connection::open_in_memory()?;
        let mut list = source.prepare(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND type <> 'trigger' \
             AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY rowid",
        )?;
        let statements =
            list.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        for sql in statements {
            // Shadow tables exist already; modules and collations of the application are unknown
            // here, and queries that need them fail at measuring as well.
            let _ = conn.execute_batch(&sql);
        }
        copy_statistics(source, &conn)?;
        Ok(Planner { conn, visible: Set::new(), impossible: Set::new() })
    }

    /// The plan of `sql` with the indexes of `set` in place; those that SQLite refuses to create
    /// are as if they were not in the set.
    ///
    /// # Errors
    /// Where the query cannot be prepared.
    pub fn plan(&mut self, sql: &str, set: &Set, pool: &Pool) -> Result<Vec<String>, Error> {
        self.show(set, pool)?;
        Ok(measure::plan(&self.conn, sql)?)
    }

    /// Indexes are always created in the order of their numbers: SQLite breaks ties between equal
    /// plans by the order of creation.
    fn show(&mut self, set: &Set, pool: &Pool) -> Result<(), Error> {
        let wanted: Set = set.difference(&self.impossible).copied().collect();
        let Some(first) = wanted.symmetric_difference(&self.visible).next().copied() else {
            return Ok(());
        };
        for id in self.visible.split_off(&first) {
            self.conn.execute_batch(&format!("DROP INDEX {}", pool.name(id)))?;
        }
        for id in wanted.range(first..) {
            if self.conn.execute_batch(&pool.create(*id)).is_ok() {
                self.visible.insert(*id);
            } else {
                self.impossible.insert(*id);
            }
        }
        Ok(())
    }
}

fn copy_statistics(source: &Connection, into: &Connection) -> Result<(), Error> {
    for (table, columns) in [("sqlite_stat1", 3), ("sqlite_stat4", 6)] {
        let exists: bool = source.query_row(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?1)",
            [table],
            |row| row.get(0),
        )?;
        if !exists {
            continue;
        }
        // The tables cannot be created by name; ANALYZE makes them.
        into.execute_batch("ANALYZE")?;
        let marks = vec!["?"; columns].join(", ");
        let mut insert = into.prepare(&format!("INSERT INTO {table} VALUES ({marks})"))?;
        let mut select = source.prepare(&format!("SELECT * FROM {table}"))?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let values: Vec<Value> =
                (0..columns).map(|index| row.get(index)).collect::<Result<_, _>>()?;
            insert.execute(rusqlite::params_from_iter(values))?;
        }
    }
    into.execute_batch("ANALYZE sqlite_schema")?;
    Ok(())
}
