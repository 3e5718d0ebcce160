//! An external agent: a program in a scratch worktree, told everything on its standard input. It answers
//! with an object on its standard output, or by what it leaves in the worktree.
//!
//! It runs as the user, with the network, since it needs both: what it proposes is what is confined.

use crate::{
    adapters::{
        git::{Repo, unified_diff},
        process::{Command, Exit, Output},
    },
    designers::answer,
};
use kaizen_engine::digest::Digest;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Bytes kept of what it prints.
const OUTPUT_CAP: usize = 1 << 20;

/// Larger files are not read: no change set could hold them.
const LARGEST: u64 = 64 << 20;

/// What an agent is given.
#[derive(Debug)]
pub struct Agent<'a> {
    pub argv: &'a [String],
    /// Variables of the environment that it may see.
    pub env: &'a [String],
    pub timeout: Duration,
}

/// What it came to.
#[derive(Debug)]
pub struct Answered {
    /// The answer: the object, or one made of the worktree.
    pub text: String,
    pub stdout: String,
    pub stderr: String,
    /// New files that the workflow's paths do not cover, which are left out.
    pub left_out: Vec<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// It could not be started, or the worktree not read.
    NotRun(String),
    /// It ran and did not end as it should.
    Failed(String),
}

/// Runs the agent on the files of `commit`, which are put into `worktree`.
///
/// # Errors
/// Where it does not end with exit code 0 in time.
pub fn ask(
    agent: &Agent<'_>,
    repo: &Repo,
    commit: &str,
    worktree: &Path,
    brief: &[u8],
    allowed: &dyn Fn(&str) -> bool,
) -> Result<Answered, Error> {
    let not_run = |why: &dyn std::fmt::Display| Error::NotRun(why.to_string());
    let _ = fs::remove_dir_all(worktree);
    repo.export(commit, worktree).map_err(|e| not_run(&e))?;
    let before = seen(worktree, &|_| true).map_err(|e| not_run(&e))?;
    let mut command = Command::new(agent.argv.to_vec(), worktree, agent.timeout);
    command.env_allow = agent.env.to_vec();
    command.stdin = Some(brief.to_vec());
    command.output_cap = OUTPUT_CAP;
    // Git does not look for a repository above: it would find the user's.
    let above = worktree.parent().unwrap_or(worktree).display().to_string();
    command.env.insert("GIT_CEILING_DIRECTORIES".to_owned(), above);
    let output = command.run().map_err(|e| not_run(&e))?;
    let (stdout, stderr) = (output.stdout_text(), output.stderr_text());
    ended(&output, agent.timeout)?;
    let wanted = |path: &str| before.contains_key(path) || allowed(path);
    let after = seen(worktree, &wanted).map_err(|e| not_run(&e))?;
    let read = |path: &str| repo.read(commit, path).ok().flatten();
    let Left { diff, out: left_out } =
        left(worktree, &before, &after, allowed, &read).map_err(Error::Failed)?;
    let answers = answer::read(&stdout);
    // Where it answers without files, what it left in the worktree is its change.
    let text = match (&answers, diff.is_empty()) {
        (Ok(answer::Answer::Change { change, .. }), false)
            if !change.touches_files() && change.up.is_none() =>
        {
            let mut change = change.as_ref().clone();
            change.diff = Some(diff);
            serde_json::to_string(&change).map_err(|e| not_run(&e))?
        }
        (Ok(_), _) | (Err(_), true) => stdout.clone(),
        (Err(_), false) => {
            let first = stdout.lines().map(str::trim).find(|line| !line.is_empty());
            let title: String =
                first.unwrap_or("What the agent changed").chars().take(100).collect();
            json!({ "title": title, "diff": diff }).to_string()
        }
    };
    Ok(Answered { text, stdout, stderr, left_out })
}

fn ended(output: &Output, timeout: Duration) -> Result<(), Error> {
    let last = || {
        let text = output.stderr_text() + &output.stdout_text();
        text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no output").to_owned()
    };
    match output.status {
        Exit::Code(0) if output.truncated => {
            Err(Error::Failed(format!("it printed more than {} KiB", OUTPUT_CAP >> 10)))
        }
        Exit::Code(0) => Ok(()),
        Exit::Code(code) => Err(Error::Failed(format!("exit code {code}: {}", last()))),
        Exit::Signal(signal) => Err(Error::Failed(format!("ended by signal {signal}"))),
        Exit::TimedOut => Err(Error::Failed(format!(
            "it was not done after {} s, and ended with all that it had started",
            timeout.as_secs()
        ))),
    }
}

/// A file of a worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    File {
        digest: Digest,
        executable: bool,
    },
    Link(PathBuf),
    /// A device, a socket, what is too large, or what was not looked at.
    Other,
}

/// Every file below a folder, by its path with `/`; git's own folder aside. What is not `wanted` is
/// only named: builds leave gigabytes behind.
fn seen(root: &Path, wanted: &dyn Fn(&str) -> bool) -> io::Result<BTreeMap<String, Seen>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if entry.file_name() == ".git" {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            let name =
                path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            let what = if !wanted(&name) {
                Seen::Other
            } else if kind.is_symlink() {
                Seen::Link(fs::read_link(&path)?)
            } else if kind.is_file() && entry.metadata()?.len() > LARGEST {
                Seen::Other
            } else if kind.is_file() {
                let digest = Digest::of(&[&fs::read(&path)?]);
                Seen::File { digest, executable: executable(&path)? }
            } else {
                Seen::Other
            };
            all.insert(name, what);
        }
    }
    Ok(all)
}

#[cfg(unix)]
fn executable(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::metadata(path)?.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn executable(_path: &Path) -> io::Result<bool> {
    Ok(false)
}

/// What differs in a worktree.
struct Left {
    /// As a diff.
    diff: String,
    /// New files that no path of the workflow covers: what tools leave behind.
    out: Vec<String>,
}

/// What it left. A file that was there and is not allowed counts all the same, to be refused by name.
fn left(
    worktree: &Path,
    before: &BTreeMap<String, Seen>,
    after: &BTreeMap<String, Seen>,
    allowed: &dyn Fn(&str) -> bool,
    read: &dyn Fn(&str) -> Option<Vec<u8>>,
) -> Result<Left, String> {
    let mut found = Left { diff: String::new(), out: Vec::new() };
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for path in paths {
        let (old, new) = (before.get(path), after.get(path));
        if old == new {
            continue;
        }
        if old.is_none() && !allowed(path) {
            found.out.push(path.clone());
            continue;
        }
        let was = executable_file(path, old)?;
        let is = executable_file(path, new)?;
        match (was, is) {
            (Some(was), Some(is)) if was != is => {
                return Err(format!("{path} has another mode: a change set leaves modes"));
            }
            (None, Some(true)) => {
                return Err(format!("{path} is new and executable: a change set leaves modes"));
            }
            _ => {}
        }
        let old = was.and_then(|_| read(path));
        let new = match is {
            None => None,
            Some(_) => Some(fs::read(worktree.join(path)).map_err(|e| format!("{path}: {e}"))?),
        };
        if [&old, &new].into_iter().flatten().any(|bytes| std::str::from_utf8(bytes).is_err()) {
            return Err(format!("{path} is not text, which a change set cannot hold"));
        }
        found.diff.push_str(&unified_diff(path, 0o100_644, old.as_deref(), new.as_deref()));
    }
    Ok(found)
}

/// Whether a file is executable; `None`: there is none.
fn executable_file(path: &str, file: Option<&Seen>) -> Result<Option<bool>, String> {
    match file {
        None => Ok(None),
        Some(Seen::File { executable, .. }) => Ok(Some(*executable)),
        Some(Seen::Link(to)) => Err(format!("{path} is a link to {}", to.display())),
        Some(Seen::Other) => Err(format!("{path} is no file, or too large for one")),
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const ALL: &dyn Fn(&str) -> bool = &|_| true;

    /// What an agent that runs this script leaves, where `src/` is allowed.
    fn leaves(script: &str) -> Result<Left, String> {
        let dir = tempfile::tempdir().unwrap();
        let lay = "mkdir src; echo one > src/a; echo two > other; printf '#!' > run; chmod +x run; ln -s a src/l";
        let sh = |script: &str| {
            Command::new(["sh", "-c", script], dir.path(), Duration::from_secs(20)).run().unwrap()
        };
        sh(lay);
        let before = seen(dir.path(), ALL).unwrap();
        let texts = [("src/a", "one\n"), ("other", "two\n")];
        let read = |path: &str| {
            texts.iter().find(|(name, _)| *name == path).map(|(_, text)| text.as_bytes().to_vec())
        };
        sh(script);
        let allowed = |path: &str| path.starts_with("src/");
        let after = seen(dir.path(), &|path| before.contains_key(path) || allowed(path)).unwrap();
        left(dir.path(), &before, &after, &allowed, &read)
    }

    #[test]
    fn what_it_leaves_is_a_diff() {
        let found =
            leaves("echo eins > src/a; echo new > src/b; mkdir build; echo x > build/o").unwrap();
        assert!(found.diff.contains("-one\n+eins\n"), "{}", found.diff);
        assert!(found.diff.contains("+++ b/src/b\n@@ -0,0 +1 @@\n+new\n"), "{}", found.diff);
        assert_eq!(found.out, ["build/o"]);
        assert_eq!(leaves("touch src/a").unwrap().diff, "");
        assert!(leaves("rm src/a").unwrap().diff.contains("+++ /dev/null"));
        // It is named, to be refused as what no path of the workflow covers.
        assert!(leaves("echo 2 > other").unwrap().diff.contains("b/other"));
    }

    #[test]
    fn what_no_change_set_holds_is_refused() {
        for (script, said) in [
            ("chmod +x src/a", "another mode"),
            ("echo new > src/b; chmod +x src/b", "executable"),
            ("ln -s /etc/passwd src/b", "a link to /etc/passwd"),
            ("rm src/a; ln -s /etc/passwd src/a", "a link"),
            ("mkfifo src/p", "no file"),
            ("printf '\\377' > src/a", "not text"),
        ] {
            let why = leaves(script).err().unwrap();
            assert!(why.contains(said), "{script}: {why}");
        }
    }
}
