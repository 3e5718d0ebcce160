//! The project and journal that a command works on, and who is at the keyboard.

use crate::{failure::Failure, trail};
use kaizen_engine::{
    digest::Digest,
    journal::{Decision, Method, Run},
    shell::{Engine, Reader, Store, SystemClock, runner::Observer},
    workflow::Policy,
};
use kaizen_steps::{effects::ProjectEffects, phases, project::Project};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// How long a driver waits by itself for a target or a sleeper.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a command works.
pub struct Place {
    pub root: PathBuf,
    pub journal: PathBuf,
}

impl Place {
    /// The project that `dir` (or the current directory) is in.
    pub fn find(dir: Option<&Path>) -> Result<Place, Failure> {
        let dir = dir.unwrap_or(Path::new("."));
        let root = Project::find(dir)?;
        let (policy, _) = Project::policy(&root)?;
        Ok(Place::at(root, &policy))
    }

    fn at(root: PathBuf, policy: &Policy) -> Place {
        let journal = Project::journal(&root, policy);
        Place { root, journal }
    }

    pub fn reader(&self) -> Result<Reader, Failure> {
        if !self.journal.exists() {
            let message =
                format!("no run has been started here yet: there is no {}", self.journal.display());
            return Err(Failure::usage("no_journal", message)
                .next("kaizen start workflows/sqlite-index-tuning.toml"));
        }
        Ok(Reader::open(&self.journal)?)
    }

    pub fn store(&self) -> Result<Store, Failure> {
        Ok(Store::open(&self.journal, Arc::new(SystemClock))?)
    }

    /// The project as a run has pinned it.
    pub fn pinned(&self, reader: &Reader, run: &Run) -> Result<Project, Failure> {
        let text = reader.artifact(&run.created.definition)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(Project::pinned(&self.root, &run.created.workflow_path, text)?)
    }

    /// A driver for a project.
    pub fn engine(
        &self,
        project: Project,
        store: Store,
        observer: Arc<dyn Observer>,
    ) -> Result<Engine, Failure> {
        let trail = trail::before_effects(self, &project, &store)?;
        let project = Arc::new(project);
        Ok(Engine {
            trail,
            store,
            journal: self.journal.as_path().into(),
            pipeline: Arc::new(phases::pipeline(&project)),
            effects: Arc::new(ProjectEffects { project }),
            clock: Arc::new(SystemClock),
            observer,
            patience: PATIENCE,
        })
    }
}

/// The operating system's own name for the user of this process; no variable is asked.
pub fn os_user() -> String {
    whoami::username().unwrap_or_else(|_| "unknown".to_owned())
}

/// This machine's name.
pub fn host() -> String {
    whoami::hostname().unwrap_or_else(|_| "unknown".to_owned())
}

/// A decision by whoever is at the keyboard, or in the name of `who`.
pub fn decision(who: Option<&str>, reason: &str, digest: Digest) -> Decision {
    let os_user = os_user();
    let method = match who {
        Some(name) if name != os_user => Method::Unverified,
        Some(_) | None => Method::Cli,
    };
    Decision {
        who: who.map_or_else(|| os_user.clone(), str::to_owned),
        reason: reason.to_owned(),
        method,
        os_user,
        host: host(),
        digest,
        rating: None,
    }
}
