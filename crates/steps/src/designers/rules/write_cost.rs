//! What indexes cost when rows are written: a sample of a table's rows deleted and put back, in a
//! transaction that is rolled back.
//!
//! The same sample, from all over the table, with and without the indexes. Rolling back leaves
//! every page as it was, those of hidden indexes among them, so that the bench can be used.

use super::{Error, definition::quote, lab::Lab, pool::Set, schema::Table};
use rusqlite::Connection;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

/// Rows of the sample.
const ROWS: i64 = 1_000;
/// Passes; the least time counts.
const PASSES: u32 = 3;

impl Lab<'_> {
    /// Percent by which writing to the tables of `set` gets dearer, each index measured on its own
    /// and added up; `None` where it cannot be measured.
    ///
    /// # Errors
    /// Where the copy fails.
    pub fn dearer_pct(&mut self, set: &Set) -> Result<Option<f64>, Error> {
        let mut before: BTreeMap<String, f64> = BTreeMap::new();
        let mut more = 0.0;
        for id in set {
            let table = self.pool.definition(*id).table.clone();
            let Some(without) = self.write_ms(&table, Set::new())? else { continue };
            if let Some(with) = self.write_ms(&table, Set::from([*id]))? {
                more += (with - without).max(0.0);
            }
            before.insert(table, without);
        }
        let before: f64 = before.values().sum();
        Ok((before > 0.0).then(|| more / before * 100.0))
    }

    /// The same, measured with all of them at once.
    ///
    /// # Errors
    /// Where the copy fails.
    pub fn dearer_together_pct(&mut self, set: &Set) -> Result<Option<f64>, Error> {
        let tables: BTreeSet<String> =
            set.iter().map(|id| self.pool.definition(*id).table.clone()).collect();
        let mut sums = [0.0; 2];
        for table in tables {
            let on = |id: &usize| self.pool.definition(*id).table == table;
            let after: Set = set.iter().copied().filter(on).collect();
            for (side, set) in [Set::new(), after].into_iter().enumerate() {
                sums[side] += self.write_ms(&table, set)?.unwrap_or(0.0);
            }
        }
        Ok((sums[0] > 0.0).then(|| (sums[1] / sums[0] - 1.0) * 100.0))
    }

    fn write_ms(&mut self, table: &str, set: Set) -> Result<Option<f64>, Error> {
        let key = (table.to_owned(), set);
        if let Some(known) = self.writes.get(&key) {
            return Ok(*known);
        }
        let mut ms = None;
        if self.bench.build(&key.1, &self.pool, self.deadline)? {
            self.bench.show(&key.1, &self.pool)?;
            ms = measure(self.bench.connection(), &self.pool.schema().tables[table]);
        }
        self.writes.insert(key, ms);
        Ok(ms)
    }
}

/// Least milliseconds to delete and insert a sample of the table's rows with what is visible on
/// `conn`; `None` where the table cannot be written to that way.
fn measure(conn: &Connection, table: &Table) -> Option<f64> {
    let statements = statements(conn, table).ok()?;
    let mut least = None;
    for _ in 0..PASSES {
        let ms = once(conn, &statements).ok()?;
        least = Some(least.map_or(ms, |known: f64| known.min(ms)));
    }
    let _ = conn.execute_batch("DROP TABLE IF EXISTS temp.kaizen_sample");
    least
}

fn once(conn: &Connection, statements: &[String; 2]) -> rusqlite::Result<f64> {
    conn.execute_batch("BEGIN")?;
    let started = Instant::now();
    let written = statements.iter().try_for_each(|sql| conn.execute(sql, []).map(drop));
    let elapsed = started.elapsed();
    if !conn.is_autocommit() {
        conn.execute_batch("ROLLBACK")?;
    }
    written.map(|()| elapsed.as_secs_f64() * 1e3)
}

/// Fills `temp.kaizen_sample` and answers with the DELETE and the INSERT.
fn statements(conn: &Connection, table: &Table) -> rusqlite::Result<[String; 2]> {
    let key = key(conn, table)?;
    let columns: Vec<String> = conn
        .prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE hidden = 0")?
        .query_map([&table.name], |row| Ok(quote(&row.get::<_, String>(0)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let (all, keys) = (columns.join(", "), key.join(", "));
    let keyed: Vec<String> = (0..key.len()).map(|at| format!("kaizen_key_{at}")).collect();
    let aliased: Vec<String> =
        key.iter().zip(&keyed).map(|(key, alias)| format!("{key} AS {alias}")).collect();
    let (keyed, aliased, name) = (keyed.join(", "), aliased.join(", "), quote(&table.name));
    let rows: i64 =
        conn.query_row(&format!("SELECT count(*) FROM main.{name}"), [], |row| row.get(0))?;
    let step = (rows / ROWS).max(1);
    conn.execute_batch(&format!(
        "DROP TABLE IF EXISTS temp.kaizen_sample;
         CREATE TEMP TABLE kaizen_sample AS SELECT {keyed}, {all} FROM (
             SELECT {aliased}, {all}, row_number() OVER (ORDER BY {keys}) AS kaizen_row
             FROM main.{name}) WHERE kaizen_row % {step} = 0 LIMIT {ROWS}"
    ))?;
    Ok([
        format!(
            "DELETE FROM main.{name} WHERE ({keys}) IN (SELECT {keyed} FROM temp.kaizen_sample)"
        ),
        format!("INSERT INTO main.{name} ({all}) SELECT {all} FROM temp.kaizen_sample"),
    ])
}

/// What names a row: the primary key of a table without rowid, else the rowid.
fn key(conn: &Connection, table: &Table) -> rusqlite::Result<Vec<String>> {
    if !table.without_rowid {
        return Ok(vec!["rowid".to_owned()]);
    }
    conn.prepare("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?
        .query_map([&table.name], |row| Ok(quote(&row.get::<_, String>(0)?)))?
        .collect()
}
