//! One scratch worktree, and the workflow's commands in it.

use super::benchmark::{Metric, metrics};
use crate::{
    adapters::process::{self, Command, Confine, Exit, Held, Output},
    sql::without_secrets,
};
use kaizen_engine::{
    digest::Digest,
    error::{Class, Classified},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

/// Bytes kept of a command's output.
const OUTPUT_CAP: usize = 256 << 10;

/// How commands run.
#[derive(Debug, Clone)]
pub struct Settings {
    pub build: Vec<String>,
    pub benchmark: Vec<String>,
    /// Variables that they may see.
    pub env: Vec<String>,
    /// Time for each of them.
    pub timeout: Duration,
    /// What they are kept to, the worktree and a folder for temporary files aside; `None`: nothing.
    pub confine: Option<Confine>,
}

/// Why a command did not do what it is for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("{command}: {why}")]
    Failed { command: String, why: String },
    #[error("{command}: {why}")]
    NotRun { command: String, why: String, code: &'static str },
    #[error("{}: {why}", path.display())]
    Folder { path: PathBuf, why: String },
}

impl Classified for Error {
    fn class(&self) -> Class {
        Class::Operator
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Failed { .. } => "command_failed",
            Error::NotRun { code, .. } => code,
            Error::Folder { .. } => "scratch",
        }
    }
}

/// A folder with a commit's files, and another for temporary ones.
#[derive(Debug)]
pub struct Worktree<'a> {
    pub path: PathBuf,
    tmp: PathBuf,
    settings: &'a Settings,
    /// Every file as it was exported: what a command is measured by is not another command's to change.
    sealed: BTreeMap<PathBuf, (Digest, bool)>,
}

impl<'a> Worktree<'a> {
    /// A worktree in `path`, which holds the files already. `TMPDIR` lies beside it.
    ///
    /// # Errors
    /// Where the folder for temporary files cannot be made.
    pub fn new(path: &Path, settings: &'a Settings) -> Result<Worktree<'a>, Error> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".tmp");
        let tmp = path.with_file_name(name);
        std::fs::create_dir_all(&tmp)
            .map_err(|e| Error::Folder { path: tmp.clone(), why: e.to_string() })?;
        let sealed = sealed(path)
            .map_err(|e| Error::Folder { path: path.to_owned(), why: e.to_string() })?;
        Ok(Worktree { path: path.to_owned(), tmp, settings, sealed })
    }

    /// Builds it, where there is something to build.
    ///
    /// # Errors
    /// [`Error::Failed`] where it does not build.
    pub fn build(&self) -> Result<(), Error> {
        if self.settings.build.is_empty() {
            return Ok(());
        }
        self.run(&self.settings.build).map(drop)
    }

    /// One run of the benchmark.
    ///
    /// # Errors
    /// [`Error::Failed`] where it fails or says what cannot be read.
    pub fn benchmark(&self) -> Result<Vec<Metric>, Error> {
        let output = self.run(&self.settings.benchmark)?;
        let command = self.settings.benchmark.join(" ");
        metrics(&output.stdout_text(), output.elapsed).map_err(|why| Error::Failed { command, why })
    }

    /// Runs a command to its end; exit code 0 is what is asked.
    ///
    /// # Errors
    /// [`Error::Failed`] where it ends otherwise, [`Error::NotRun`].
    pub fn run(&self, argv: &[String]) -> Result<Output, Error> {
        let shown = argv.join(" ");
        if let Some(path) = self.broken() {
            let why = format!("a command before it has changed {}", path.display());
            return Err(Error::Failed { command: shown, why });
        }
        let output = self.command(argv).run().map_err(|error| Error::NotRun {
            command: shown.clone(),
            why: error.to_string(),
            code: error.code(),
        })?;
        match outcome(&output) {
            None => Ok(output),
            Some(why) => Err(Error::Failed { command: shown, why }),
        }
    }

    /// What a command would be kept to here.
    ///
    /// # Errors
    /// As [`Worktree::run`].
    pub fn held(&self) -> Result<Held, Error> {
        if self.settings.confine.is_none() {
            return Ok(Held::NOTHING);
        }
        let output = self.run(&["true".to_owned()])?;
        Ok(output.held.unwrap_or(Held::NOTHING))
    }

    /// A file of the commit that is not as it was exported.
    fn broken(&self) -> Option<PathBuf> {
        let same = |path: &Path, was: &(Digest, bool)| {
            look(&self.path.join(path)).is_ok_and(|now| now == *was)
        };
        let broken = self.sealed.iter().find(|(path, was)| !same(path, was));
        broken.map(|(path, _)| path.clone())
    }

    fn command(&self, argv: &[String]) -> Command {
        let mut command = Command::new(argv.to_vec(), &self.path, self.settings.timeout);
        command.env_allow.clone_from(&self.settings.env);
        command.output_cap = OUTPUT_CAP;
        let tmp = self.tmp.display().to_string();
        // Git does not look for a repository above: it would find the user's.
        let above = self.path.parent().unwrap_or(&self.path).display().to_string();
        command.env = BTreeMap::from([
            ("TMPDIR".to_owned(), tmp),
            ("GIT_CEILING_DIRECTORIES".to_owned(), above),
        ]);
        command.confine = self.settings.confine.clone().map(|mut confine| {
            confine.write.extend([self.path.clone(), self.tmp.clone()]);
            confine
        });
        command
    }
}

/// Every file below a folder, by its path in it. Links are what they name.
fn sealed(root: &Path) -> std::io::Result<BTreeMap<PathBuf, (Digest, bool)>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            // It is made later, where it is tried what would hold in it.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            if std::fs::symlink_metadata(&path)?.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap_or(&path).to_owned();
                files.insert(name, look(&path)?);
            }
        }
    }
    Ok(files)
}

/// A file's content and whether it can be executed.
fn look(path: &Path) -> std::io::Result<(Digest, bool)> {
    let meta = std::fs::symlink_metadata(path)?;
    if meta.is_symlink() {
        let to = std::fs::read_link(path)?;
        return Ok((Digest::of(&[to.to_string_lossy().as_bytes()]), false));
    }
    #[cfg(unix)]
    let executable = std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o111 != 0;
    #[cfg(not(unix))]
    let executable = false;
    Ok((Digest::of(&[&std::fs::read(path)?]), executable))
}

/// Why an end is not the one that was asked for; `None`: exit code 0.
#[must_use]
pub fn outcome(output: &Output) -> Option<String> {
    let said = || {
        let text = output.stdout_text() + &output.stderr_text();
        let text = without_secrets(&process::redact(&text));
        text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no output").to_owned()
    };
    match output.status {
        Exit::Code(0) => None,
        Exit::Code(code) => Some(format!("exit code {code}: {}", said())),
        Exit::Signal(signal) => Some(format!("ended by signal {signal}")),
        Exit::TimedOut => Some("timed out".to_owned()),
    }
}
