//! What a child may do to the rest of the machine: it writes below some folders and nowhere else, uses
//! no network, and each of its processes holds so much memory. By Landlock, an empty network namespace
//! (`unshare`) and `prlimit` on Linux; elsewhere nothing holds, and that is said.
//!
//! Landlock binds a thread and what it starts, so a thread of its own restricts itself and starts the
//! child. Deliberately not here: reading, which stays as free as the user's. Not held: modes and times of
//! files that belong to the user, and sockets with a path in the file system that the user may use.

use super::{Error, spawn_error};
use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

/// What a child is kept to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confine {
    /// Folders that it may write below; they must be there.
    pub write: Vec<PathBuf>,
    /// Whether it may use the network.
    pub network: bool,
    /// Most bytes of data that each of its processes may hold; 0: no limit.
    pub memory_bytes: u64,
    /// Largest file that it may write, bytes; 0: no limit.
    pub file_bytes: u64,
    /// Whether it is not started at all where some of this cannot be held.
    pub require: bool,
}

/// What of it the system holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub writes: bool,
    /// Whether there is no network at all (or it was allowed).
    pub network: bool,
    /// Whether memory and file size are limited (or were to have no limit).
    pub limits: bool,
}

impl Held {
    /// Nothing is held.
    pub const NOTHING: Held = Held { writes: false, network: false, limits: false };

    /// Whether all of it is.
    #[must_use]
    pub fn all(self) -> bool {
        self.writes && self.network && self.limits
    }

    /// For people: what is held, or what is not.
    #[must_use]
    pub fn words(self) -> String {
        if self.all() {
            return "confined".to_owned();
        }
        let parts = [
            (self.writes, "writes anywhere"),
            (self.network, "the network"),
            (self.limits, "memory and file size"),
        ];
        let open: Vec<&str> =
            parts.iter().filter(|(held, _)| !held).map(|(_, what)| *what).collect();
        format!("NOT confined: {}", open.join(", "))
    }
}

impl Confine {
    /// The arguments that start a program under its limits and without a network, as far as the system has
    /// what that takes; and whether it has.
    pub(super) fn started(&self, argv: &[String]) -> (Vec<String>, Means) {
        let limited = self.limited(argv);
        let limits = limited.is_some();
        let argv = limited.unwrap_or_else(|| argv.to_vec());
        let network = self.network || no_network();
        let prefix = ["unshare", "--user", "--net", "--"];
        let prefix = prefix.iter().filter(|_| network && !self.network);
        let argv = prefix.map(|word| (*word).to_owned()).chain(argv).collect();
        (argv, Means { limits, network })
    }

    fn limited(&self, argv: &[String]) -> Option<Vec<String>> {
        let mut limits = vec!["--core=0".to_owned()];
        limits.extend((self.memory_bytes > 0).then(|| format!("--data={}", self.memory_bytes)));
        limits.extend((self.file_bytes > 0).then(|| format!("--fsize={}", self.file_bytes)));
        let prlimit = on_path("prlimit").filter(|_| cfg!(target_os = "linux"))?;
        let prlimit = prlimit.to_string_lossy().into_owned();
        let separator = "--".to_owned();
        Some([prlimit].into_iter().chain(limits).chain([separator]).chain(argv.to_vec()).collect())
    }
}

/// Starts the child, confined as far as the system can.
///
/// # Errors
/// [`Error::CannotConfine`] where all of it is required and not to be had.
pub(super) fn spawn(
    command: Command,
    program: &str,
    confine: &Confine,
    Means { limits, network }: Means,
) -> Result<(Child, Held), Error> {
    let cannot = |why: String| Error::CannotConfine { program: program.to_owned(), why };
    if confine.require && !limits {
        return Err(cannot("there is no `prlimit` (package util-linux)".to_owned()));
    }
    if confine.require && !network {
        return Err(cannot("no network namespace is to be had here (`unshare -Un`)".to_owned()));
    }
    let held = |writes| Held { writes, network, limits };
    let work = move |mut command: Command| {
        let held = held(restrict(confine).map_err(cannot)?);
        let child = command.spawn().map_err(|e| spawn_error(program, e))?;
        Ok((child, held))
    };
    std::thread::scope(|scope| match scope.spawn(|| work(command)).join() {
        Ok(started) => started,
        Err(_) => Err(Error::CannotConfine {
            program: program.to_owned(),
            why: "the thread that was to start it failed".to_owned(),
        }),
    })
}

/// What the system has beside Landlock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Means {
    pub limits: bool,
    pub network: bool,
}

/// Whether a process can be started in a network namespace of its own: tried once.
fn no_network() -> bool {
    static TRIED: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *TRIED.get_or_init(|| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--net", "--", "true"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        cfg!(target_os = "linux") && command.status().is_ok_and(|status| status.success())
    })
}

/// Whether the program is there to be started, in `cwd` where it is a path.
#[must_use]
pub fn is_there(program: &str, cwd: &std::path::Path) -> bool {
    if program.contains(std::path::MAIN_SEPARATOR) {
        return cwd.join(program).is_file();
    }
    on_path(program).is_some()
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Restricts this thread; whether writes are held.
#[cfg(target_os = "linux")]
fn restrict(confine: &Confine) -> Result<bool, String> {
    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, LandlockStatus,
        PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, Scope,
    };
    /// Devices that hold nothing.
    const DEVICES: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/full"];
    let level = match confine.require {
        true => CompatLevel::HardRequirement,
        false => CompatLevel::BestEffort,
    };
    let told = |error: &dyn std::error::Error| format!("Landlock: {error}");
    // What a file's truncation needs came third, TCP fourth.
    let writes = AccessFs::from_write(ABI::V3);
    let mut rules =
        Ruleset::default().set_compatibility(level).handle_access(writes).map_err(|e| told(&e))?;
    if !confine.network {
        rules = rules.handle_access(AccessNet::from_all(ABI::V4)).map_err(|e| told(&e))?;
    }
    // Later kernels hold more: UDP, signals, sockets without a path, and typing into the user's terminal.
    rules = rules.set_compatibility(CompatLevel::BestEffort);
    rules = rules.handle_access(AccessFs::IoctlDev).map_err(|e| told(&e))?;
    rules = rules.scope(Scope::from_all(ABI::V6)).map_err(|e| told(&e))?;
    if !confine.network {
        rules = rules.handle_access(AccessNet::from_all(ABI::V10)).map_err(|e| told(&e))?;
    }
    let mut rules = rules.create().map_err(|e| told(&e))?;
    for folder in &confine.write {
        let place = PathFd::new(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        rules = rules.add_rule(PathBeneath::new(place, writes)).map_err(|e| told(&e))?;
    }
    for device in DEVICES {
        if let Ok(place) = PathFd::new(device) {
            let access = AccessFs::WriteFile | AccessFs::Truncate;
            rules = rules.add_rule(PathBeneath::new(place, access)).map_err(|e| told(&e))?;
        }
    }
    let status = rules.restrict_self().map_err(|e| told(&e))?;
    let abi = match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => effective_abi,
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => ABI::Unsupported,
    };
    Ok(abi >= ABI::V3)
}

#[cfg(not(target_os = "linux"))]
fn restrict(confine: &Confine) -> Result<bool, String> {
    match confine.require {
        true => Err("this system has no Landlock".to_owned()),
        false => Ok(false),
    }
}
