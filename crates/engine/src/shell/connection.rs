//! Opening the journal: pragmas set and read back, versions checked, migrations serialised.
//!
//! A misspelt pragma is silently ignored by SQLite, so each is read back; anything unexpected
//! refuses to open.

use super::{
    crash_point,
    error::Error,
    turnstile::{self, Turnstile},
};
use rusqlite::{Connection, OpenFlags};
use std::{
    fs,
    path::{Path, PathBuf},
};

mod migrations {
    refinery::embed_migrations!("../../sql/journal");
}

/// The schema version of this engine's journal.
pub const SCHEMA_VERSION: i64 = 4;

/// `SQLITE_IOERR_SHMSIZE`.
const SHM_SIZE: i32 = 4874;

/// Opens the journal for writing, creating and migrating it where needed.
///
/// # Errors
/// Where it is no journal, of a newer version, cannot be written or not made durable.
pub(super) fn open_writer(path: &Path) -> Result<(Connection, Turnstile), Error> {
    check_sqlite()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder).map_err(|e| Error::unwritable(path, &e))?;
    }
    // SQLite's own waiting fails at creation: one process at a time in here.
    let turnstile = Turnstile::beside(path)?;
    let turn = turnstile.enter()?;
    let mut db = Connection::open(path).map_err(|e| explain(path, e))?;
    db.busy_handler(Some(turnstile::look_again))?;
    if db.is_readonly(rusqlite::MAIN_DB)? {
        let why = "the file or its folder is read-only".to_owned();
        return Err(Error::ReadOnly { path: path.to_owned(), why });
    }
    check_ours(&db, path)?;
    set(&db, path, "journal_mode", "WAL", "wal")?;
    set(&db, path, "synchronous", "FULL", "2")?;
    set(&db, path, "foreign_keys", "ON", "1")?;
    if cfg!(target_os = "macos") {
        set(&db, path, "fullfsync", "ON", "1")?;
        set(&db, path, "checkpoint_fullfsync", "ON", "1")?;
    }
    crash_point::reach("journal.opened");
    if version(&db, path)? < SCHEMA_VERSION {
        migrations::migrations::runner()
            .run(&mut db)
            .map_err(|e| Error::Migration(e.to_string()))?;
    }
    crash_point::reach("journal.migrated");
    name(&db)?;
    drop(turn);
    db.set_prepared_statement_cache_capacity(64);
    Ok((db, turnstile))
}

/// A journal gets its identity once, when it is made.
fn name(db: &Connection) -> Result<(), Error> {
    let named: i64 = db.query_row("SELECT count(*) FROM meta", [], |row| row.get(0))?;
    if named == 0 {
        let sql = "INSERT INTO meta (id, journal_id) VALUES (1, ?1)";
        db.execute(sql, [uuid::Uuid::now_v7().to_string()])?;
    }
    Ok(())
}

/// Opens an existing journal for reading only: never creates, never migrates.
///
/// # Errors
/// Where there is none, or it is no journal of this version.
pub fn open_reader(path: &Path) -> Result<Connection, Error> {
    check_sqlite()?;
    if !path.exists() {
        return Err(Error::Missing(path.to_owned()));
    }
    if is_empty(path) {
        let why = "the file is empty: its events are gone, or it was never begun";
        return Err(Error::Corrupt(format!("{}: {why}", path.display())));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(|e| explain(path, e))?;
    db.busy_handler(Some(turnstile::look_again))?;
    check_ours(&db, path)?;
    let found = version(&db, path)?;
    if found < SCHEMA_VERSION && unborn(&db)? {
        return Err(Error::Missing(path.to_owned()));
    }
    if found < SCHEMA_VERSION {
        return Err(Error::Older { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    db.set_prepared_statement_cache_capacity(64);
    Ok(db)
}

/// A process that was killed while it made the journal leaves a database without a table. An
/// empty file is something else: a journal that somebody has truncated.
fn unborn(db: &Connection) -> Result<bool, Error> {
    let sql = "SELECT page_count > 0 AND NOT EXISTS (SELECT 1 FROM sqlite_schema) \
               FROM pragma_page_count";
    Ok(db.query_row(sql, [], |row| row.get(0))?)
}

/// Translates what SQLite says into what a person can act on.
pub(super) fn explain(path: &Path, error: rusqlite::Error) -> Error {
    use rusqlite::ErrorCode;
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            Error::NotAJournal { path, why: "it is no SQLite database".to_owned() }
        }
        Some(ErrorCode::DatabaseCorrupt) => Error::Corrupt(format!("{}: {error}", path.display())),
        // The index of the write-ahead log could not be made larger: SQLite calls that I/O.
        _ if error.sqlite_error().is_some_and(|e| e.extended_code == SHM_SIZE) => {
            Error::DiskFull(path)
        }
        Some(ErrorCode::DiskFull) => Error::DiskFull(path),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            Error::ReadOnly { path, why: error.to_string() }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Busy,
        _ => error.into(),
    }
}

fn check_sqlite() -> Result<(), Error> {
    if rusqlite::version_number() < 3_051_003 {
        return Err(Error::OldSqlite(rusqlite::version().to_owned()));
    }
    Ok(())
}

/// An empty file becomes a journal; a database of something else is left alone, even where it
/// has a table of a name that ours has too. Only the migrations' own table: creation was cut off.
fn check_ours(db: &Connection, path: &Path) -> Result<(), Error> {
    let counts = "SELECT \
         count(*) FILTER (WHERE type = 'table' AND name IN ('meta', 'runs', 'events', 'inbox')), \
         count(*) FILTER (WHERE tbl_name <> 'refinery_schema_history') FROM sqlite_schema";
    let (ours, others): (i64, i64) = db
        .query_row(counts, [], |row| Ok((row.get(0)?, row.get(1)?)))
        .map_err(|e| explain(path, e))?;
    if ours < 4 && others > 0 {
        let why = "it is a SQLite database of something else".to_owned();
        return Err(Error::NotAJournal { path: path.to_owned(), why });
    }
    let found = version(db, path)?;
    if found > SCHEMA_VERSION {
        return Err(Error::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    Ok(())
}

/// Nothing in the file, nor in its write-ahead log. A writer begins anew there: a process that is
/// killed while it makes the journal leaves just that.
fn is_empty(path: &Path) -> bool {
    let length = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    length(path) == 0 && length(&PathBuf::from(format!("{}-wal", path.display()))) == 0
}

/// `PRAGMA user_version`: the number of the last migration.
pub(super) fn version(db: &Connection, path: &Path) -> Result<i64, Error> {
    let version = db
        .prepare_cached("PRAGMA user_version")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)));
    version.map_err(|e| explain(path, e))
}

fn set(
    db: &Connection,
    path: &Path,
    pragma: &'static str,
    value: &str,
    expected: &str,
) -> Result<(), Error> {
    db.pragma_update(None, pragma, value).map_err(|e| explain(path, e))?;
    let answer: rusqlite::types::Value =
        db.pragma_query_value(None, pragma, |row| row.get(0)).map_err(|e| explain(path, e))?;
    let answer = match answer {
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text,
        other => format!("{other:?}"),
    };
    if answer != expected {
        return Err(Error::Pragma { path: path.to_owned(), pragma, answer });
    }
    Ok(())
}
