//! Pushing, and asking a remote afterwards: through `git` as a child process, so that every
//! credential helper, SSH set-up and proxy of the user's works. Never by force, one ref at a time.

use super::{Error, Repo, head::reference, optional};
use crate::adapters::{
    Probe,
    process::{Command, Exit, Output, redact},
};
use std::time::Duration;

/// What git, its transports and credential helpers need from the environment.
const GIT_ENV: &[&str] = &[
    "GIT_*",
    "GCM_*",
    "SSH_*",
    "GNUPGHOME",
    "XDG_*",
    "DBUS_SESSION_BUS_ADDRESS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "APPDATA",
    "LOCALAPPDATA",
    "DISPLAY",
    "WAYLAND_DISPLAY",
];

/// Variables that would send git to another repository than the one it is started in.
const MISLEADING_ENV: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_QUARANTINE_PATH",
];

impl Repo {
    /// Pushes `commit` to `branch` of a remote, as a fast-forward or not at all. The remote is
    /// there already: nothing happens.
    ///
    /// # Errors
    /// [`Error::NoSuchRemote`]; [`Error::PushRejected`]: the remote (or a `pre-push` hook) can be
    /// asked and says no; [`Error::RemoteUnreachable`]: everything else, time-outs included.
    pub fn push(
        &self,
        remote: &str,
        branch: &str,
        commit: &str,
        timeout: Duration,
    ) -> Result<(), Error> {
        self.check_remote(remote)?;
        let refspec = format!("{commit}:{}", reference(branch));
        let flags = ["push", "--porcelain", "--no-follow-tags", "--recurse-submodules=no", "--"];
        let output = self.git(&[&flags[..], &[remote, &refspec]].concat(), timeout)?;
        if output.success() {
            return Ok(());
        }
        if let Some(reason) = refusal(&output) {
            return Err(rejected(remote, branch, &reason));
        }
        // No verdict from the remote. Where it can be read, it (or a hook here) did refuse.
        if output.status != Exit::TimedOut
            && !matches!(self.probe_push(remote, branch, commit, timeout)?, Probe::Unreachable(_))
        {
            return Err(rejected(remote, branch, &message(&output)));
        }
        Err(Error::RemoteUnreachable { remote: redact(remote), stderr: message(&output) })
    }

    /// Whether `commit` is in `branch` of the remote, its tip or below it. Fetches what it needs
    /// to tell, without moving any local or remote-tracking ref.
    ///
    /// # Errors
    /// [`Error::NoSuchRemote`]. A remote that cannot be reached is an answer, no error.
    pub fn probe_push(
        &self,
        remote: &str,
        branch: &str,
        commit: &str,
        timeout: Duration,
    ) -> Result<Probe, Error> {
        self.check_remote(remote)?;
        let mut answer = Probe::Done;
        for place in self.push_places(remote, timeout)? {
            answer = self.probe_place(&place, branch, commit, timeout)?;
            if answer != Probe::Done {
                break;
            }
        }
        Ok(answer)
    }

    fn probe_place(
        &self,
        place: &str,
        branch: &str,
        commit: &str,
        timeout: Duration,
    ) -> Result<Probe, Error> {
        let name = reference(branch);
        let listed = self.git(&["ls-remote", "--", place, &name], timeout)?;
        if !listed.success() {
            return Ok(Probe::Unreachable(message(&listed)));
        }
        let Some(tip) = tip_in(&listed.stdout_text(), &name) else {
            return Ok(Probe::NotDone);
        };
        if optional(self.inner.find_commit(tip))?.is_none() {
            let flags =
                ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance"];
            let more = ["--recurse-submodules=no", "--refmap=", "--", place, &name];
            let fetched = self.git(&[&flags[..], &more[..]].concat(), timeout)?;
            if !fetched.success() {
                return Ok(Probe::Unreachable(message(&fetched)));
            }
        }
        Ok(if self.is_ancestor(commit, tip)? { Probe::Done } else { Probe::NotDone })
    }

    /// Where a push to `remote` goes: mostly the name itself, but a remote may be fetched from
    /// one place and pushed to another, or to several.
    fn push_places(&self, remote: &str, timeout: Duration) -> Result<Vec<String>, Error> {
        let urls = |flags: &[&str]| -> Result<Vec<String>, Error> {
            let args = [&["remote", "get-url"], flags, &["--", remote]].concat();
            let output = self.git(&args, timeout)?;
            Ok(output.stdout_text().lines().map(str::to_owned).collect())
        };
        let (push, fetch) = (urls(&["--push", "--all"])?, urls(&[])?);
        Ok(if push.is_empty() || push == fetch { vec![remote.to_owned()] } else { push })
    }

    /// A remote is a configured name, a URL or a path; never an option.
    ///
    /// # Errors
    /// [`Error::NoSuchRemote`].
    pub fn check_remote(&self, remote: &str) -> Result<(), Error> {
        let direct = remote.contains(['/', ':', '\\']) && !remote.starts_with('-');
        let configured = || -> Result<bool, Error> {
            Ok(git2::Remote::is_valid_name(remote)
                && optional(self.inner.find_remote(remote))?.is_some())
        };
        if direct || configured()? {
            return Ok(());
        }
        Err(Error::NoSuchRemote { remote: redact(remote), root: self.root.clone() })
    }

    fn git(&self, args: &[&str], timeout: Duration) -> Result<Output, Error> {
        let argv = ["git"].iter().chain(args).copied();
        let mut command = Command::new(argv, &self.root, timeout);
        command.env_allow = GIT_ENV.iter().map(ToString::to_string).collect();
        command.env_deny = MISLEADING_ENV.iter().map(ToString::to_string).collect();
        command.env.insert("GIT_TERMINAL_PROMPT".to_owned(), "0".to_owned());
        let own_ssh = std::env::var_os("GIT_SSH_COMMAND").is_some()
            || std::env::var_os("GIT_SSH").is_some()
            || self.inner.config()?.get_entry("core.sshcommand").is_ok();
        if !own_ssh {
            // A question on the terminal would wait for its answer for ever.
            command.env.insert("GIT_SSH_COMMAND".to_owned(), "ssh -o BatchMode=yes".to_owned());
        }
        command.end_leftovers = false;
        Ok(command.run()?)
    }
}

/// The reason in a porcelain line `! <from>:<to> <summary>`, with what the remote said besides.
fn refusal(output: &Output) -> Option<String> {
    let stdout = output.stdout_text();
    let summary = stdout.lines().find_map(|line| line.strip_prefix("!\t"))?.split('\t').nth(1)?;
    let stderr = output.stderr_text();
    let said = stderr.lines().filter_map(|line| line.strip_prefix("remote: ")).map(str::trim);
    let said: Vec<&str> = said.filter(|line| !line.is_empty()).collect();
    Some(if said.is_empty() {
        summary.to_owned()
    } else {
        format!("{summary}: {}", said.join(" "))
    })
}

fn rejected(remote: &str, branch: &str, reason: &str) -> Error {
    let (remote, reason) = (redact(remote), redact(reason));
    Error::PushRejected { remote, branch: branch.to_owned(), reason }
}

fn tip_in(listing: &str, name: &str) -> Option<git2::Oid> {
    let line = listing.lines().find_map(|line| line.strip_suffix(name))?;
    git2::Oid::from_str(line.trim_end()).ok()
}

/// What git said, or that it said nothing in time.
fn message(output: &Output) -> String {
    let said = redact(output.stderr_text().trim());
    match output.status {
        Exit::TimedOut => format!("no answer within {} s. {said}", output.elapsed.as_secs()),
        Exit::Code(code) if said.is_empty() => format!("git ended with exit code {code}"),
        Exit::Signal(signal) => format!("git was ended by signal {signal}. {said}"),
        Exit::Code(_) => said,
    }
}
