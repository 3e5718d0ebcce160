//! The project that a run works on: a git repository with `kaizen.toml`, a workflow and a target.

use crate::adapters::git;
use kaizen_engine::{
    digest::Digest,
    error::{Class, Classified},
    journal::Run,
    workflow::{self, Definition, Policy, Target},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The policy's file at the project's root.
pub const POLICY_FILE: &str = "kaizen.toml";

/// What stands in for the digest of a file that is not there.
const ABSENT: &str = "absent";

/// Why a project cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no {POLICY_FILE} in {} or above it", .0.display())]
    NotAProject(PathBuf),
    #[error("{} is not the top of its git repository, {}", root.display(), repository.display())]
    NotAtTheTop { root: PathBuf, repository: PathBuf },
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    Workflow { path: PathBuf, source: Box<workflow::Error> },
    #[error(transparent)]
    Git(#[from] git::Error),
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::Git(error) => error.class(),
            Error::NotAProject(_)
            | Error::NotAtTheTop { .. }
            | Error::Read { .. }
            | Error::Workflow { .. } => Class::Operator,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::NotAProject(_) => "no_project",
            Error::NotAtTheTop { .. } => "not_at_the_top",
            Error::Read { .. } => "unreadable",
            Error::Workflow { source, .. } => source.code(),
            Error::Git(error) => error.code(),
        }
    }
}

/// A project, with one workflow of it.
#[derive(Debug, Clone)]
pub struct Project {
    pub root: PathBuf,
    /// The workflow's file, relative to the root where it lies within.
    pub workflow_path: String,
    pub workflow_text: String,
    pub definition: Definition,
    pub policy_text: String,
    pub policy: Policy,
}

impl Project {
    /// The root of the project that `dir` is in: the nearest folder with a `kaizen.toml`.
    ///
    /// # Errors
    /// [`Error::NotAProject`].
    pub fn find(dir: &Path) -> Result<PathBuf, Error> {
        let dir =
            fs::canonicalize(dir).map_err(|source| Error::Read { path: dir.to_owned(), source })?;
        let root = dir.ancestors().find(|folder| folder.join(POLICY_FILE).is_file());
        root.map(Path::to_owned).ok_or(Error::NotAProject(dir.clone()))
    }

    /// The policy of the project at `root`, with its text.
    ///
    /// # Errors
    /// Where it cannot be read, or does not parse.
    pub fn policy(root: &Path) -> Result<(Policy, String), Error> {
        let path = root.join(POLICY_FILE);
        let text = read(&path)?;
        let policy = Policy::parse(&text)
            .map_err(|source| Error::Workflow { path, source: Box::new(source) })?;
        Ok((policy, text))
    }

    /// Reads a workflow from its file.
    ///
    /// # Errors
    /// Where a file cannot be read, does not parse, or asks for less than the policy's floor.
    pub fn open(root: &Path, workflow: &Path) -> Result<Project, Error> {
        let text = read(workflow)?;
        let full = fs::canonicalize(workflow).unwrap_or_else(|_| workflow.to_owned());
        let path = full.strip_prefix(root).unwrap_or(&full).to_string_lossy().replace('\\', "/");
        Project::pinned(root, &path, text)
    }

    /// The project with the workflow's text as a run has pinned it.
    ///
    /// # Errors
    /// As [`Project::open`].
    pub fn pinned(root: &Path, workflow_path: &str, text: String) -> Result<Project, Error> {
        let at = |source| Error::Workflow {
            path: PathBuf::from(workflow_path),
            source: Box::new(source),
        };
        let definition = Definition::parse(&text).map_err(at)?;
        let (policy, policy_text) = Project::policy(root)?;
        policy.check(&definition).map_err(at)?;
        Ok(Project {
            root: root.to_owned(),
            workflow_path: workflow_path.to_owned(),
            workflow_text: text,
            definition,
            policy_text,
            policy,
        })
    }

    /// Where the journal of the project at `root` is.
    #[must_use]
    pub fn journal(root: &Path, policy: &Policy) -> PathBuf {
        root.join(&policy.journal.path)
    }

    /// A SQLite target's file. Any other has none: the project's folder stands for it, which is no
    /// database to whoever opens it.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        match &self.definition.target {
            Target::Sqlite { database, .. } => self.root.join(database),
            Target::Sqlserver { .. } | Target::Command { .. } => self.root.clone(),
        }
    }

    /// A SQLite target's glob patterns.
    #[must_use]
    pub fn workload(&self) -> &[String] {
        match &self.definition.target {
            Target::Sqlite { workload, .. } => workload,
            Target::Sqlserver { .. } | Target::Command { .. } => &[],
        }
    }

    /// The repository, whose top is the project's root.
    ///
    /// # Errors
    /// Where there is none, or its top is elsewhere.
    pub fn repository(&self) -> Result<git::Repo, Error> {
        let repo = git::Repo::open(&self.root)?;
        let top = fs::canonicalize(repo.root()).unwrap_or_else(|_| repo.root().to_owned());
        if top != self.root {
            return Err(Error::NotAtTheTop { root: self.root.clone(), repository: top });
        }
        Ok(repo)
    }

    /// The name of the target's lease: what is changed, and on which branch.
    ///
    /// # Errors
    /// Where the branch cannot be told.
    pub fn target_key(&self) -> Result<String, Error> {
        let branch = self.repository()?.head(self.definition.deploy.branch.as_deref())?.branch;
        match &self.definition.target {
            Target::Sqlite { .. } => {
                let file = fs::canonicalize(self.database()).unwrap_or_else(|_| self.database());
                Ok(format!("sqlite:{}@{branch}", file.display()))
            }
            Target::Sqlserver { name, database } => {
                Ok(format!("sqlserver:{name}/{database}@{branch}"))
            }
            Target::Command { .. } => Ok(format!("command:{}@{branch}", self.root.display())),
        }
    }

    /// A run's own folder for copies; made where it is missing.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn scratch(&self, run: &Run) -> Result<PathBuf, Error> {
        let path = self.scratch_path(run);
        fs::create_dir_all(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        Ok(path)
    }

    /// Where that folder is.
    #[must_use]
    pub fn scratch_path(&self, run: &Run) -> PathBuf {
        Project::journal(&self.root, &self.policy).with_file_name("scratch").join(run.name())
    }

    /// The digest of the workflow's file as it is now, not as the run has pinned it.
    #[must_use]
    pub fn workflow_digest_now(&self) -> String {
        digest_of(&self.root.join(&self.workflow_path))
    }

    /// Whether the workflow's file freezes deployments now, whatever the run has pinned.
    #[must_use]
    pub fn is_frozen_now(&self) -> bool {
        let text = fs::read_to_string(self.root.join(&self.workflow_path)).ok();
        let now = text.and_then(|text| Definition::parse(&text).ok());
        now.map_or(self.definition.deploy.freeze, |definition| definition.deploy.freeze)
    }

    /// The digest of `kaizen.toml` as it is now.
    #[must_use]
    pub fn policy_digest_now(&self) -> String {
        digest_of(&self.root.join(POLICY_FILE))
    }
}

fn digest_of(path: &Path) -> String {
    fs::read(path).map_or_else(|_| ABSENT.to_owned(), |bytes| Digest::of(&[&bytes]).to_string())
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}
