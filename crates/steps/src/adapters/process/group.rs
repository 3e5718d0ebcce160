//! Process groups: how a child gets its own, how its end is noticed without reaping it, and how
//! the whole group is ended. Where the system has no groups, the child alone is ended.

use super::Exit;
use std::{
    collections::BTreeSet,
    io,
    process::{Child, Command, ExitStatus},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Puts the child into a process group of its own.
pub(super) fn own_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

/// Whether the child ends within `limit`. It is left to be reaped: as long as it is not, its id,
/// and with it the group's, belongs to nobody else.
#[cfg(unix)]
pub(super) fn ends_within(child: &mut Child, limit: Duration) -> bool {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let (tell, notice) = std::sync::mpsc::channel();
    let pid = Pid::from_child(child);
    std::thread::spawn(move || {
        let until_exit = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), until_exit) {}
        // Nobody listens any more when the time was up: nothing to tell then.
        let _ = tell.send(());
    });
    notice.recv_timeout(limit).is_ok()
}

/// Whether the child ends within `limit`. Polls: here the standard library has nothing better.
#[cfg(not(unix))]
pub(super) fn ends_within(child: &mut Child, limit: Duration) -> bool {
    let deadline = std::time::Instant::now() + limit;
    while matches!(child.try_wait(), Ok(None)) {
        if std::time::Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Ends the child and everything in its group. Only before it has been reaped.
pub(super) fn end(child: &mut Child) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};
        // ESRCH: all of them have ended already, which is what is wanted.
        let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    }
    #[cfg(not(unix))]
    let _ = child.kill();
}

/// Makes this process the parent of descendants that lose theirs, so that they can be found: a child that
/// starts a session of its own leaves its group.
#[cfg(target_os = "linux")]
pub(super) fn adopt() {
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
}

#[cfg(not(target_os = "linux"))]
pub(super) fn adopt() {}

/// The children of this process, adopted ones among them.
#[cfg(target_os = "linux")]
pub(super) fn children() -> BTreeSet<i32> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()
        })
        .collect()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn children() -> BTreeSet<i32> {
    BTreeSet::new()
}

/// Ends the adopted descendants that were not there before, until no new one turns up. A command that runs
/// beside this one keeps its own children; what that one loses to us may go with ours.
#[cfg(target_os = "linux")]
pub(super) fn end_orphans(earlier: &BTreeSet<i32>) {
    use rustix::process::{Pid, Signal, WaitOptions, getpgrp, kill_process, waitpid};
    /// What forks faster than this is left to the next command's end.
    const ROUNDS: usize = 200;
    for _ in 0..ROUNDS {
        let direct = direct();
        let adopted = |pid: &i32| {
            // Whoever starts a child by other means leaves it in our own group.
            let group = group_of(*pid).filter(|group| *group != getpgrp().as_raw_pid());
            group.is_some_and(|group| !direct.contains(&group)) && !direct.contains(pid)
        };
        let new: Vec<i32> = children().difference(earlier).copied().filter(adopted).collect();
        if new.is_empty() {
            return;
        }
        for pid in new.into_iter().filter_map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::empty());
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn end_orphans(_earlier: &BTreeSet<i32>) {}

/// A process's group, as `/proc` has it.
#[cfg(target_os = "linux")]
fn group_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything but a last parenthesis.
    stat.rsplit_once(") ")?.1.split(' ').nth(2)?.parse().ok()
}

/// Children that somebody here waits for. Held while one is started, so that none is taken for an orphan.
pub(super) fn direct() -> MutexGuard<'static, BTreeSet<i32>> {
    static DIRECT: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());
    DIRECT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends a process group left behind by a process that died, before its work is taken over.
/// A group that is gone counts as ended.
///
/// # Errors
/// Where the system refuses: the group belongs to somebody else.
#[cfg(unix)]
pub fn end_group(group: u32) -> io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process_group};
    let pid =
        i32::try_from(group).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    match kill_process_group(pid, Signal::KILL) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// This system has no process groups: nothing to end.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn end_group(_group: u32) -> io::Result<()> {
    Ok(())
}

/// How it ended, of its own accord.
pub(super) fn exit(status: ExitStatus) -> Exit {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return Exit::Signal(signal);
    }
    Exit::Code(status.code().unwrap_or(-1))
}
