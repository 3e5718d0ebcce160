//! A small project to run the real binary on: a git repository, a SQLite database with one query
//! that an index would help by far, and a workload.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

mod standing;

use rusqlite::Connection;
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tempfile::TempDir;

/// The workflow that `init` writes.
pub const WORKFLOW: &str = "workflows/sqlite-index-tuning.toml";

/// Rows of the big table: enough that an index is a clear win, few enough to be quick.
pub const ROWS: u32 = 20_000;

/// Edits of the workflow that make it quick, and its verdicts the same on a busy machine.
const BLURRED_BY_NOTHING: &[(&str, &str)] = &[
    ("repetitions = 3 ", "repetitions = 1 "),
    ("min_improvement_pct = 10 ", "min_improvement_pct = 60 "),
    ("max_regression_pct = 10 ", "max_regression_pct = 200 "),
    ("max_write_cost_pct = 200 ", "max_write_cost_pct = 100000 "),
];

/// A project in a temporary directory.
pub struct Project {
    dir: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("no JSON ({e}) in {}\n{}", self.stdout, self.stderr))
    }

    /// Asserts the exit code, showing everything where it is another.
    pub fn exits(self, code: i32) -> Ran {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

impl Project {
    /// Repository, database and workload, set up by `kaizen init` and committed; quick and with
    /// wide limits.
    pub fn new() -> Project {
        let project = Project::bare();
        project.init_with(BLURRED_BY_NOTHING);
        project
    }

    /// The same with what `init` writes, unchanged.
    pub fn unchanged() -> Project {
        let project = Project::bare();
        project.init_with(&[]);
        project
    }

    fn init_with(&self, edits: &[(&str, &str)]) {
        self.kaizen(&["init", "--sqlite", "app.db", "--workload", "workload/*.sql"]).exits(0);
        let mut text = self.read(WORKFLOW);
        for (from, to) in edits {
            assert!(text.contains(from), "{from:?} is not in the workflow");
            text = text.replace(from, to);
        }
        self.write(WORKFLOW, &text);
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", "Set up Kaizen"]);
    }

    /// A repository with nothing in it.
    pub fn empty() -> Project {
        let project = Project { dir: TempDir::new().unwrap() };
        project.git(&["init", "-q", "-b", "main"]);
        project.git(&["config", "user.name", "Test"]);
        project.git(&["config", "user.email", "test@localhost"]);
        project.git(&["commit", "-q", "--allow-empty", "-m", "Begin"]);
        project
    }

    /// The same before `kaizen init`.
    pub fn bare() -> Project {
        Project::bare_in(&std::env::temp_dir())
    }

    fn bare_in(folder: &Path) -> Project {
        let project = Project { dir: TempDir::new_in(folder).unwrap() };
        project.git(&["init", "-q", "-b", "main"]);
        project.git(&["config", "user.name", "Test"]);
        project.git(&["config", "user.email", "test@localhost"]);
        project.write(".gitignore", "app.db*\n");
        project.write(
            "workload/by_owner.sql",
            "-- name: by_owner\n-- weight: 10\nSELECT count(*), sum(amount) FROM item WHERE owner = 77;\n\
             \n-- name: by_id\nSELECT owner, amount FROM item WHERE id = 4711;\n",
        );
        let db = project.db();
        db.execute_batch(&format!(
            "CREATE TABLE item (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL, amount INTEGER NOT NULL, note TEXT NOT NULL);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
             INSERT INTO item SELECT i, (i * 7919) % 500, (i * 104729) % 1000, 'note ' || (i % 97) || ' of some length' FROM n;"
        ))
        .unwrap();
        project.git(&["add", "-A"]);
        project.git(&["commit", "-qm", "Begin"]);
        project
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.file(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap()
    }

    /// Replaces text in the workflow; it must be there.
    pub fn edit_workflow(&self, from: &str, to: &str) {
        let text = self.read(WORKFLOW);
        assert!(text.contains(from), "{from:?} is not in the workflow");
        self.write(WORKFLOW, &text.replace(from, to));
        self.git(&["commit", "-qam", "Change the workflow"]);
    }

    /// The target database.
    pub fn db(&self) -> Connection {
        Connection::open(self.file("app.db")).unwrap()
    }

    /// Names of the target's indexes.
    pub fn indexes(&self) -> Vec<String> {
        let db = self.db();
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'index' AND name NOT LIKE 'sqlite_%' ORDER BY name";
        let mut statement = db.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    pub fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git").args(args).current_dir(self.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    }

    /// The real binary, not yet started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kaizen"));
        command
            .args(args)
            .current_dir(self.path())
            .env("NO_COLOR", "1")
            .env_remove("KAIZEN_CRASH_AT")
            .env_remove("KAIZEN_SQLSERVER");
        command
    }

    pub fn kaizen(&self, args: &[&str]) -> Ran {
        ran(&self.command(args).output().unwrap())
    }

    /// Writes a change file and returns its name.
    pub fn change(&self, name: &str, text: &str) -> String {
        self.write(name, text);
        name.to_owned()
    }
}

pub fn ran(output: &Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A change that helps the project's slow query by far.
pub const HELPFUL: &str = "title = \"Find items by owner\"\n\
    up = \"CREATE INDEX item_owner ON item (owner);\"\n\
    down = \"DROP INDEX item_owner;\"\n";

/// A change that makes `newest` walk a whole index instead of stopping after ten rows.
pub const HARMFUL: &str = "title = \"Index the flag\"\n\
    up = \"CREATE INDEX item_flag ON item (flag, note);\"\n\
    down = \"DROP INDEX item_flag;\"\n";

impl Project {
    /// As [`Project::new`], with a query that [`HARMFUL`] makes many times slower.
    pub fn quick() -> Project {
        Project::quick_in(&std::env::temp_dir())
    }

    /// The same in a folder within this one.
    pub fn quick_in(folder: &Path) -> Project {
        let project = Project::bare_in(folder);
        project
            .db()
            .execute_batch("ALTER TABLE item ADD COLUMN flag INTEGER NOT NULL DEFAULT 1;")
            .unwrap();
        project.write(
            "workload/newest.sql",
            "-- name: newest\nSELECT id, owner, amount FROM item WHERE flag = 1 ORDER BY id LIMIT 100;\n",
        );
        project.init_with(BLURRED_BY_NOTHING);
        project
    }

    /// Starts a run with this change that waits for an approval.
    pub fn waiting(&self, change: &str) {
        let file = self.change("change.toml", change);
        self.kaizen(&["start", WORKFLOW, "--apply", "--change", &file]).exits(3);
    }

    /// Starts, approves and finishes a run with this change; its JSON.
    pub fn run_to_end(&self, change: &str, run: &str) -> Ran {
        self.waiting(change);
        self.kaizen(&["approve", run, "--reason", "tested", "--resume", "--json"])
    }

    /// The rows of the schema but for Kaizen's own, and one line for all rows of the table.
    pub fn contents(&self) -> Vec<String> {
        let db = self.db();
        let rows = |sql: &str| -> Vec<String> {
            let mut statement = db.prepare(sql).unwrap();
            let columns = statement.column_count();
            let text = |row: &rusqlite::Row<'_>| {
                let values = (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at));
                values.collect::<Result<Vec<_>, _>>().map(|values| format!("{values:?}"))
            };
            statement.query_map([], text).unwrap().map(Result::unwrap).collect()
        };
        let mut all = rows(
            "SELECT type, name, tbl_name, sql FROM sqlite_schema \
             WHERE tbl_name <> 'kaizen_applied' ORDER BY type, name",
        );
        use std::hash::{DefaultHasher, Hash, Hasher};
        let (items, mut hasher) = (rows("SELECT * FROM item ORDER BY id"), DefaultHasher::new());
        items.hash(&mut hasher);
        all.push(format!("item: {} rows, {:x}", items.len(), hasher.finish()));
        all
    }

    /// The journal, for reading.
    pub fn journal(&self) -> Connection {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        Connection::open_with_flags(self.file(".kaizen/journal.db"), flags).unwrap()
    }
}

impl Project {
    /// Replaces text in `kaizen.toml`; it must be there.
    pub fn edit_policy(&self, from: &str, to: &str) {
        let text = self.read("kaizen.toml");
        assert!(text.contains(from), "{from:?} is not in kaizen.toml");
        self.write("kaizen.toml", &text.replace(from, to));
        self.git(&["commit", "-qam", "Change the policy"]);
    }

    /// The JSON of a run.
    pub fn show(&self, run: &str) -> Value {
        self.kaizen(&["show", run, "--json"]).exits(0).json()
    }

    /// Whether the run comes to this status within half a minute.
    pub fn waits_for(&self, run: &str, status: &str) -> bool {
        (0..300).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(100));
            self.show(run)["status"] == status
        })
    }

    /// Writes the write-ahead log back, so that the journal is one file.
    pub fn checkpoint(&self) {
        let db = Connection::open(self.file(".kaizen/journal.db")).unwrap();
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    }

    /// The events of one kind of a run, with their bodies.
    pub fn events(&self, run: &str, kind: &str) -> Vec<Value> {
        let all = self.kaizen(&["audit", run, "--json"]).exits(0).json();
        all.as_array().unwrap().iter().filter(|event| event["kind"] == kind).cloned().collect()
    }
}

impl Ran {
    /// The code of the error that the command ended with.
    pub fn error(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or("none").to_owned()
    }
}

/// Text for people without what differs from run to run: times, ids, digests, measured numbers.
/// The padding within lines goes too: it depends on how wide the numbers were.
pub fn redacted(text: &str) -> String {
    text.lines().map(|line| redacted_line(line) + "\n").collect()
}

fn redacted_line(line: &str) -> String {
    let indent = line.len() - line.trim_start().len();
    let words: Vec<&str> = line.split_whitespace().collect();
    let replaced: Vec<String> = words
        .iter()
        .enumerate()
        .map(|(at, word)| {
            let next = words.get(at + 1).copied().unwrap_or_default();
            redacted_word(word, next)
        })
        .collect();
    let text = format!("{}{}", &line[..indent], replaced.join(" "));
    // Whether noise helped or harmed is noise too.
    if let Some(at) = text.find("control, the same against the same:") {
        return format!("{}control, the same against the same: NOISE", &text[..at]);
    }
    text.replace("DATE TIME", "TIME")
}

fn redacted_word(word: &str, next: &str) -> String {
    let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '+' && c != '-');
    let core = core.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    let is = |shape: &str| {
        core.len() >= shape.len()
            && core
                .bytes()
                .zip(shape.bytes())
                .all(|(c, s)| if s == b'0' { c.is_ascii_digit() } else { c == s })
    };
    let hex = core.bytes().all(|c| c.is_ascii_hexdigit() || c == b'-');
    let measured =
        matches!(next.trim_end_matches([',', ';', ')', ':']), "ms" | "%" | "MiB" | "KiB");
    let new = if is("0000-00-00T00:00:00") || is("00:00:00") {
        "TIME"
    } else if is("0000-00-00") {
        "DATE"
    } else if core.len() >= 12 && hex && core.bytes().any(|c| c.is_ascii_digit()) {
        "HEX"
    } else if core.parse::<f64>().is_ok() && (core.contains('.') || measured) {
        "N"
    } else {
        return word.to_owned();
    };
    word.replacen(core, new, 1)
}
