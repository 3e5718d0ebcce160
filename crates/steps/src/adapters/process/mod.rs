//! Child processes under control: an argument vector, an environment allow-list, a time limit that
//! ends the whole process group, an output cap.
//!
//! Deliberately not here: shell strings, retries, and any judgement of what an exit status means.

mod capture;
mod confine;
mod group;
mod redact;
#[cfg(all(test, unix))]
mod tests;

pub use confine::{Confine, Held, is_there};
pub use group::end_group;
pub use redact::redact;

use capture::Capture;
use kaizen_engine::error::{Class, Classified};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write as _},
    path::PathBuf,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Variables that every child may see. Everything else is taken out unless a command allows it.
pub const BASE_ENV: &[&str] = &[
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "USER",
    "SYSTEMROOT",
    "TEMP",
    "TMP",
    "USERPROFILE",
];

/// How long pipes may stay open after the child itself has ended, before they are given up.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// What to run. Nothing is interpreted by a shell.
#[derive(Debug, Clone)]
pub struct Command {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Where it runs.
    pub cwd: PathBuf,
    /// Variables it may see beyond [`BASE_ENV`]; a trailing `*` allows a prefix.
    pub env_allow: Vec<String>,
    /// Variables taken out again although `env_allow` names them.
    pub env_deny: Vec<String>,
    /// Variables set for it.
    pub env: BTreeMap<String, String>,
    /// Bytes on its standard input; `None`: it reads end of file at once.
    pub stdin: Option<Vec<u8>>,
    /// When to end it and all its descendants.
    pub timeout: Duration,
    /// Bytes kept of standard output and of standard error, each. More is read and thrown away.
    pub output_cap: usize,
    /// Whether descendants that outlive the program are ended too. Only git is spared this: its
    /// credential cache is a daemon that belongs to the user.
    pub end_leftovers: bool,
    /// What it is kept to; `None`: it may do what the user may.
    pub confine: Option<Confine>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub status: Exit,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Whether either stream went over the cap.
    pub truncated: bool,
    pub elapsed: Duration,
    /// What held of its confinement, where there was to be one.
    pub held: Option<Held>,
}

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    /// Ended by a signal that we did not send.
    Signal(i32),
    /// Ended by us, with its whole group, because its time was up.
    TimedOut,
}

/// Why a child could not be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("a command needs a program, and the argument vector is empty")]
    Empty,
    #[error("cannot run {program:?} in {}: there is no such directory", cwd.display())]
    NoSuchDirectory { program: String, cwd: PathBuf },
    #[error("cannot run {program:?}: it (or the interpreter that it names) was not found")]
    NotFound { program: String },
    #[error("cannot run {program:?}: the file is not executable")]
    NotExecutable { program: String },
    #[error("{program:?} is not run, since it cannot be confined: {why}")]
    CannotConfine { program: String, why: String },
    #[error("cannot run {program:?}: {source}")]
    Io {
        program: String,
        #[source]
        source: io::Error,
    },
}

impl Classified for Error {
    fn class(&self) -> Class {
        match self {
            Error::Empty
            | Error::NoSuchDirectory { .. }
            | Error::NotFound { .. }
            | Error::NotExecutable { .. }
            | Error::CannotConfine { .. } => Class::Operator,
            Error::Io { .. } => Class::Retry,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Error::Empty => "command_empty",
            Error::NoSuchDirectory { .. } => "command_no_such_directory",
            Error::NotFound { .. } => "command_not_found",
            Error::NotExecutable { .. } => "command_not_executable",
            Error::CannotConfine { .. } => "cannot_confine",
            Error::Io { .. } => "command_io",
        }
    }
}

impl Output {
    /// Whether it ended with exit code 0.
    pub fn success(&self) -> bool {
        self.status == Exit::Code(0)
    }

    /// Standard output as text; bytes that are not UTF-8 are replaced.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text; bytes that are not UTF-8 are replaced.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl Command {
    /// A command with no input, no further variables, and 1 MiB kept of each stream.
    pub fn new<S: Into<String>>(
        argv: impl IntoIterator<Item = S>,
        cwd: impl Into<PathBuf>,
        timeout: Duration,
    ) -> Command {
        Command {
            argv: argv.into_iter().map(Into::into).collect(),
            cwd: cwd.into(),
            env_allow: Vec::new(),
            env_deny: Vec::new(),
            env: BTreeMap::new(),
            stdin: None,
            timeout,
            output_cap: 1 << 20,
            end_leftovers: true,
            confine: None,
        }
    }

    /// Runs it to its end, or to the end of its time.
    ///
    /// # Errors
    /// Where it could not be started. However it ended once started is in [`Output::status`].
    pub fn run(self) -> Result<Output, Error> {
        self.spawn()?.wait()
    }

    /// Starts it. Its process group can be recorded before it is waited for.
    ///
    /// # Errors
    /// Where it could not be started.
    pub fn spawn(mut self) -> Result<Running, Error> {
        let program = self.argv.first().cloned().ok_or(Error::Empty)?;
        if !self.cwd.is_dir() {
            return Err(Error::NoSuchDirectory { program, cwd: self.cwd });
        }
        let started = Instant::now();
        let earlier = group::children();
        let (mut child, held) = {
            let mut direct = group::direct();
            let started = self.start(&program)?;
            direct.insert(id(&started.0));
            started
        };
        if let (Some(bytes), Some(mut pipe)) = (self.stdin.take(), child.stdin.take()) {
            // A child that does not read its input closes the pipe: that is its business.
            thread::spawn(move || drop(pipe.write_all(&bytes)));
        }
        let stdout = Capture::start(child.stdout.take(), self.output_cap);
        let stderr = Capture::start(child.stderr.take(), self.output_cap);
        Ok(Running { command: self, program, child, stdout, stderr, started, held, earlier })
    }

    fn start(&self, program: &str) -> Result<(Child, Option<Held>), Error> {
        let Some(confine) = &self.confine else {
            let child = self.prepare(&self.argv).spawn().map_err(|e| spawn_error(program, e))?;
            return Ok((child, None));
        };
        // What starts it would say so in words of its own.
        if !confine::is_there(program, &self.cwd) {
            return Err(Error::NotFound { program: program.to_owned() });
        }
        let (argv, means) = confine.started(&self.argv);
        group::adopt();
        let (child, held) = confine::spawn(self.prepare(&argv), program, confine, means)?;
        Ok((child, Some(held)))
    }

    fn prepare(&self, argv: &[String]) -> std::process::Command {
        let mut command = std::process::Command::new(&argv[0]);
        command
            .args(&argv[1..])
            .current_dir(&self.cwd)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| self.may_see(name.to_str())))
            .envs(&self.env)
            .stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        group::own_group(&mut command);
        command
    }

    fn may_see(&self, name: Option<&str>) -> bool {
        let Some(name) = name else { return false };
        let allowed = self.env_allow.iter().any(|allow| match allow.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == allow,
        });
        (allowed || BASE_ENV.contains(&name)) && !self.env_deny.iter().any(|deny| deny == name)
    }
}

/// A child that has been started. Dropping it without [`Running::wait`] ends its group.
#[derive(Debug)]
pub struct Running {
    command: Command,
    program: String,
    child: Child,
    stdout: Capture,
    stderr: Capture,
    started: Instant,
    held: Option<Held>,
    /// Children of this process from before it.
    earlier: BTreeSet<i32>,
}

impl Running {
    /// The process group: on Unix the child's process id.
    pub fn group(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, or ends it when its time is up.
    ///
    /// # Errors
    /// Where the operating system would not say how it ended.
    pub fn wait(mut self) -> Result<Output, Error> {
        let deadline = self.started + self.command.timeout;
        let left = deadline.saturating_duration_since(Instant::now());
        let timed_out = !group::ends_within(&mut self.child, left);
        // The child has not been reaped yet, so its id cannot have gone to somebody else.
        if timed_out || self.command.end_leftovers {
            group::end(&mut self.child);
        }
        if self.command.confine.is_some() {
            group::end_orphans(&self.earlier);
        }
        let ended = self.child.wait().map_err(|e| spawn_error(&self.program, e))?;
        let drained_by = Instant::now() + DRAIN_LIMIT;
        let (stdout, cut_out) = self.stdout.finish(drained_by);
        let (stderr, cut_err) = self.stderr.finish(drained_by);
        Ok(Output {
            status: if timed_out { Exit::TimedOut } else { group::exit(ended) },
            stdout,
            stderr,
            truncated: cut_out || cut_err,
            elapsed: self.started.elapsed(),
            held: self.held,
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            group::end(&mut self.child);
            let _ = self.child.wait();
        }
        group::direct().remove(&id(&self.child));
    }
}

fn id(child: &Child) -> i32 {
    i32::try_from(child.id()).unwrap_or_default()
}

fn spawn_error(program: &str, source: io::Error) -> Error {
    /// `ENOEXEC`: an executable file without a format or a `#!` line that the system knows.
    const EXEC_FORMAT: i32 = 8;
    let program = program.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => Error::NotFound { program },
        io::ErrorKind::PermissionDenied => Error::NotExecutable { program },
        _ if cfg!(unix) && source.raw_os_error() == Some(EXEC_FORMAT) => {
            Error::NotExecutable { program }
        }
        _ => Error::Io { program, source },
    }
}
