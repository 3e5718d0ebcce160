//! What SQLite says, in SQL Server's numbers: one table, so that a client's classes of error can be
//! tested. Not here: who rolls back after an error (`engine`).

use rusqlite::ffi;
use std::fmt;

/// Opens a message that carries its own number, from a trigger or a function: SQLite passes text on
/// and nothing else.
const MARK: char = '\u{1}';

/// An error as the ERROR token carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    pub number: u32,
    pub state: u8,
    pub class: u8,
    pub message: String,
    /// Line of the batch, from one; zero where unknown.
    pub line: u32,
}

impl SqlError {
    pub fn new(number: u32, class: u8, message: impl Into<String>) -> Self {
        Self { number, state: 1, class, message: message.into(), line: 0 }
    }

    pub fn syntax(near: &str) -> Self {
        Self::new(102, 15, format!("Incorrect syntax near '{near}'."))
    }

    pub fn undeclared(variable: &str) -> Self {
        Self::new(137, 15, format!("Must declare the scalar variable \"{variable}\"."))
    }

    /// What this double does not do; loud, so that no test passes by accident.
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(50000, 16, format!("the stand-in does not support {what}"))
    }

    /// As text that [`SqlError::from`] reads again after SQLite has carried it.
    pub fn marked(&self) -> String {
        format!("{MARK}{}|{}|{}|{}", self.number, self.state, self.class, self.message)
    }

    /// From a function that SQLite calls.
    pub fn raised(self) -> rusqlite::Error {
        rusqlite::Error::UserFunctionError(self.marked().into())
    }

    fn unmarked(text: &str) -> Option<Self> {
        let rest = text.split_once(MARK)?.1;
        let mut parts = rest.splitn(4, '|');
        Some(Self {
            number: parts.next()?.parse().ok()?,
            state: parts.next()?.parse().ok()?,
            class: parts.next()?.parse().ok()?,
            message: parts.next()?.to_owned(),
            line: 0,
        })
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (class {}): {}", self.number, self.class, self.message)
    }
}

impl std::error::Error for SqlError {}

impl From<rusqlite::Error> for SqlError {
    fn from(error: rusqlite::Error) -> Self {
        let (code, text) = match &error {
            rusqlite::Error::SqliteFailure(code, text) => {
                (code.extended_code, text.clone().unwrap_or_else(|| code.to_string()))
            }
            rusqlite::Error::SqlInputError { error, msg, .. } => (error.extended_code, msg.clone()),
            other => (0, other.to_string()),
        };
        if let Some(marked) = Self::unmarked(&text) {
            return marked;
        }
        if code == ffi::SQLITE_BUSY || code == ffi::SQLITE_BUSY_SNAPSHOT {
            return Self::new(1222, 16, "Lock request time out period exceeded.");
        }
        let after = |opening: &str| text.strip_prefix(opening).map(str::to_owned);
        if let Some(columns) = after("UNIQUE constraint failed: ") {
            return unique(&columns);
        }
        if let Some(column) = after("NOT NULL constraint failed: ") {
            return not_null(&column);
        }
        if let Some(name) = after("CHECK constraint failed: ") {
            return check(&name);
        }
        if text.starts_with("FOREIGN KEY constraint failed") {
            return Self::new(
                547,
                16,
                "The statement conflicted with a FOREIGN KEY constraint in database \"kaizen\".",
            );
        }
        named(&text).unwrap_or_else(|| Self::new(50000, 16, text))
    }
}

/// Errors whose text names something: opening, number, class, and the message about that name.
fn named(text: &str) -> Option<SqlError> {
    type Row = (&'static str, u32, u8, &'static str, &'static str);
    const TABLE: &[Row] = &[
        ("no such table: ", 208, 16, "Invalid object name '", "'."),
        ("no such view: ", 208, 16, "Invalid object name '", "'."),
        ("no such column: ", 207, 16, "Invalid column name '", "'."),
        ("no such index: ", 3701, 11, "Cannot drop the index '", "', because it does not exist."),
        ("no such trigger: ", 3701, 11, "Cannot drop the trigger '", "', as it does not exist."),
        ("no such function: ", 195, 15, "'", "' is not a recognized built-in function name."),
        ("ambiguous column name: ", 209, 16, "Ambiguous column name '", "'."),
        ("incomplete input", 102, 15, "Incorrect syntax near the end", "."),
    ];
    for (opening, number, class, before, after) in TABLE {
        if let Some(name) = text.strip_prefix(opening) {
            let name = name.strip_prefix("main.").unwrap_or(name);
            return Some(SqlError::new(*number, *class, format!("{before}{name}{after}")));
        }
    }
    if let Some(rest) = text.strip_prefix("near \"") {
        return Some(SqlError::syntax(rest.split('"').next().unwrap_or_default()));
    }
    if text.starts_with("table ") && text.contains(" has no column named ") {
        let name = text.rsplit(' ').next().unwrap_or_default();
        return Some(SqlError::new(207, 16, format!("Invalid column name '{name}'.")));
    }
    if text.ends_with(" already exists") {
        let name = text.trim_end_matches(" already exists").rsplit(' ').next().unwrap_or_default();
        let name = name.trim_matches('"').rsplit('.').next().unwrap_or_default();
        let message = format!("There is already an object named '{name}' in the database.");
        return Some(SqlError::new(2714, 16, message));
    }
    if text.contains(" values for ") || text.contains(" values were supplied") {
        let message = "Column name or number of supplied values does not match table definition.";
        return Some(SqlError::new(213, 16, message));
    }
    None
}

fn unique(columns: &str) -> SqlError {
    if columns.starts_with('~') {
        // The catalogue's own: something with that name is there.
        return SqlError::new(
            2714,
            16,
            "There is already an object with that name in the database.",
        );
    }
    let (table, _) = split_column(columns.split(", ").next().unwrap_or_default());
    let message = format!(
        "Violation of PRIMARY KEY or UNIQUE constraint on ({columns}). Cannot insert duplicate key \
         in object '{table}'."
    );
    SqlError::new(2627, 14, message)
}

fn not_null(column: &str) -> SqlError {
    let (table, column) = split_column(column);
    let message = format!(
        "Cannot insert the value NULL into column '{column}', table 'kaizen.{table}'; column does \
         not allow nulls. The statement fails."
    );
    SqlError { state: 2, ..SqlError::new(515, 16, message) }
}

/// The lengths of text columns are checks of ours, named `length:TABLE:COLUMN`.
fn check(name: &str) -> SqlError {
    if let Some((table, column)) = name.strip_prefix("length:").and_then(|n| n.split_once(':')) {
        return too_long(table, column);
    }
    let message = format!(
        "The statement conflicted with the CHECK constraint \"{name}\" in database \"kaizen\"."
    );
    SqlError { state: 0, ..SqlError::new(547, 16, message) }
}

/// Text longer than its column, as since SQL Server 2019.
pub fn too_long(table: &str, column: &str) -> SqlError {
    let message = format!(
        "String or binary data would be truncated in table 'kaizen.{table}', column '{column}'."
    );
    SqlError::new(2628, 16, message)
}

fn split_column(qualified: &str) -> (&str, &str) {
    qualified.rsplit_once('.').unwrap_or(("", qualified))
}
