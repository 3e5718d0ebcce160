//! `kaizen init`: a project with a workflow that works as it stands.

use crate::{
    args::Init,
    failure::{Failure, exit},
    output::Out,
    render::style::{WARN, paint},
};
use kaizen_engine::workflow::{self, Definition, Policy};
use kaizen_steps::{
    adapters::{
        git::Repo,
        process::{Command, Exit},
    },
    project::POLICY_FILE,
    targets::sqlite::{Workload, database::Database},
};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

const WORKFLOW: &str = "workflows/sqlite-index-tuning.toml";
const SQLSERVER: &str = "workflows/sqlserver-index-tuning.toml";
const SAMPLE: &str = "workload/sample.sql";

pub fn run(args: &Init, dir: Option<&Path>, out: Out) -> Result<u8, Failure> {
    let here = fs::canonicalize(dir.unwrap_or(Path::new(".")))
        .map_err(|e| Failure::usage("no_directory", e.to_string()))?;
    let repo = Repo::open(&here)?;
    let root = fs::canonicalize(repo.root()).unwrap_or_else(|_| repo.root().to_owned());
    repo.head(None)?;
    if let (Some(name), Some(database)) = (&args.sqlserver, &args.database) {
        return sqlserver(&root, name, database, args.commit, out);
    }
    for taken in [POLICY_FILE, WORKFLOW] {
        if root.join(taken).exists() {
            let message = format!(
                "{} is there already, and nothing is overwritten",
                root.join(taken).display()
            );
            return Err(
                Failure::usage("already_set_up", message).next(format!("kaizen start {WORKFLOW}"))
            );
        }
    }
    let again = |failure: Failure| failure.next("kaizen init --sqlite FILE --workload 'GLOB'");
    let sqlite = here.join(args.sqlite.clone().unwrap_or_default());
    let database = Database::open(&sqlite).map_err(Failure::from).map_err(again)?;
    let file = relative(&root, &sqlite);
    let globs: Vec<String> =
        args.workload.iter().map(|glob| relative_glob(&root, &here, glob)).collect();
    let queries = if globs.is_empty() {
        None
    } else {
        let workload = Workload::load(&root, &globs).map_err(Failure::from).map_err(again)?;
        workload.check(database.connection())?;
        Some(workload.queries.len())
    };
    let mut files = write(&root, &file, &globs)?;
    let tracked = repo.is_tracked(&file).unwrap_or(false);
    if ignore(&root)? {
        files.push(".gitignore".to_owned());
    }
    if args.commit {
        commit(&root, &files)?;
    }
    let answer = json!({ "root": root, "written": files, "queries": queries, "database_tracked": tracked, "committed": args.commit });
    out.answer(&answer, || people(&root, &files, &file, queries, tracked, args.commit));
    Ok(exit::DONE)
}

/// A workflow on a SQL Server; beside others, where there are some.
fn sqlserver(
    root: &Path,
    name: &str,
    database: &str,
    commits: bool,
    out: Out,
) -> Result<u8, Failure> {
    let text = Definition::sqlserver_template("sqlserver-index-tuning", name, database);
    // What is no slug is told of before anything is written.
    Definition::parse(&text).map_err(|error| {
        Failure::from(error).next("kaizen init --sqlserver shop --database Shop")
    })?;
    if root.join(SQLSERVER).exists() {
        let message = format!("{SQLSERVER} is there already, and nothing is overwritten");
        return Err(
            Failure::usage("already_set_up", message).next(format!("kaizen start {SQLSERVER}"))
        );
    }
    let mut files = vec![(SQLSERVER.to_owned(), text)];
    if !root.join(POLICY_FILE).exists() {
        files.push((POLICY_FILE.to_owned(), Policy::template().to_owned()));
    }
    let mut written = write_all(root, files)?;
    if ignore(root)? {
        written.push(".gitignore".to_owned());
    }
    if commits {
        commit(root, &written)?;
    }
    let variable = workflow::variable(name);
    let answer =
        json!({ "root": root, "written": written, "variable": variable, "committed": commits });
    out.answer(&answer, || {
        let mut text = format!("Set up in {}\n", root.display());
        text += &written.iter().map(|file| format!("  {file}\n")).collect::<String>();
        text += "\nNext:\n";
        if !commits {
            text += &format!("  git add {} && git commit -m 'Set up Kaizen'\n", written.join(" "));
        }
        text += &format!(
            "  kaizen sql grants observe --database {database}   # a login that can look, no more\n  \
             export {variable}='Server=tcp:HOST,1433;Database={database};User Id=kaizen_observe;Password=…'\n  \
             kaizen start {SQLSERVER}\n\nOr, where Kaizen may not connect:\n  \
             kaizen sql export --database {database} > export.sql\n"
        );
        text
    });
    Ok(exit::DONE)
}

fn write(root: &Path, database: &str, globs: &[String]) -> Result<Vec<String>, Failure> {
    let mut files = vec![
        (POLICY_FILE.to_owned(), Policy::template().to_owned()),
        (WORKFLOW.to_owned(), {
            let sample = vec!["workload/*.sql".to_owned()];
            let globs = if globs.is_empty() { &sample } else { globs };
            Definition::template("sqlite-index-tuning", database, globs)
        }),
    ];
    if globs.is_empty() && !root.join(SAMPLE).exists() {
        files.push((SAMPLE.to_owned(), include_str!("sample.sql").to_owned()));
    }
    write_all(root, files)
}

fn write_all(root: &Path, files: Vec<(String, String)>) -> Result<Vec<String>, Failure> {
    for (name, text) in &files {
        let path = root.join(name);
        let failed = |e: std::io::Error| {
            Failure {
                exit: exit::FAILED,
                ..Failure::usage("read_only", format!("{}: {e}", path.display()))
            }
            .next("ls -ld .")
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::write(&path, text).map_err(failed)?;
    }
    Ok(files.into_iter().map(|(name, _)| name).collect())
}

/// Keeps the journal out of git. True where `.gitignore` had to be changed.
fn ignore(root: &Path) -> Result<bool, Failure> {
    let path = root.join(".gitignore");
    let text = fs::read_to_string(&path).unwrap_or_default();
    if text
        .lines()
        .any(|line| matches!(line.trim(), ".kaizen" | ".kaizen/" | "/.kaizen/" | "/.kaizen"))
    {
        return Ok(false);
    }
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    fs::write(&path, format!("{text}{gap}.kaizen/\n"))
        .map_err(|e| Failure::usage("read_only", format!("{}: {e}", path.display())))?;
    Ok(true)
}

fn commit(root: &Path, files: &[String]) -> Result<(), Failure> {
    let git = |words: &[&str]| -> Result<(), Failure> {
        let mut argv = vec!["git".to_owned()];
        argv.extend(words.iter().map(|word| (*word).to_owned()));
        argv.push("--".to_owned());
        argv.extend(files.iter().cloned());
        let mut command = Command::new(argv, root, Duration::from_secs(60));
        command.env_allow.push("GIT_*".to_owned());
        let output = command.run()?;
        match output.status {
            Exit::Code(0) => Ok(()),
            Exit::Code(_) | Exit::Signal(_) | Exit::TimedOut => {
                let why = output.stderr_text() + &output.stdout_text();
                Err(Failure::usage("commit", format!("git did not commit: {}", why.trim()))
                    .next("git status"))
            }
        }
    };
    git(&["add"])?;
    git(&["commit", "--quiet", "-m", "Set up Kaizen"])
}

fn people(
    root: &Path,
    files: &[String],
    database: &str,
    queries: Option<usize>,
    tracked: bool,
    committed: bool,
) -> String {
    let mut text = format!("Set up in {}\n", root.display());
    for file in files {
        text += &format!("  {file}\n");
    }
    if tracked {
        text += &format!(
            "\n{} {database} is tracked by git: every write to it changes a tracked file, which \
             blocks --apply.\n  git rm --cached {database} && echo {database} >> .gitignore\n",
            paint(WARN, "warning:")
        );
    }
    text += "\nNext:\n";
    if let Some(queries) = queries {
        if !committed {
            text += &format!("  git add {} && git commit -m 'Set up Kaizen'\n", files.join(" "));
        }
        text += &format!(
            "  kaizen start {WORKFLOW}      {queries} queries; a dry run, nothing is deployed\n"
        );
    } else {
        text += &format!(
            "  write the queries that count into {SAMPLE} (it says how), then:\n  kaizen start {WORKFLOW}\n"
        );
    }
    text
}

/// A path as the workflow names it: relative to the root where it lies within.
fn relative(root: &Path, path: &Path) -> String {
    let full = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    full.strip_prefix(root).unwrap_or(&full).to_string_lossy().replace('\\', "/")
}

/// A glob typed in a folder below the root, as seen from the root.
fn relative_glob(root: &Path, here: &Path, glob: &str) -> String {
    if Path::new(glob).is_absolute() {
        let path = PathBuf::from(glob);
        return path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
    }
    let below = here.strip_prefix(root).unwrap_or(Path::new(""));
    let glob = glob.strip_prefix("./").unwrap_or(glob);
    below.join(glob).to_string_lossy().replace('\\', "/")
}
