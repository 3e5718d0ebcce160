//! How a project stands, and what must hold of every error: told alike to people and programs,
//! with a next command, and nothing lost or half done.

use super::Project;
use rusqlite::Connection;
use serde_json::Value;
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    process::Command,
};

/// What bad input must leave as it was, beside the list of runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Schema and rows, without Kaizen's own table; the bytes' hash where it is no database.
    pub database: String,
    /// Every commit on every branch.
    pub commits: String,
    /// Tracked files that differ from HEAD.
    pub changed: String,
}

impl Project {
    pub fn standing(&self) -> Standing {
        let history = |args: &[&str]| {
            let output = Command::new("git").args(args).current_dir(self.path()).output().unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        Standing {
            database: contents(&self.file("app.db")),
            commits: history(&["log", "--all", "--format=%H %s"]),
            changed: history(&["status", "--porcelain", "--untracked-files=no"]),
        }
    }

    /// Number, status and outcome of each run, newest first; nothing where no journal can be read.
    pub fn runs(&self) -> Vec<String> {
        let ran = self.kaizen(&["runs", "--json"]);
        let Ok(Value::Array(runs)) = serde_json::from_str(&ran.stdout) else { return Vec::new() };
        let word = |run: &Value, key: &str| run[key].as_str().unwrap_or("-").to_owned();
        let line = |run: &Value| {
            format!("r{} {} {}", run["number"], word(run, "status"), word(run, "outcome"))
        };
        runs.iter().map(line).collect()
    }

    /// A command that is refused before anything happens: the same error for people and for
    /// programs, each with a next command, and everything as it was, the list of runs included.
    /// Returns what people read.
    pub fn refuses(&self, args: &[&str], exit: i32, code: &str) -> String {
        let (standing, runs) = (self.standing(), self.runs());
        let read = self.complains(args, exit, code);
        assert_eq!(self.standing(), standing, "nothing may be half done");
        assert_eq!(self.runs(), runs, "no run may be left behind");
        if !runs.is_empty() {
            self.verifies();
        }
        read
    }

    /// The same error for people and for programs; looks at nothing else.
    pub fn complains(&self, args: &[&str], exit: i32, code: &str) -> String {
        let json = [args, &["--json"]].concat();
        let told = self.kaizen(&json).exits(exit);
        let error = told.json()["error"].clone();
        assert_eq!(error["code"], code, "{}", told.stdout);
        let ran = self.kaizen(args).exits(exit);
        let (message, next) = (error["message"].as_str().unwrap(), error["next"].as_str().unwrap());
        let read = self.tidy(&ran.stderr);
        for part in [message, next] {
            assert!(read.contains(&self.tidy(part)), "{part:?} is not in {read}");
        }
        assert!(read.lines().any(|line| line.starts_with("next:")), "no next command in {read}");
        read
    }

    /// A run that is started and ends badly: the error is told as above, nothing outside has
    /// changed, and the trail verifies. Returns what people read, progress left out.
    pub fn fails(&self, args: &[&str], exit: i32, code: &str) -> String {
        let standing = self.standing();
        let ran = self.kaizen(args).exits(exit);
        let read = self.tidy(&ran.stderr);
        let error = read.find("error:").map(|at| read[at..].to_owned());
        let error = error.unwrap_or_else(|| panic!("no error in {read}"));
        assert!(error.lines().any(|line| line.starts_with("next:")), "no next command in {read}");
        let told = self.kaizen(&[args, &["--json"]].concat()).exits(exit).json();
        assert_eq!(told["error"]["code"], code, "{told}");
        assert!(told["error"]["message"].is_string() && told["error"]["next"].is_string());
        assert_eq!(self.standing(), standing, "nothing may be half done");
        self.verifies();
        error
    }

    /// The trail adds up.
    pub fn verifies(&self) {
        let verified = self.kaizen(&["audit", "verify", "--json"]).exits(0);
        assert_eq!(verified.json()["ok"], true, "{}", verified.stdout);
    }

    /// Text without what differs from one test run to the next.
    pub fn tidy(&self, text: &str) -> String {
        let dir = self.path().canonicalize().unwrap();
        let text = text.replace(&dir.display().to_string(), "[dir]");
        let text = text.replace(&self.path().display().to_string(), "[dir]");
        let mut tidy = String::new();
        let mut word = String::new();
        for c in text.chars().chain(['\0']) {
            if c.is_ascii_hexdigit() || (c == '-' && !word.is_empty()) {
                word.push(c);
                continue;
            }
            let digits = word.chars().filter(char::is_ascii_digit).count();
            // Hashes and ids; never a plain word.
            tidy += if word.len() >= 12 && digits > 1 { "[id]" } else { &word };
            word.clear();
            if c != '\0' {
                tidy.push(c);
            }
        }
        tidy
    }
}

/// Schema and rows of a database, in an order that does not depend on how it came about.
fn contents(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    if !bytes.starts_with(b"SQLite format 3\0") {
        return format!("{} bytes {:?}", bytes.len(), bytes.iter().take(64).collect::<Vec<_>>());
    }
    let db = Connection::open(path).unwrap();
    let column = |sql: &str| -> Vec<String> {
        let mut statement = db.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let own = "name NOT LIKE 'sqlite_%' AND tbl_name <> 'kaizen_applied'";
    let mut text = column(&format!("SELECT sql FROM sqlite_schema WHERE {own} ORDER BY name"));
    for table in column(&format!("SELECT name FROM sqlite_schema WHERE type = 'table' AND {own}")) {
        let mut statement = db.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let width = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let (mut count, mut hash) = (0, DefaultHasher::new());
        while let Some(row) = rows.next().unwrap() {
            count += 1;
            for column in 0..width {
                format!("{:?}", row.get_ref(column).unwrap()).hash(&mut hash);
            }
        }
        text.push(format!("{table}: {count} rows, {:x}", hash.finish()));
    }
    text.join("\n")
}
