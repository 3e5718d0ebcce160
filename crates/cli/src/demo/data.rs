//! The sample database: TPC-H rows in SQLite, loaded in one transaction.
//!
//! Money is stored as INTEGER cents, discounts and taxes as INTEGER percent: sums of integers are
//! the same in whatever order an index makes SQLite read the rows, sums of REAL are not, and
//! Kaizen compares results by hash. The schema is the sample project's first migration; planner
//! statistics are deliberately absent, as they are in most databases in the field.

use super::{Error, project, tables};
use rusqlite::Connection;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Scales that can be generated: below, tables have hardly a row; above, nobody waits for a demo.
pub const SCALES: RangeInclusive<f64> = 0.001..=1.0;

/// What was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Table and number of rows, in the order they were loaded.
    pub tables: Vec<(&'static str, u64)>,
    /// Size of the file.
    pub bytes: u64,
}

impl Stats {
    /// Rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|(_, rows)| rows).sum()
    }
}

/// Makes the sample database at `path`, which must not exist, at a scale within [`SCALES`].
/// `progress` is told each table before it is loaded. The same scale gives the same rows.
///
/// The file appears under its name only when it is whole.
///
/// # Errors
/// [`Error::Exists`], [`Error::Scale`], or what SQLite or the file system says.
pub fn build_database(path: &Path, scale: f64, progress: &dyn Fn(&str)) -> Result<Stats, Error> {
    if !SCALES.contains(&scale) {
        return Err(Error::Scale(scale));
    }
    let parts = unfinished(path);
    for taken in [path, &parts] {
        if taken.exists() {
            return Err(Error::Exists(taken.to_owned()));
        }
    }
    let tables = load(&parts, scale, progress).map_err(|source| {
        // What is half written is of no use to anybody; the first error is the one to report.
        let _ = std::fs::remove_file(&parts);
        Error::Database { path: path.to_owned(), source }
    })?;
    let finish = || {
        std::fs::rename(&parts, path)?;
        std::fs::metadata(path).map(|file| file.len())
    };
    let bytes = finish().map_err(|source| Error::File { path: path.to_owned(), source })?;
    Ok(Stats { tables, bytes })
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".unfinished");
    path.with_file_name(name)
}

fn load(
    path: &Path,
    scale: f64,
    progress: &dyn Fn(&str),
) -> Result<Vec<(&'static str, u64)>, rusqlite::Error> {
    let mut connection = Connection::open(path)?;
    // Nothing is lost with the file when this is interrupted, so it need not survive a crash
    // until it is whole; foreign keys hold by construction and are checked by the tests.
    connection.execute_batch(include_str!("load.sql"))?;
    connection.execute_batch(project::SCHEMA)?;
    let transaction = connection.transaction()?;
    let loaded = tables::load_all(&transaction, scale, progress)?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| error)?;
    sync(path);
    Ok(loaded)
}

/// Best effort: a file system that cannot sync still serves a demo.
fn sync(path: &Path) {
    if let Ok(file) = std::fs::OpenOptions::new().write(true).open(path) {
        let _ = file.sync_all();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use std::cell::RefCell;

    fn built(scale: f64) -> (tempfile::TempDir, PathBuf, Stats) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.db");
        let stats = build_database(&path, scale, &|_| ()).unwrap();
        (dir, path, stats)
    }

    #[test]
    fn the_database_has_every_row_and_every_reference_holds() {
        let (_dir, path, stats) = built(0.001);
        let connection = Connection::open(&path).unwrap();
        for (table, rows) in &stats.tables {
            let sql = format!("SELECT count(*) FROM {table}");
            let found: i64 = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
            assert_eq!(u64::try_from(found).unwrap(), *rows, "{table}");
            assert!(*rows > 0, "{table}");
        }
        let mut check = connection.prepare("PRAGMA foreign_key_check").unwrap();
        assert!(!check.exists([]).unwrap());
        assert_eq!(stats.bytes, std::fs::metadata(&path).unwrap().len());
        assert_eq!(stats.tables.len(), 8);
        assert_eq!(stats.tables.last(), Some(&("lineitem", 6005)), "as TPC-H says for this scale");
    }

    #[test]
    fn money_is_whole_cents_and_dates_are_iso_text() {
        let (_dir, path, _) = built(0.001);
        let connection = Connection::open(&path).unwrap();
        let sql = "SELECT count(*) FROM lineitem WHERE typeof(l_extendedprice) <> 'integer' \
                   OR typeof(l_discount) <> 'integer' OR date(l_shipdate) IS NOT l_shipdate";
        let odd: i64 = connection.query_row(sql, [], |row| row.get(0)).unwrap();
        assert_eq!(odd, 0);
        let price: i64 = connection
            .query_row("SELECT p_retailprice FROM part WHERE p_partkey = 1", [], |row| row.get(0))
            .unwrap();
        assert_eq!(price, 90_100);
    }

    #[test]
    fn the_same_scale_gives_the_same_bytes() {
        let (_one, first, _) = built(0.001);
        let (_two, second, _) = built(0.001);
        assert_eq!(std::fs::read(first).unwrap(), std::fs::read(second).unwrap());
    }

    #[test]
    fn progress_names_each_table_before_it_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let told = RefCell::new(Vec::new());
        let note = |text: &str| told.borrow_mut().push(text.to_owned());
        let stats = build_database(&dir.path().join("app.db"), 0.001, &note).unwrap();
        let names: Vec<_> = stats.tables.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(told.into_inner(), names);
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_half_done_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.db");
        std::fs::write(&path, "mine").unwrap();
        assert!(matches!(build_database(&path, 0.001, &|_| ()), Err(Error::Exists(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        let other = dir.path().join("other.db");
        for scale in [0.0, -1.0, 7.0, f64::NAN] {
            assert!(matches!(build_database(&other, scale, &|_| ()), Err(Error::Scale(_))));
        }
        let missing = dir.path().join("no/such/dir/app.db");
        assert!(matches!(build_database(&missing, 0.001, &|_| ()), Err(Error::Database { .. })));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
